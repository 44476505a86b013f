namespace CommonCanvas.Data;

/// <summary>From a picture to the numbers that a model takes.</summary>
public static class PictureCrop
{
    /// <summary>
    /// The training crop: shorter side to <paramref name="size"/> (antialiased bilinear; the longer side is truncated to an
    /// integer), centre square with offset (side - size) / 2 rounded down, values to [-1, 1].
    /// </summary>
    /// <param name="picture">The source.</param>
    /// <param name="size">Side of the square in pixels.</param>
    /// <param name="to">Takes size x size x 3 values, NHWC.</param>
    /// <exception cref="PictureException">The picture is millions of times longer than wide.</exception>
    public static void Square(Picture picture, int size, Span<float> to)
    {
        int w = picture.Width, h = picture.Height;
        long longer = (long)size * Math.Max(w, h) / Math.Min(w, h);
        if (longer > int.MaxValue) throw new PictureException(SkipReason.TooSmall, $"{w} x {h} pixels are too long and narrow for a square of {size}");
        (int width, int height) = w <= h ? (size, (int)longer) : ((int)longer, size);
        using var window = new Picture(size, size);
        Resampler.Resize(picture, width, height, Filter.Bilinear, (width - size) / 2, (height - size) / 2, window);
        Normalise(window, [127.5f, 127.5f, 127.5f], [127.5f, 127.5f, 127.5f], to);
    }

    /// <summary>
    /// What BLIP-2's vision tower takes: the whole picture to size x size (bicubic, without keeping the aspect), then CLIP's
    /// mean and deviation by channel.
    /// </summary>
    /// <param name="picture">The source.</param>
    /// <param name="size">Side in pixels; BLIP-2 has 224.</param>
    /// <param name="to">Takes size x size x 3 values, NHWC.</param>
    public static void Clip(Picture picture, int size, Span<float> to)
    {
        using var whole = new Picture(size, size);
        Resampler.Resize(picture, size, size, Filter.Bicubic, 0, 0, whole);
        Normalise(whole, [0.48145466f * 255, 0.4578275f * 255, 0.40821073f * 255], [0.26862954f * 255, 0.26130258f * 255, 0.27577711f * 255], to);
    }

    static void Normalise(Picture from, ReadOnlySpan<float> mean, ReadOnlySpan<float> deviation, Span<float> to)
    {
        ReadOnlySpan<byte> pixels = from.Pixels;
        int n = from.Width * from.Height;
        if (to.Length != n * 3) throw new ArgumentException($"{to.Length} values where {from.Width} x {from.Height} x 3 are needed");
        for (int c = 0; c < 3; c++)
        {
            float m = mean[c], d = deviation[c];
            for (int i = 0; i < n; i++) to[i * 3 + c] = (pixels[i * 4 + c] - m) / d;
        }
    }
}
