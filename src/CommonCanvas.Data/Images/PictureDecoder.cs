using SkiaSharp;

namespace CommonCanvas.Data;

/// <summary>
/// Decodes PNG, JPEG, WebP and the first frame of GIF to 8 bits a channel. EXIF orientation is applied, transparency is laid
/// over white, grey becomes RGB, 16 bits become 8, and colour profiles are ignored, as Pillow does. Use from many threads.
/// </summary>
public static class PictureDecoder
{
    /// <summary>Default limit of declared pixels: 100 million, 400 MB decoded.</summary>
    public const long DefaultMaxPixels = 100_000_000;

    /// <summary>Decodes a file's bytes.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="maxPixels">Limit of width times height, held against the file's head before anything is decoded.</param>
    /// <param name="minSide">Least length of the shorter side.</param>
    /// <exception cref="PictureException">Another format, damaged, cut off, too small or too large.</exception>
    public static unsafe Picture Decode(ReadOnlySpan<byte> file, long maxPixels = DefaultMaxPixels, int minSide = 1)
    {
        if (!IsKnownFormat(file)) throw new PictureException(SkipReason.CannotDecode, file.IsEmpty ? "empty file" : "not a PNG, JPEG, WebP or GIF");
        fixed (byte* bytes = file)
        {
            using SKData data = SKData.Create((nint)bytes, file.Length);
            using SKCodec codec = SKCodec.Create(data) ?? throw new PictureException(SkipReason.CannotDecode, "its head is damaged");
            SKImageInfo info = codec.Info;
            if (info.Width < 1 || info.Height < 1) throw new PictureException(SkipReason.CannotDecode, $"declares {info.Width} x {info.Height} pixels");
            long pixels = (long)info.Width * info.Height;
            if (pixels > Math.Min(maxPixels, Array.MaxLength / 4)) throw new PictureException(SkipReason.TooLarge, $"declares {info.Width} x {info.Height} pixels, more than the limit of {maxPixels}");
            if (Math.Min(info.Width, info.Height) < minSide) throw new PictureException(SkipReason.TooSmall, $"{info.Width} x {info.Height} pixels; the shorter side must have {minSide}");

            bool opaque = info.AlphaType == SKAlphaType.Opaque;
            // No colour space: values come out as they are stored.
            var wanted = new SKImageInfo(info.Width, info.Height, SKColorType.Rgba8888, opaque ? SKAlphaType.Opaque : SKAlphaType.Unpremul, null);
            var picture = new Picture(info.Width, info.Height);
            try
            {
                SKCodecResult result;
                fixed (byte* to = picture.Pixels) result = codec.GetPixels(wanted, (nint)to, wanted.RowBytes, SKCodecOptions.Default);
                if (result != SKCodecResult.Success)
                    throw new PictureException(SkipReason.CannotDecode, result == SKCodecResult.IncompleteInput ? "cut off" : $"damaged ({result})");
                if (!opaque) LayOverWhite(picture.Pixels);
                return Upright(picture, codec.EncodedOrigin);
            }
            catch
            {
                picture.Dispose();
                throw;
            }
        }
    }

    /// <summary>
    /// Looks at the first bytes, so that only the four decoders that are meant ever see foreign data; the library has more.
    /// </summary>
    static bool IsKnownFormat(ReadOnlySpan<byte> file) =>
        file.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A])
        || file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])
        || file.StartsWith("GIF87a"u8) || file.StartsWith("GIF89a"u8)
        || file.Length >= 12 && file.StartsWith("RIFF"u8) && file[8..12].SequenceEqual("WEBP"u8);

    /// <summary>c = c a + 255 (1 - a), rounded.</summary>
    static void LayOverWhite(Span<byte> pixels)
    {
        for (int i = 0; i + 3 < pixels.Length; i += 4)
        {
            int a = pixels[i + 3];
            if (a == 255) continue;
            int white = 255 * (255 - a) + 127;
            pixels[i] = (byte)((pixels[i] * a + white) / 255);
            pixels[i + 1] = (byte)((pixels[i + 1] * a + white) / 255);
            pixels[i + 2] = (byte)((pixels[i + 2] * a + white) / 255);
            pixels[i + 3] = 255;
        }
    }

    /// <summary>Turns and mirrors as EXIF's orientation says; gives the same picture back where there is nothing to do.</summary>
    static Picture Upright(Picture from, SKEncodedOrigin origin)
    {
        if (origin is SKEncodedOrigin.TopLeft or < SKEncodedOrigin.TopLeft or > SKEncodedOrigin.LeftBottom) return from;
        bool swapped = origin >= SKEncodedOrigin.LeftTop;
        int w = from.Width, h = from.Height;
        var to = swapped ? new Picture(h, w) : new Picture(w, h);
        ReadOnlySpan<uint> source = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(from.Pixels);
        Span<uint> target = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(to.Pixels);
        for (int y = 0; y < to.Height; y++)
            for (int x = 0; x < to.Width; x++)
            {
                (int sx, int sy) = origin switch
                {
                    SKEncodedOrigin.TopRight => (w - 1 - x, y),
                    SKEncodedOrigin.BottomRight => (w - 1 - x, h - 1 - y),
                    SKEncodedOrigin.BottomLeft => (x, h - 1 - y),
                    SKEncodedOrigin.LeftTop => (y, x),
                    SKEncodedOrigin.RightTop => (y, h - 1 - x),
                    SKEncodedOrigin.RightBottom => (w - 1 - y, h - 1 - x),
                    _ => (w - 1 - y, x),
                };
                target[y * to.Width + x] = source[sy * w + sx];
            }
        from.Dispose();
        return to;
    }
}
