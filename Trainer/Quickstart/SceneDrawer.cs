using CommonCanvas.Tensors;
using SkiaSharp;

namespace CommonCanvas.Trainer.Quickstart;

/// <summary>Draws scenes, antialiased, with small random changes of place, size, angle and colour.</summary>
public static class SceneDrawer
{
    /// <summary>
    /// Draws <paramref name="scene"/>; <paramref name="index"/> and <paramref name="seed"/> decide the changes.
    /// </summary>
    /// <returns>RGB, row by row: size * size * 3 bytes.</returns>
    public static byte[] Draw(Scene scene, int size, ulong seed, int index)
    {
        using var bitmap = DrawBitmap(scene, size, seed, index);
        var pixels = bitmap.GetPixelSpan();
        var rgb = new byte[size * size * 3];
        for (int i = 0; i < size * size; i++)
            for (int c = 0; c < 3; c++) rgb[i * 3 + c] = pixels[i * 4 + c];
        return rgb;
    }

    /// <summary>Draws as <see cref="Draw"/> and encodes the picture as PNG.</summary>
    public static byte[] DrawPng(Scene scene, int size, ulong seed, int index)
    {
        using var bitmap = DrawBitmap(scene, size, seed, index);
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    static SKBitmap DrawBitmap(Scene scene, int size, ulong seed, int index)
    {
        Span<float> random = stackalloc float[12];
        Philox.Uniform(new RandomKey(seed, RandomPurpose.Drawing, (ulong)index + 2, uint.MaxValue), random);
        for (int i = 0; i < random.Length; i++) random[i] = 2 * random[i] - 1;
        var place = Scene.Positions.First(p => p.Name == scene.Position);
        float x = (0.5f + place.X + 0.035f * random[0]) * size, y = (0.5f + place.Y + 0.035f * random[1]) * size;
        float radius = (0.2f + 0.025f * random[2]) * size, degrees = 5 * random[3];
        var shape = Scene.Colours.First(c => c.Name == scene.Colour);
        var background = Scene.Backgrounds.First(c => c.Name == scene.Background);

        var bitmap = new SKBitmap(size, size, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(Vary(background, 6, random[4..7]));
        canvas.Translate(x, y);
        canvas.RotateDegrees(degrees);
        using var paint = new SKPaint { Color = Vary(shape, 12, random[7..10]), IsAntialias = true };
        using var path = Outline(scene.Shape, radius);
        canvas.DrawPath(path, paint);
        return bitmap;
    }

    static SKColor Vary(NamedColour colour, float by, Span<float> random)
    {
        byte Channel(byte value, float r) => (byte)Math.Clamp(value + by * r, 0, 255);
        return new SKColor(Channel(colour.R, random[0]), Channel(colour.G, random[1]), Channel(colour.B, random[2]));
    }

    /// <summary>
    /// The outline around (0, 0): of areas that differ little, so that size does not tell the shape. The triangle's
    /// centroid, not the middle of its box, is at the origin.
    /// </summary>
    public static SKPath Outline(string shape, float radius)
    {
        using var builder = new SKPathBuilder();
        switch (shape)
        {
            case "circle":
                builder.AddCircle(0, 0, radius);
                break;
            case "square":
                builder.AddRect(SKRect.Create(-0.9f * radius, -0.9f * radius, 1.8f * radius, 1.8f * radius));
                break;
            case "triangle":
                float side = 2.4f * radius, height = side * 0.866f;
                builder.AddPoly([new(0, -height * 2 / 3), new(side / 2, height / 3), new(-side / 2, height / 3)], true);
                break;
            case "cross":
                float arm = 1.1f * radius, half = 0.36f * radius;
                builder.AddPoly([
                    new(-half, -arm), new(half, -arm), new(half, -half), new(arm, -half), new(arm, half), new(half, half),
                    new(half, arm), new(-half, arm), new(-half, half), new(-arm, half), new(-arm, -half), new(-half, -half)], true);
                break;
            default:
                throw new ArgumentException($"no outline for '{shape}'; there are {string.Join(", ", Scene.Shapes)}");
        }
        return builder.Detach();
    }
}
