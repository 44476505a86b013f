using System.Buffers;
using System.Buffers.Binary;

namespace CommonCanvas.Data;

/// <summary>A growing run of bytes that is reused from sample to sample and from shard to shard.</summary>
sealed class ByteBuffer : IBufferWriter<byte>
{
    byte[] bytes = new byte[4096];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Memory => bytes.AsMemory(0, Length);

    public ReadOnlySpan<byte> Span => bytes.AsSpan(0, Length);

    public void Clear() => Length = 0;

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public void Append(ReadOnlySpan<byte> data)
    {
        Reserve(data.Length);
        data.CopyTo(bytes.AsSpan(Length));
        Length += data.Length;
    }

    public void AppendU32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(GetSpan(4), value);
        Length += 4;
    }

    /// <summary>Overwrites a number written before.</summary>
    public void PatchU32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at, 4), value);

    void Reserve(int more)
    {
        long needed = (long)Length + more;
        if (needed <= bytes.Length) return;
        if (needed > Array.MaxLength) throw new ArgumentException($"a sample or shard of {needed} bytes does not fit into one buffer of {Array.MaxLength}: choose a smaller size limit");
        Array.Resize(ref bytes, (int)Math.Min(Array.MaxLength, Math.Max(needed, bytes.Length * 2L)));
    }
}
