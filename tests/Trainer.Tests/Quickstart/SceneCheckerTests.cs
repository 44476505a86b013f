using CommonCanvas.Trainer.Quickstart;

namespace CommonCanvas.Trainer.Tests.Quickstart;

public sealed class SceneCheckerTests
{
    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void Reads_real_drawings_right(int size)
    {
        int right = 0, count = 0;
        foreach (var scene in Scene.All)
            for (int i = 0; i < 3; i++)
            {
                var found = SceneChecker.Look(SceneDrawer.Draw(scene, size, 5, count), size, size);
                if (found.Matches(scene)) right++;
                count++;
            }
        Assert.True(right >= 0.995 * count, $"{right} of {count} drawings were read right");
    }

    [Fact]
    public void Tells_every_attribute_apart()
    {
        var drawn = new Scene("cross", "cyan", "top", "grey");
        var found = SceneChecker.Look(SceneDrawer.Draw(drawn, 32, 1, 0), 32, 32);
        Assert.True(found.Matches(drawn));
        Assert.False(found.Matches(drawn with { Shape = "circle" }));
        Assert.False(found.Matches(drawn with { Colour = "blue" }));
        Assert.False(found.Matches(drawn with { Position = "left" }));
        Assert.False(found.Matches(drawn with { Background = "black" }));
    }

    [Fact]
    public void Finds_no_shape_in_an_even_picture()
    {
        var picture = new byte[32 * 32 * 3];
        Array.Fill(picture, (byte)244);
        var found = SceneChecker.Look(picture, 32, 32);
        Assert.Equal("white", found.Background);
        Assert.Null(found.Shape);
        Assert.Null(found.Colour);
    }

    [Fact]
    public void Finds_no_known_shape_in_noise()
    {
        var random = new Random(3);
        int named = 0;
        for (int n = 0; n < 50; n++)
        {
            var picture = new byte[32 * 32 * 3];
            random.NextBytes(picture);
            if (SceneChecker.Look(picture, 32, 32).Shape is not null) named++;
        }
        Assert.True(named <= 1, $"{named} of 50 noise pictures were given a shape");
    }

    [Fact]
    public void Survives_the_blur_of_a_decoder()
    {
        int right = 0, count = 0;
        foreach (var scene in Scene.All)
            if (SceneChecker.Look(Blur(SceneDrawer.Draw(scene, 32, 9, count++), 32), 32, 32).Matches(scene)) right++;
        Assert.True(right >= 0.97 * count, $"{right} of {count} blurred drawings were read right");
    }

    /// <summary>The mean of each pixel and its neighbours, borders repeated.</summary>
    static byte[] Blur(byte[] rgb, int size)
    {
        var result = new byte[rgb.Length];
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++)
                for (int c = 0; c < 3; c++)
                {
                    int sum = 0;
                    for (int dy = -1; dy <= 1; dy++)
                        for (int dx = -1; dx <= 1; dx++)
                            sum += rgb[(Math.Clamp(y + dy, 0, size - 1) * size + Math.Clamp(x + dx, 0, size - 1)) * 3 + c];
                    result[(y * size + x) * 3 + c] = (byte)(sum / 9);
                }
        return result;
    }
}
