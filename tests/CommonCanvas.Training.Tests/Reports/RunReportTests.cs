using System.Text.RegularExpressions;

namespace CommonCanvas.Training.Tests;

public class RunReportTests
{
    [Fact]
    public void Shows_curves_grids_configuration_attributions_and_what_was_skipped_in_one_file()
    {
        using var folder = new TempFolder();
        using (var writer = new MetricsWriter(folder.Path, 0))
        {
            for (int step = 1; step <= 2000; step++)
                writer.Write(step, step % 100 == 0 ? [new("loss", 1.0 / step), new("images_per_second", 5), new("validation_loss", 2.0 / step)] : [new("loss", step == 700 ? double.NaN : 1.0 / step), new("images_per_second", 5)]);
            for (int step = 100; step <= 2000; step += 100) writer.Image(step, "grid", new RgbPicture(new byte[12], 2, 2).ToPng(), 2, 2);
            File.WriteAllText(folder["config.yaml"], "name: <script>alert(1)</script>\n");
            Attribution.Write(folder["ATTRIBUTION.csv"], [new("a", "CC0-1.0", "x, \"y\"\nz"), new("b", "CC0-1.0", ""), new("c", "", "")]);
            File.WriteAllText(folder["skipped.jsonl"], "{\"index\": 7, \"key\": \"k\", \"reason\": \"CannotDecode\", \"detail\": \"cut off\"}\n{\"ind");
            // Readable while the run still writes.
            RunReport.Write(folder.Path, "A run");
        }
        string html = File.ReadAllText(folder["report.html"]);
        Assert.Equal(2, Regex.Count(html, "<svg "));
        Assert.Equal(8, Regex.Count(html, "<img "));
        Assert.Contains("Step 100<", html);
        Assert.Contains("Step 2000<", html);
        Assert.Contains("<td>CC0-1.0</td><td>2</td>", html);
        Assert.Contains("<td>unknown</td><td>1</td>", html);
        Assert.Contains("<td>CannotDecode</td><td>1</td>", html);
        Assert.Contains("0.001 (step 2,000)", html);
        Assert.DoesNotContain("<script>", html);
        Assert.DoesNotContain("http", html);
        Assert.DoesNotContain("NaN", html);
        Assert.True(html.Length < 200_000, "curves are thinned");
    }

    [Fact]
    public void An_empty_run_folder_makes_an_empty_report()
    {
        using var folder = new TempFolder();
        Assert.Contains("<h1>Nothing</h1>", File.ReadAllText(RunReport.Write(folder.Path, "Nothing")));
    }

    [Theory]
    [InlineData(1, 1.0, 1.0)]
    [InlineData(2, 0.0, 0.0)]
    [InlineData(1000, 1e-7, 1e9)]
    [InlineData(50, -3.0, 2.0)]
    public void Charts_stay_within_their_frame(int points, double low, double high)
    {
        var line = new ChartLine("a & b", [.. Enumerable.Range(1, points).Select(i => ((long)i, i % 2 == 0 ? low : high))], Smoothed: true);
        string svg = SvgChart.Draw([line, line]);
        Assert.Contains("a &amp; b", svg);
        foreach (Match match in Regex.Matches(svg, "[ML]([-0-9.]+) ([-0-9.]+)"))
        {
            Assert.InRange(double.Parse(match.Groups[1].Value), 69, 745);
            Assert.InRange(double.Parse(match.Groups[2].Value), 13, 247);
        }
        Assert.Equal("", SvgChart.Draw([new ChartLine("none", [])]));
    }
}
