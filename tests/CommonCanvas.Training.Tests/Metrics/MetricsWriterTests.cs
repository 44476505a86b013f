namespace CommonCanvas.Training.Tests;

public class MetricsWriterTests
{
    [Fact]
    public void Resume_keeps_the_lines_up_to_the_checkpoint_byte_for_byte()
    {
        using var folder = new TempFolder();
        Steps(folder.Path, 0, 1, 6);
        string path = folder["metrics.jsonl"], whole = File.ReadAllText(path);
        File.AppendAllText(path, "{\"step\": 7, \"lo");
        Steps(folder.Path, 3, 4, 6);
        Assert.Equal(whole, File.ReadAllText(path));
    }

    [Fact]
    public void A_new_run_starts_an_empty_curve_and_drops_old_samples()
    {
        using var folder = new TempFolder();
        Steps(folder.Path, 0, 1, 3);
        using (var writer = new MetricsWriter(folder.Path, 0)) writer.Image(2, "grid", new RgbPicture(new byte[12], 2, 2).ToPng(), 2, 2);
        Assert.Equal("", File.ReadAllText(folder["metrics.jsonl"]));
        using (new MetricsWriter(folder.Path, 1)) { }
        Assert.Empty(Directory.GetFiles(folder["samples"]));
    }

    [Fact]
    public void Lines_are_there_at_once_and_what_is_not_finite_is_null()
    {
        using var folder = new TempFolder();
        using var writer = new MetricsWriter(folder.Path, 0);
        writer.Write(1, [new("loss", double.NaN), new("lr", 0.1)]);
        Assert.Equal("{\"step\": 1, \"loss\": null, \"lr\": 0.1}\n", ReadShared(folder["metrics.jsonl"]));
        var curves = MetricsLog.Read(folder["metrics.jsonl"]);
        Assert.Equal((1L, 0.1), Assert.Single(curves["lr"]));
        Assert.False(curves.ContainsKey("loss"));
    }

    static void Steps(string folder, long resumed, int first, int last)
    {
        using var writer = new MetricsWriter(folder, resumed);
        for (int step = first; step <= last; step++) writer.Write(step, [new("loss", 1.0 / step), new("gradient_norm", step / 7.0)]);
    }

    static string ReadShared(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        return new StreamReader(stream).ReadToEnd();
    }
}
