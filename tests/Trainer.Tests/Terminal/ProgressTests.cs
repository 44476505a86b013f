using System.Globalization;
using System.Text.RegularExpressions;
using CommonCanvas.Trainer.Terminal;

namespace CommonCanvas.Trainer.Tests.Terminal;

public sealed class ProgressTests
{
    [Theory]
    [InlineData(4.21, "4.2 s")]
    [InlineData(12, "12 s")]
    [InlineData(59.4, "59 s")]
    [InlineData(59.7, "1 min 00 s")]
    [InlineData(119.6, "2 min 00 s")]
    [InlineData(3599.7, "1 h 00 min")]
    [InlineData(185, "3 min 05 s")]
    [InlineData(7650, "2 h 07 min")]
    public void Durations_read_naturally(double seconds, string text) => Assert.Equal(text, Progress.Duration(seconds));

    [Fact]
    public void Without_a_terminal_it_prints_plain_lines()
    {
        using var output = new StringWriter();
        int result = Progress.Run(new AppConsole(output, output), "Counting", 3, "steps", progress =>
        {
            for (int i = 1; i <= 3; i++) progress.Report(i, $"loss {i}");
            return 7;
        });
        Assert.Equal(7, result);
        string text = output.ToString();
        Assert.Contains("Counting (3 steps)", text, StringComparison.Ordinal);
        Assert.Contains("3/3", text, StringComparison.Ordinal);
        Assert.Contains("loss 3", text, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', text);
    }

    [Fact]
    public void What_an_interrupted_run_had_done_does_not_count_for_the_rate()
    {
        using var output = new StringWriter();
        Progress.Run(new AppConsole(output, output), "Counting", 1_000_000_002, "steps", progress =>
        {
            progress.Report(1_000_000_000);
            Thread.Sleep(20);
            progress.Report(1_000_000_001);
            return true;
        });
        // One step in 20 ms or more, not a thousand million.
        double rate = double.Parse(Regex.Match(output.ToString(), "([0-9.]+) steps/s").Groups[1].Value, CultureInfo.InvariantCulture);
        Assert.InRange(rate, 0, 51);
    }
}
