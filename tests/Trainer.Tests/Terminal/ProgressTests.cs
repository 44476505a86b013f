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

    // The lines that a terminal of 80 columns gets, without its control codes.
    static string[] Displayed(string title, Action<IWorkProgress> work)
    {
        using var output = new StringWriter();
        var console = new AppConsole(output, output, interactive: true);
        (console.Ansi.Profile.Width, console.Ansi.Profile.Capabilities.Ansi, console.Ansi.Profile.Capabilities.Interactive) = (80, true, true);
        Progress.Run(console, title, 1000, "steps", progress =>
        {
            work(progress);
            return true;
        });
        return Regex.Replace(output.ToString(), "\u001b\\[[0-9;?]*[a-zA-Z]", "").Split((char[])['\n', '\r'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }

    /// <summary>The status was once broken into a column of single words beside the bar.</summary>
    [Fact]
    public void On_a_terminal_of_80_columns_the_display_has_one_line_below_its_title()
    {
        const string title = "Training the autoencoder (246,043 weights) on 2048 pictures";
        string[] lines = Displayed(title, progress =>
        {
            progress.Report(0);
            progress.Report(1000, "loss 0.5311  validation 0.5123  and much else that finds no room");
        });
        Assert.Equal(title, lines[0]);
        Assert.Contains(lines, line => line.Contains("100%", StringComparison.Ordinal) && line.Contains("1000/1000", StringComparison.Ordinal) && line.Contains("loss 0.5311", StringComparison.Ordinal));
        Assert.All(lines.Skip(1), line => Assert.Contains("%", line, StringComparison.Ordinal));
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
    }

    [Fact]
    public void Work_that_was_stopped_is_not_shown_as_done()
    {
        string[] lines = Displayed("Training", progress => progress.Report(400));
        Assert.Contains("40%", lines[^1], StringComparison.Ordinal);
        Assert.DoesNotContain(lines, line => line.Contains("100%", StringComparison.Ordinal));
    }

    [Fact]
    public void What_cannot_be_shown_does_not_end_the_work()
    {
        using var gone = new BrokenWriter();
        new AppConsole(gone, gone).Note("lost");
        var console = new AppConsole(gone, gone, interactive: true);
        int result = Progress.Run(console, "Counting", 3, "steps", progress =>
        {
            progress.Report(3);
            console.Note("lost");
            return 7;
        });
        console.Line("lost");
        console.Error.WriteLine("lost");
        Assert.Equal(7, result);
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
