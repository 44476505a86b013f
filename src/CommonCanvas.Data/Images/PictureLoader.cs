namespace CommonCanvas.Data;

/// <summary>What is known of a loaded picture.</summary>
/// <param name="Width">Width of the upright original in pixels.</param>
/// <param name="Height">Height of the upright original in pixels.</param>
public readonly record struct LoadedPicture(int Width, int Height);

/// <summary>
/// Reads, decodes and crops samples to training squares. Holds settings only, so that one loader serves any number of
/// worker threads; buffers come from a pool.
/// </summary>
/// <param name="size">Side of the square in pixels.</param>
/// <param name="minSide">Least shorter side of the original; by default <paramref name="size"/>, so that nothing is enlarged.</param>
/// <param name="maxPixels">Limit of declared pixels.</param>
public sealed class PictureLoader(int size, int? minSide = null, long maxPixels = PictureDecoder.DefaultMaxPixels)
{
    /// <summary>Side of the square in pixels.</summary>
    public int Size => size;

    /// <summary>
    /// Loads a sample into <paramref name="to"/>: Size x Size x 3 values in [-1, 1], NHWC.
    /// </summary>
    /// <exception cref="PictureException">The sample is to be skipped, for the reason that it carries.</exception>
    public LoadedPicture Load(PictureSample sample, Span<float> to)
    {
        if (sample.Refusal is PictureException refusal) throw refusal;
        if (string.IsNullOrWhiteSpace(sample.Caption)) throw new PictureException(SkipReason.NoCaption, "has no caption");
        using Picture picture = PictureDecoder.Decode(sample.ReadBytes(), maxPixels, minSide ?? size);
        PictureCrop.Square(picture, size, to);
        return new LoadedPicture(picture.Width, picture.Height);
    }
}
