using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace CommonCanvas.Training;

/// <summary>
/// Writes 8-bit RGB pictures as PNG (ISO/IEC 15948) with text chunks. The same picture and texts give the same bytes.
/// </summary>
public static class PngWriter
{
    static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Encodes a picture.</summary>
    /// <param name="rgb">height x width x 3 bytes, rows from the top.</param>
    /// <param name="width">Pixels across.</param>
    /// <param name="height">Pixels down.</param>
    /// <param name="texts">Keyword (Latin-1, 1 to 79 characters) and text (any Unicode), kept in iTXt chunks.</param>
    public static byte[] Encode(ReadOnlySpan<byte> rgb, int width, int height, IEnumerable<KeyValuePair<string, string>>? texts = null)
    {
        if (width <= 0 || height <= 0 || rgb.Length != checked(width * height * 3))
            throw new ArgumentException($"{rgb.Length} bytes are not a picture of {width}x{height} in RGB");
        using var png = new MemoryStream();
        png.Write(Signature);
        Span<byte> head = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(head, width);
        BinaryPrimitives.WriteInt32BigEndian(head[4..], height);
        (head[8], head[9], head[10], head[11], head[12]) = (8, 2, 0, 0, 0);
        Chunk(png, "IHDR", head);
        foreach (var (keyword, text) in texts ?? [])
            Chunk(png, "iTXt", [.. Encoding.Latin1.GetBytes(keyword), 0, 0, 0, 0, 0, .. Encoding.UTF8.GetBytes(text)]);
        Chunk(png, "IDAT", Compress(rgb, width, height));
        Chunk(png, "IEND", []);
        return png.ToArray();
    }

    // Each row is stored as its difference from the row above (filter 2; none for the first), which suits drawings and photographs well enough.
    static byte[] Compress(ReadOnlySpan<byte> rgb, int width, int height)
    {
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            int stride = width * 3;
            var row = new byte[stride + 1];
            for (int y = 0; y < height; y++)
            {
                row[0] = (byte)(y == 0 ? 0 : 2);
                for (int x = 0; x < stride; x++) row[x + 1] = (byte)(rgb[y * stride + x] - (y == 0 ? 0 : rgb[(y - 1) * stride + x]));
                zlib.Write(row);
            }
        }
        return packed.ToArray();
    }

    static void Chunk(MemoryStream png, string type, ReadOnlySpan<byte> data)
    {
        Span<byte> word = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(word, data.Length);
        png.Write(word);
        byte[] name = Encoding.ASCII.GetBytes(type);
        png.Write(name);
        png.Write(data);
        var crc = new Crc32();
        crc.Append(name);
        crc.Append(data);
        BinaryPrimitives.WriteUInt32BigEndian(word, crc.GetCurrentHashAsUInt32());
        png.Write(word);
    }
}
