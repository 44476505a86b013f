using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace CommonCanvas.Trainer.Terminal;

/// <summary>Takes reports of long work.</summary>
public interface IWorkProgress
{
    /// <summary>So much of the total is done; <paramref name="detail"/> is a short text such as the loss.</summary>
    void Report(long done, string? detail = null);
}

/// <summary>
/// Shows long work: a bar with rate and time left on a terminal, a line every few seconds elsewhere.
/// </summary>
public static class Progress
{
    /// <summary>Time between plain lines.</summary>
    static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(10);

    /// <summary>Columns of a terminal that are left beside the bar for percentage, counts, rate, time left and losses.</summary>
    const int StatusWidth = 70;

    /// <summary>Those of the percentage and of the gaps.</summary>
    const int PercentageWidth = 8;

    /// <summary>Those of the bar.</summary>
    const int LeastBar = 10, MostBar = 30;

    /// <summary>Runs <paramref name="work"/> under a display.</summary>
    /// <param name="console">Where to show it.</param>
    /// <param name="title">What is done, as a heading.</param>
    /// <param name="total">How much there is to do.</param>
    /// <param name="unit">Plural noun of what is counted: steps, images.</param>
    /// <param name="work">Does the work and reports.</param>
    public static T Run<T>(AppConsole console, string title, long total, string unit, Func<IWorkProgress, T> work)
    {
        if (!console.Interactive) return Plain(console, title, total, unit, work);
        T result = default!;
        int width = console.Ansi.Profile.Width, bar = Math.Clamp(width - StatusWidth, LeastBar, MostBar);
        var status = new StatusColumn(width - bar - PercentageWidth);
        console.Ansi.WriteLine(title);
        console.Ansi.Progress().AutoClear(false).HideCompleted(false)
            .Columns(new ProgressBarColumn { Width = bar }, new PercentageColumn(), status)
            .Start(context =>
            {
                var task = context.AddTask(Markup.Escape(title), maxValue: Math.Max(1, total));
                var meter = new Meter(total, unit);
                bool reported = false; // work that says nothing had nothing to do; work that was stopped stays where it was
                result = work(new Reporter((done, detail) =>
                {
                    status.Text = meter.Status(done, detail);
                    task.Value = done;
                    reported = true;
                }));
                if (!reported) task.Value = task.MaxValue;
            });
        return result;
    }

    static T Plain<T>(AppConsole console, string title, long total, string unit, Func<IWorkProgress, T> work)
    {
        var meter = new Meter(total, unit);
        var since = Stopwatch.StartNew();
        string last = "";
        console.Line(string.Create(CultureInfo.InvariantCulture, $"{title} ({total} {unit})"));
        var result = work(new Reporter((done, detail) =>
        {
            last = string.Create(CultureInfo.InvariantCulture, $"{100.0 * done / Math.Max(1, total),3:F0} %  {meter.Status(done, detail)}");
            if (since.Elapsed < PlainInterval) return;
            since.Restart();
            console.Note(last);
            last = "";
        }));
        if (last.Length > 0) console.Note(last);
        return result;
    }

    sealed class Reporter(Action<long, string?> report) : IWorkProgress
    {
        public void Report(long done, string? detail) => report(done, detail);
    }

    /// <summary>
    /// Turns counts into a rate and the time left. Both count from the first report on, so that neither loading nor what an
    /// interrupted run had done before goes into them.
    /// </summary>
    sealed class Meter(long total, string unit)
    {
        readonly Stopwatch clock = Stopwatch.StartNew();
        double firstAt;
        long? first;

        public string Status(long done, string? detail)
        {
            double seconds = clock.Elapsed.TotalSeconds;
            if (first is null) (first, firstAt) = (done, seconds);
            double rate = done > first ? (done - first.Value) / (seconds - firstAt) : 0;
            string left = done >= total ? Duration(seconds) : rate > 0 ? Duration((total - done) / rate) + " left" : "";
            string[] parts = [$"{done}/{total}", rate > 0 ? $"{Number(rate)} {unit}/s" : "", left, detail ?? ""];
            return string.Join("  ", parts.Where(p => p.Length > 0));
        }
    }

    /// <summary>Three significant digits.</summary>
    public static string Number(double value) =>
        value.ToString(value >= 100 ? "F0" : value >= 10 ? "F1" : value >= 1 ? "F2" : "G3", CultureInfo.InvariantCulture);

    /// <summary>Seconds as <c>4.2 s</c>, <c>3 min 05 s</c> or <c>2 h 07 min</c>.</summary>
    public static string Duration(double seconds)
    {
        long whole = (long)Math.Round(seconds);
        return seconds < 9.95 ? string.Create(CultureInfo.InvariantCulture, $"{seconds:F1} s")
            : whole < 60 ? string.Create(CultureInfo.InvariantCulture, $"{whole} s")
            : whole < 3600 ? string.Create(CultureInfo.InvariantCulture, $"{whole / 60} min {whole % 60:D2} s")
            : string.Create(CultureInfo.InvariantCulture, $"{whole / 3600} h {whole % 3600 / 60:D2} min");
    }

    // A status that is too long for its line is cut off: broken into words it would stand beside the bar as a column of its own.
    sealed class StatusColumn(int room) : ProgressColumn
    {
        /// <summary>Written by the work, read by the display's thread.</summary>
        public volatile string Text = "";

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Spectre.Console.Text(Text.Length > room ? Text[..Math.Max(0, room - 1)] + "…" : Text, new Style(Color.Grey));
    }
}
