using BenchmarkDotNet.Attributes;
using CommonCanvas.Data;
using SkiaSharp;

namespace CommonCanvas.Bench.Data;

/// <summary>From a file of 1024 x 768 pixels to the numbers of a training square, on one thread.</summary>
[MemoryDiagnoser(false)]
public class PictureBench : IMeasured, IDisposable
{
    const int Side = 256;
    readonly float[] square = new float[Side * Side * 3];
    byte[] file = [];
    Picture picture = null!;

    /// <summary>The file's format.</summary>
    [Params(SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Png, SKEncodedImageFormat.Webp)]
    public SKEncodedImageFormat Format { get; set; }

    /// <summary>Draws and encodes the picture.</summary>
    [GlobalSetup]
    public void Setup()
    {
        file = DrawnPicture.Encode(Format);
        picture = PictureDecoder.Decode(file);
    }

    /// <summary>File to pixels.</summary>
    [Benchmark]
    public void Decode() => PictureDecoder.Decode(file).Dispose();

    /// <summary>Pixels to a square of 256 x 256.</summary>
    [Benchmark]
    public void Crop() => PictureCrop.Square(picture, Side, square);

    /// <inheritdoc/>
    public IEnumerable<Amount> Amounts(string method) => [new("pictures/s", 1)];

    /// <summary>Gives the pixels back.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        picture.Dispose();
        GC.SuppressFinalize(this);
    }
}
