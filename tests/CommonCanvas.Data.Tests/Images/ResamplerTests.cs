using CsCheck;

namespace CommonCanvas.Data.Tests;

public sealed class ResamplerTests
{
    static readonly Gen<Filter> Filters = Gen.Bool.Select(b => b ? Filter.Bilinear : Filter.Bicubic);

    [Fact]
    public void AConstantStaysConstant() => Gen.Select(Gen.Int[1, 90], Gen.Int[1, 90], Gen.Int[1, 90], Gen.Int[1, 90], Gen.Byte, Filters).Sample((w, h, toW, toH, value, filter) =>
    {
        using Picture from = Filled(w, h, (_, _, _) => value), to = new(toW, toH);
        Resampler.Resize(from, toW, toH, filter, 0, 0, to);
        Assert.True(to.Pixels.IndexOfAnyExcept(value) < 0);
    }, iter: 200);

    [Fact]
    public void TheSameSizeIsTheSamePicture() => Gen.Select(Gen.Int[1, 40], Gen.Int[1, 40], Gen.Int, Filters).Sample((w, h, seed, filter) =>
    {
        var random = new Random(seed);
        using Picture from = Filled(w, h, (_, _, _) => (byte)random.Next(256)), to = new(w, h);
        Resampler.Resize(from, w, h, filter, 0, 0, to);
        Assert.True(from.Pixels.SequenceEqual(to.Pixels));
    }, iter: 100);

    [Fact]
    public void AWindowIsAPartOfTheWhole() => Gen.Select(Gen.Int[1, 60], Gen.Int[1, 60], Gen.Int[2, 60], Gen.Int[2, 60], Gen.Int[0, 1000], Filters).Sample((w, h, toW, toH, seed, filter) =>
    {
        var random = new Random(seed);
        using Picture from = Filled(w, h, (_, _, _) => (byte)random.Next(256)), whole = new(toW, toH);
        int left = random.Next(toW), top = random.Next(toH);
        using var window = new Picture(random.Next(1, toW - left + 1), random.Next(1, toH - top + 1));
        Resampler.Resize(from, toW, toH, filter, 0, 0, whole);
        Resampler.Resize(from, toW, toH, filter, left, top, window);
        for (int y = 0; y < window.Height; y++)
            Assert.True(whole.Pixels.Slice(((top + y) * toW + left) * 4, window.Width * 4).SequenceEqual(window.Pixels.Slice(y * window.Width * 4, window.Width * 4)));
    }, iter: 200);

    [Fact]
    public void HalvingBilinearlyWeighsFourNeighbours()
    {
        // Reduction by two stretches the triangle to radius 2: weights 1, 3, 3, 1 over 8 in the middle.
        using Picture from = Filled(8, 1, (x, _, _) => (byte)(x == 3 ? 200 : 0)), to = new(4, 1);
        Resampler.Resize(from, 4, 1, Filter.Bilinear, 0, 0, to);
        Assert.Equal([0, 75, 25, 0], [to.Pixels[0], to.Pixels[4], to.Pixels[8], to.Pixels[12]]);
    }

    [Fact]
    public void ExtremeShapesAreCropped()
    {
        var values = new float[64 * 64 * 3];
        using Picture line = Filled(1, 200_000, (_, y, _) => (byte)(y < 100_000 ? 0 : 255));
        PictureCrop.Square(line, 64, values);
        // The square shows the seam, enlarged 64 times: one source row fades into the next.
        Assert.InRange(values[0], -1, -0.98f);
        Assert.InRange(values[^1], 0.98f, 1);
        Assert.Throws<ArgumentException>(() => PictureCrop.Square(line, 64, new float[5]));
        Assert.Throws<PictureException>(() => PictureCrop.Square(line, 20_000, values));
        using var to = new Picture(3, 3);
        Assert.Throws<ArgumentException>(() => Resampler.Resize(line, 4, 4, Filter.Bilinear, 2, 0, to));
    }

    static Picture Filled(int width, int height, Func<int, int, int, byte> value)
    {
        var bytes = new byte[width * height * 4];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = value(i / 4 % width, i / 4 / width, i % 4);
        return Picture.From(width, height, bytes);
    }
}
