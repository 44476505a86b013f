using CommonCanvas.Tensors;
using SkiaSharp;

namespace CommonCanvas.Bench.Data;

/// <summary>A picture of 1024 x 768 pixels with slopes, edges and grain, so that it compresses somewhat as a photograph does.</summary>
static class DrawnPicture
{
    public const int Width = 1024, Height = 768, Pixels = Width * Height;

    const int Discs = 60;
    const float Grain = 12;

    /// <summary>The file's bytes.</summary>
    public static byte[] Encode(SKEncodedImageFormat format)
    {
        using var bitmap = new SKBitmap(Width, Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using (var canvas = new SKCanvas(bitmap))
        {
            var random = new float[Discs * 6];
            Philox.Uniform(new RandomKey(1, RandomPurpose.Drawing, 0, 0), random);
            canvas.Clear(new SKColor(90, 130, 180));
            using var paint = new SKPaint { IsAntialias = true };
            for (int i = 0; i < Discs; i++)
            {
                var r = random.AsSpan(6 * i, 6);
                paint.Color = new SKColor((byte)(255 * r[0]), (byte)(255 * r[1]), (byte)(255 * r[2]), 160);
                canvas.DrawCircle(Width * r[3], Height * r[4], 20 + 180 * r[5], paint);
            }
        }
        Roughen(bitmap);
        using var data = bitmap.Encode(format, 90);
        return data.ToArray();
    }

    static void Roughen(SKBitmap bitmap)
    {
        var grain = new float[Pixels];
        Philox.Normal(new RandomKey(1, RandomPurpose.Drawing, 1, 0), grain);
        var pixels = new byte[4 * Pixels];
        bitmap.GetPixelSpan().CopyTo(pixels);
        for (int i = 0; i < pixels.Length; i++)
            if (i % 4 != 3) pixels[i] = (byte)Math.Clamp(pixels[i] + Grain * grain[i / 4], 0, 255);
        System.Runtime.InteropServices.Marshal.Copy(pixels, 0, bitmap.GetPixels(), pixels.Length);
    }
}
