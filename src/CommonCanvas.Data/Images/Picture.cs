using System.Buffers;

namespace CommonCanvas.Data;

/// <summary>
/// A decoded picture, upright and opaque. Pixels are 4 bytes (red, green, blue, unused), row after row, in a buffer that
/// goes back to a pool on <see cref="Dispose"/>: four bytes and not three, so that a pixel is one vector load.
/// </summary>
public sealed class Picture : IDisposable
{
    byte[]? pixels;

    internal Picture(int width, int height)
    {
        Width = width;
        Height = height;
        pixels = ArrayPool<byte>.Shared.Rent(checked(width * height * 4));
    }

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Height x Width x 4 bytes.</summary>
    public Span<byte> Pixels => (pixels ?? throw new ObjectDisposedException(nameof(Picture))).AsSpan(0, Width * Height * 4);

    /// <summary>A picture of given pixels, Height x Width x 4 bytes.</summary>
    public static Picture From(int width, int height, ReadOnlySpan<byte> pixels)
    {
        if (width < 1 || height < 1 || pixels.Length != 4L * width * height) throw new ArgumentException($"{pixels.Length} bytes are no {width} x {height} x 4");
        var picture = new Picture(width, height);
        pixels.CopyTo(picture.Pixels);
        return picture;
    }

    /// <summary>Gives the buffer back.</summary>
    public void Dispose()
    {
        if (pixels is null) return;
        ArrayPool<byte>.Shared.Return(pixels);
        pixels = null;
    }
}
