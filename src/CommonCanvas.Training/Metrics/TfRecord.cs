using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace CommonCanvas.Training;

/// <summary>
/// TensorFlow's record framing: u64 length, masked CRC-32C of those 8 bytes, the data, masked CRC-32C of the data;
/// little-endian.
/// </summary>
static class TfRecord
{
    /// <summary>Writes one record.</summary>
    public static void Write(Stream stream, ReadOnlySpan<byte> data)
    {
        Span<byte> head = stackalloc byte[12];
        BinaryPrimitives.WriteUInt64LittleEndian(head, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], MaskedCrc(head[..8]));
        stream.Write(head);
        stream.Write(data);
        BinaryPrimitives.WriteUInt32LittleEndian(head, MaskedCrc(data));
        stream.Write(head[..4]);
    }

    /// <summary>CRC-32C, rotated and offset so that the sum of data that holds sums is still telling.</summary>
    public static uint MaskedCrc(ReadOnlySpan<byte> data) => BitOperations.RotateRight(Crc32C(data), 15) + 0xA282EAD8u;

    /// <summary>CRC-32 with Castagnoli's polynomial.</summary>
    public static uint Crc32C(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        var words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (ulong word in words) crc = BitOperations.Crc32C(crc, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
        foreach (byte b in data[(words.Length * 8)..]) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }
}
