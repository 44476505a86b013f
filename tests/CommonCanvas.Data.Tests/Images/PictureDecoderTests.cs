using SkiaSharp;

namespace CommonCanvas.Data.Tests;

public sealed class PictureDecoderTests
{
    [Theory]
    [InlineData(SKEncodedImageFormat.Png, 0)]
    [InlineData(SKEncodedImageFormat.Jpeg, 8)]
    [InlineData(SKEncodedImageFormat.Webp, 8)]
    public void FormatsDecode(SKEncodedImageFormat format, int tolerance)
    {
        using Picture picture = PictureDecoder.Decode(TestPictures.Encoded(format));
        using SKBitmap expected = TestPictures.Gradient(40, 24);
        Assert.Equal((40, 24), (picture.Width, picture.Height));
        for (int y = 0; y < 24; y++)
            for (int x = 0; x < 40; x++)
            {
                SKColor wanted = expected.GetPixel(x, y);
                int got = TestPictures.At(picture, x, y);
                Assert.InRange(got >> 16, wanted.Red - tolerance, wanted.Red + tolerance);
                Assert.InRange(got >> 8 & 255, wanted.Green - tolerance, wanted.Green + tolerance);
                Assert.InRange(got & 255, wanted.Blue - tolerance, wanted.Blue + tolerance);
            }
    }

    [Fact]
    public void AGifGivesItsFirstFrame()
    {
        using Picture picture = PictureDecoder.Decode(TestPictures.Gif());
        Assert.Equal([0xFF0000, 0x00FF00, 0x0000FF, 0xFFFFFF], [TestPictures.At(picture, 0, 0), TestPictures.At(picture, 1, 0), TestPictures.At(picture, 0, 1), TestPictures.At(picture, 1, 1)]);
    }

    [Fact]
    public void GreyBecomesRgb()
    {
        using Picture eight = PictureDecoder.Decode(TestPictures.Png(2, 1, 8, 0, [10, 200]));
        Assert.Equal([0x0A0A0A, 0xC8C8C8], [TestPictures.At(eight, 0, 0), TestPictures.At(eight, 1, 0)]);
        using Picture one = PictureDecoder.Decode(TestPictures.Png(2, 1, 1, 0, [0b01000000]));
        Assert.Equal([0x000000, 0xFFFFFF], [TestPictures.At(one, 0, 0), TestPictures.At(one, 1, 0)]);
    }

    [Fact]
    public void SixteenBitsBecomeEight()
    {
        using Picture rgb = PictureDecoder.Decode(TestPictures.Png(1, 1, 16, 2, [0x80, 0x80, 0xFF, 0xFF, 0x00, 0x00]));
        Assert.Equal(0x80FF00, TestPictures.At(rgb, 0, 0));
        using Picture grey = PictureDecoder.Decode(TestPictures.Png(2, 1, 16, 0, [0x40, 0x40, 0xC0, 0xC0]));
        Assert.Equal([0x404040, 0xC0C0C0], [TestPictures.At(grey, 0, 0), TestPictures.At(grey, 1, 0)]);
    }

    [Fact]
    public void TransparencyLiesOverWhite()
    {
        using Picture picture = PictureDecoder.Decode(TestPictures.Png(3, 1, 8, 6, [255, 0, 0, 0, 0, 0, 0, 128, 10, 20, 30, 255]));
        Assert.Equal([0xFFFFFF, 0x7F7F7F, 0x0A141E], [TestPictures.At(picture, 0, 0), TestPictures.At(picture, 1, 0), TestPictures.At(picture, 2, 0)]);
        using Picture grey = PictureDecoder.Decode(TestPictures.Png(2, 1, 8, 4, [0, 0, 50, 255]));
        Assert.Equal([0xFFFFFF, 0x323232], [TestPictures.At(grey, 0, 0), TestPictures.At(grey, 1, 0)]);
    }

    [Fact]
    public void PalettesDecode()
    {
        using Picture picture = PictureDecoder.Decode(TestPictures.Png(2, 1, 8, 3, [1, 0], [1, 2, 3, 200, 100, 50]));
        Assert.Equal([0xC86432, 0x010203], [TestPictures.At(picture, 0, 0), TestPictures.At(picture, 1, 0)]);
    }

    [Theory]
    [InlineData(1, false, false, false)]
    [InlineData(2, true, false, false)]
    [InlineData(3, true, true, false)]
    [InlineData(4, false, true, false)]
    [InlineData(5, false, false, true)]
    [InlineData(6, true, false, true)]
    [InlineData(7, true, true, true)]
    [InlineData(8, false, true, true)]
    public void ExifOrientationIsApplied(int orientation, bool mirrored, bool upsideDown, bool turned)
    {
        // The upright picture: red grows along one axis and green along the other; each orientation maps them as EXIF says:
        // turned ones have exchanged axes, and "mirrored" and "upside down" are meant after that.
        byte[] jpeg = TestPictures.WithOrientation(TestPictures.Encoded(SKEncodedImageFormat.Jpeg), orientation);
        using Picture picture = PictureDecoder.Decode(jpeg);
        Assert.Equal(turned ? (24, 40) : (40, 24), (picture.Width, picture.Height));
        int right = picture.Width - 1, bottom = picture.Height - 1;
        int across = (TestPictures.At(picture, right, 0) >> (turned ? 8 : 16) & 255) - (TestPictures.At(picture, 0, 0) >> (turned ? 8 : 16) & 255);
        int down = (TestPictures.At(picture, 0, bottom) >> (turned ? 16 : 8) & 255) - (TestPictures.At(picture, 0, 0) >> (turned ? 16 : 8) & 255);
        Assert.Equal(mirrored, across < -200);
        Assert.Equal(!mirrored, across > 200);
        Assert.Equal(upsideDown, down < -200);
        Assert.Equal(!upsideDown, down > 200);
    }

    [Fact]
    public void ABombIsRefusedBeforeItIsDecoded()
    {
        // 30,000 x 30,000 would be 3.6 GB.
        byte[] bomb = TestPictures.Png(30_000, 30_000, 8, 2, []);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<PictureException>(() => PictureDecoder.Decode(bomb));
        Assert.Equal(SkipReason.TooLarge, error.Reason);
        Assert.Contains("30000 x 30000", error.Message, StringComparison.Ordinal);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1_000_000);
    }

    [Fact]
    public void UnusablePicturesSayWhy()
    {
        byte[] jpeg = TestPictures.Encoded(SKEncodedImageFormat.Jpeg), png = TestPictures.Encoded(SKEncodedImageFormat.Png);
        (byte[] File, SkipReason Reason)[] cases =
        [
            ([], SkipReason.CannotDecode), ([.. "no picture at all"u8], SkipReason.CannotDecode), (jpeg[..^40], SkipReason.CannotDecode),
            (png[..^40], SkipReason.CannotDecode), (png[..20], SkipReason.CannotDecode), ([.. "BM"u8, .. new byte[100]], SkipReason.CannotDecode),
        ];
        foreach ((byte[] file, SkipReason reason) in cases) Assert.Equal(reason, Assert.Throws<PictureException>(() => PictureDecoder.Decode(file)).Reason);
        Assert.Equal(SkipReason.TooSmall, Assert.Throws<PictureException>(() => PictureDecoder.Decode(png, minSide: 25)).Reason);
    }

    [Fact, Trait("Category", "Fuzz")]
    public void DamagedPicturesNeverCrash()
    {
        byte[][] originals =
        [
            TestPictures.Encoded(SKEncodedImageFormat.Png), TestPictures.Encoded(SKEncodedImageFormat.Jpeg), TestPictures.Encoded(SKEncodedImageFormat.Webp, quality: 80),
            TestPictures.Gif(), TestPictures.WithOrientation(TestPictures.Encoded(SKEncodedImageFormat.Jpeg), 6), TestPictures.Png(4, 4, 16, 6, new byte[128]),
            TestPictures.Png(9, 3, 1, 3, new byte[6], [1, 2, 3, 4, 5, 6]),
        ];
        var values = new float[16 * 16 * 3];
        Mutator.Run(originals, 1000, (bytes, _) =>
        {
            using Picture picture = PictureDecoder.Decode(bytes, maxPixels: 1_000_000);
            PictureCrop.Square(picture, 16, values);
            Assert.All(values, v => Assert.InRange(v, -1, 1));
        }, e => e is PictureException);
    }
}
