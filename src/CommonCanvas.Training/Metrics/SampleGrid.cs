namespace CommonCanvas.Training;

/// <summary>An 8-bit RGB picture, rows from the top.</summary>
/// <param name="Pixels">Height x Width x 3 bytes.</param>
/// <param name="Width">Pixels across.</param>
/// <param name="Height">Pixels down.</param>
public sealed record RgbPicture(byte[] Pixels, int Width, int Height)
{
    /// <summary>From values in [-1, 1], NHWC, 3 channels: half to even after (v + 1) / 2 * 255, as diffusers.</summary>
    public static RgbPicture FromSigned(ReadOnlySpan<float> values, int width, int height)
    {
        var pixels = new byte[checked(width * height * 3)];
        for (int i = 0; i < pixels.Length; i++) pixels[i] = (byte)Math.Round(Math.Clamp(values[i] / 2 + 0.5f, 0f, 1f) * 255f);
        return new RgbPicture(pixels, width, height);
    }

    /// <summary>As a PNG file.</summary>
    public byte[] ToPng(IEnumerable<KeyValuePair<string, string>>? texts = null) => PngWriter.Encode(Pixels, Width, Height, texts);
}

/// <summary>Puts pictures of one size side by side.</summary>
public static class SampleGrid
{
    /// <summary>A grid in reading order with a white gap.</summary>
    /// <param name="pictures">At least one; all of one size.</param>
    /// <param name="columns">Pictures across; 0 chooses a nearly square grid.</param>
    /// <param name="gap">White pixels between.</param>
    public static RgbPicture Compose(IReadOnlyList<RgbPicture> pictures, int columns = 0, int gap = 2)
    {
        if (pictures.Count == 0) throw new ArgumentException("a grid needs at least one picture");
        if (columns <= 0) columns = (int)Math.Ceiling(Math.Sqrt(pictures.Count));
        columns = Math.Min(columns, pictures.Count);
        int rows = (pictures.Count + columns - 1) / columns, w = pictures[0].Width, h = pictures[0].Height;
        int width = columns * (w + gap) - gap, height = rows * (h + gap) - gap;
        var pixels = new byte[checked(width * height * 3)];
        Array.Fill(pixels, (byte)255);
        for (int p = 0; p < pictures.Count; p++)
        {
            var picture = pictures[p];
            if (picture.Width != w || picture.Height != h)
                throw new ArgumentException($"picture {p} is {picture.Width}x{picture.Height}, the first one {w}x{h}");
            int top = p / columns * (h + gap), left = p % columns * (w + gap);
            for (int y = 0; y < h; y++)
                picture.Pixels.AsSpan(y * w * 3, w * 3).CopyTo(pixels.AsSpan(((top + y) * width + left) * 3));
        }
        return new RgbPicture(pixels, width, height);
    }
}
