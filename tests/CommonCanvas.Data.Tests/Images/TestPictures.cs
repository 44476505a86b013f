using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using SkiaSharp;

namespace CommonCanvas.Data.Tests;

/// <summary>Small picture files of every kind that is decoded, made from formulas.</summary>
static class TestPictures
{
    /// <summary>Opaque: red grows to the right, green downwards, blue is constant.</summary>
    public static SKBitmap Gradient(int width, int height)
    {
        var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) bitmap.SetPixel(x, y, new SKColor((byte)(x * 255 / Math.Max(width - 1, 1)), (byte)(y * 255 / Math.Max(height - 1, 1)), 64));
        return bitmap;
    }

    public static byte[] Encoded(SKEncodedImageFormat format, int width = 40, int height = 24, int quality = 100)
    {
        using SKBitmap bitmap = Gradient(width, height);
        using SKData data = bitmap.Encode(format, quality);
        return data.ToArray();
    }

    /// <summary>A PNG of any colour type and depth; <paramref name="rows"/> are the unfiltered bytes of the rows.</summary>
    public static byte[] Png(int width, int height, int depth, int colourType, byte[] rows, byte[]? palette = null)
    {
        var png = new List<byte> { 0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A };
        var head = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(head, width);
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(4), height);
        head[8] = (byte)depth;
        head[9] = (byte)colourType;
        Chunk(png, "IHDR", head);
        if (palette is not null) Chunk(png, "PLTE", palette);
        using var packed = new MemoryStream();
        using (var zip = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            for (int y = 0, stride = height > 0 ? rows.Length / height : 0; y < height && stride > 0; y++)
            {
                zip.WriteByte(0);
                zip.Write(rows, y * stride, stride);
            }
        Chunk(png, "IDAT", packed.ToArray());
        Chunk(png, "IEND", []);
        return [.. png];
    }

    /// <summary>A 2 x 2 GIF of two frames: the first red, green, blue, white; the second all red.</summary>
    public static byte[] Gif() =>
    [
        .. "GIF89a"u8, 2, 0, 2, 0, 0x91, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255,
        // Minimum code size 2: clear, 0, 1, 2, 3, end; the code width grows to 4 bits after the third index.
        0x2C, 0, 0, 0, 0, 2, 0, 2, 0, 0, 2, .. Lzw(0, 1, 2, 3), 0,
        0x2C, 0, 0, 0, 0, 2, 0, 2, 0, 0, 2, .. Lzw(0, 0, 0, 0), 0,
        0x3B,
    ];

    /// <summary>Puts an EXIF segment with an orientation behind a JPEG's first marker.</summary>
    public static byte[] WithOrientation(byte[] jpeg, int orientation)
    {
        byte[] exif = [.. "Exif\0\0II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, (byte)orientation, 0, 0, 0, 0, 0, 0, 0];
        return [0xFF, 0xD8, 0xFF, 0xE1, (byte)((exif.Length + 2) >> 8), (byte)(exif.Length + 2), .. exif, .. jpeg.AsSpan(2)];
    }

    /// <summary>Colour at a place, as 0xRRGGBB.</summary>
    public static int At(Picture picture, int x, int y)
    {
        Span<byte> p = picture.Pixels[((y * picture.Width + x) * 4)..];
        return p[0] << 16 | p[1] << 8 | p[2];
    }

    /// <summary>Codes that never repeat a string: a clear code after every two indices keeps them 3 bits wide.</summary>
    static byte[] Lzw(params byte[] indices)
    {
        int bits = 0, count = 0;
        void Put(int code)
        {
            bits |= code << count;
            count += 3;
        }
        for (int i = 0; i < indices.Length; i++)
        {
            if (i % 2 == 0) Put(4);
            Put(indices[i]);
        }
        Put(5);
        var bytes = new byte[(count + 7) / 8];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)(bits >> (8 * i));
        return [(byte)bytes.Length, .. bytes];
    }

    static void Chunk(List<byte> png, string kind, byte[] data)
    {
        byte[] body = [.. kind.Select(c => (byte)c), .. data];
        var four = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(four, data.Length);
        png.AddRange(four);
        png.AddRange(body);
        BinaryPrimitives.WriteUInt32BigEndian(four, Crc32.HashToUInt32(body));
        png.AddRange(four);
    }
}
