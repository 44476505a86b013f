using System.Collections.Concurrent;
using System.Diagnostics;
using SkiaSharp;

namespace CommonCanvas.Data.Tests;

/// <summary>
/// Takes every picture of a real folder, named by <c>COMMONCANVAS_PICTURES</c>, through reader, decoder and crop, and draws
/// 40 of the crops with their captions into <c>crops.png</c> and <c>crops.txt</c> beside the test.
/// </summary>
public sealed class WholeFolderTests
{
    [Fact]
    public void EveryPictureIsLoadedOrSkippedWithAReason()
    {
        string? folder = Environment.GetEnvironmentVariable("COMMONCANVAS_PICTURES");
        Assert.SkipWhen(string.IsNullOrEmpty(folder), "set COMMONCANVAS_PICTURES to a folder of pictures");
        const int size = 64;
        var loader = new PictureLoader(size);
        var skipped = new ConcurrentBag<(string Key, PictureException Why)>();
        var crops = new ConcurrentDictionary<long, (string Text, float[] Values)>();
        IPictureSource source = PictureSource.Open(folder!);
        long count = source.Count(), loaded = 0;
        long start = Stopwatch.GetTimestamp();
        Parallel.ForEach(source.Read().Select((sample, i) => (sample, i)), new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, item =>
        {
            var values = new float[size * size * 3];
            try
            {
                loader.Load(item.sample, values);
                Interlocked.Increment(ref loaded);
                Assert.All(values, v => Assert.InRange(v, -1, 1));
                if (item.i % Math.Max(count / 40, 1) == 7 % Math.Max(count / 40, 1)) crops[item.i] = ($"{item.sample.Key}\t{item.sample.Caption}", values);
            }
            catch (PictureException why) { skipped.Add((item.sample.Key, why)); }
        });
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Assert.Equal(count, loaded + skipped.Count);
        string reasons = string.Join(", ", skipped.GroupBy(s => s.Why.Reason).Select(g => $"{g.Key} {g.Count()} ({g.First().Key}: {g.First().Why.Message})"));
        TestContext.Current.TestOutputHelper!.WriteLine($"{loaded} of {count} loaded in {seconds:0.0} s ({count / seconds:0} a second); skipped: {reasons}");
        Sheet([.. crops.OrderBy(c => c.Key).Take(40).Select(c => c.Value)], size);
    }

    static void Sheet((string Text, float[] Values)[] crops, int size)
    {
        using var bitmap = new SKBitmap(8 * (size + 2), (crops.Length + 7) / 8 * (size + 2), SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (int n = 0; n < crops.Length; n++)
            for (int y = 0; y < size; y++)
                for (int x = 0; x < size; x++)
                {
                    byte At(int c) => (byte)Math.Round((crops[n].Values[(y * size + x) * 3 + c] + 1) * 127.5);
                    bitmap.SetPixel(n % 8 * (size + 2) + x, n / 8 * (size + 2) + y, new SKColor(At(0), At(1), At(2)));
                }
        using SKData png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        File.WriteAllBytes(Path.Combine(AppContext.BaseDirectory, "crops.png"), png.ToArray());
        File.WriteAllLines(Path.Combine(AppContext.BaseDirectory, "crops.txt"), crops.Select(c => c.Text));
    }
}
