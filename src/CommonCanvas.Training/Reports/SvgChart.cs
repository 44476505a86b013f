using System.Globalization;
using System.Net;
using System.Text;

namespace CommonCanvas.Training;

/// <summary>A line of a chart.</summary>
/// <param name="Name">In the legend.</param>
/// <param name="Points">Steps ascending; values that are not finite break the line.</param>
/// <param name="Smoothed">Draw the values faintly and their moving average over them.</param>
public sealed record ChartLine(string Name, IReadOnlyList<(long Step, double Value)> Points, bool Smoothed = false);

/// <summary>
/// Draws curves over steps as SVG that stands by itself inside an HTML page. Long curves are thinned to what a screen can
/// show, keeping each stretch's lowest and highest value, so that a spike stays visible.
/// </summary>
public static class SvgChart
{
    const int Width = 760, Height = 280, Left = 70, Right = 16, Top = 14, Bottom = 34, Stretches = 350;
    const double LogarithmicFrom = 30;

    static readonly string[] colours = ["#2f6fde", "#d9822b", "#2a9d63", "#b0413e"];

    /// <summary>The drawing; an empty text where there is nothing to draw.</summary>
    public static string Draw(IReadOnlyList<ChartLine> lines)
    {
        var finite = lines.SelectMany(l => l.Points).Where(p => double.IsFinite(p.Value)).ToList();
        if (finite.Count == 0) return "";
        double x0 = finite.Min(p => p.Step), x1 = Math.Max(x0 + 1, finite.Max(p => p.Step));
        double low = finite.Min(p => p.Value), high = finite.Max(p => p.Value);
        bool logarithmic = low > 0 && high / low > LogarithmicFrom;
        var (y0, y1) = logarithmic ? (Math.Log10(low), Math.Log10(high)) : (low, high);
        if (y1 - y0 < 1e-12 * Math.Max(1, Math.Abs(y1))) (y0, y1) = (y0 - 0.5 * Math.Max(1e-9, Math.Abs(y0)), y1 + 0.5 * Math.Max(1e-9, Math.Abs(y1)));
        double X(double step) => Left + (step - x0) / (x1 - x0) * (Width - Left - Right);
        double Y(double value) => Height - Bottom - ((logarithmic ? Math.Log10(value) : value) - y0) / (y1 - y0) * (Height - Top - Bottom);

        var svg = new StringBuilder();
        svg.Append(Text($"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\">"));
        foreach (double tick in logarithmic ? Decades(y0, y1) : Ticks(y0, y1, 5))
            svg.Append(Text($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Y(tick):F1}\" y2=\"{Y(tick):F1}\"/><text x=\"{Left - 6}\" y=\"{Y(tick) + 4:F1}\" text-anchor=\"end\">{tick:G4}</text>"));
        foreach (double tick in Ticks(x0, x1, 7))
            svg.Append(Text($"<line class=\"grid\" x1=\"{X(tick):F1}\" x2=\"{X(tick):F1}\" y1=\"{Top}\" y2=\"{Height - Bottom}\"/><text x=\"{X(tick):F1}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{tick:0.###}</text>"));
        for (int i = 0; i < lines.Count; i++)
        {
            string colour = colours[i % colours.Length];
            svg.Append(Path(Thin(lines[i].Points), X, Y, colour, lines[i].Smoothed ? "0.3" : "1", 1.4));
            if (lines[i].Smoothed) svg.Append(Path(Thin(Smooth(lines[i].Points)), X, Y, colour, "1", 2));
            if (lines.Count > 1) svg.Append(Text($"<text x=\"{Width - Right - 6}\" y=\"{Top + 14 + 16 * i}\" text-anchor=\"end\" fill=\"{colour}\" style=\"fill:{colour}\">{WebUtility.HtmlEncode(lines[i].Name)}</text>"));
        }
        return svg.Append("</svg>").ToString();
    }

    static string Path(IReadOnlyList<(long Step, double Value)> points, Func<double, double> x, Func<double, double> y, string colour, string opacity, double width)
    {
        var path = new StringBuilder();
        bool pen = false;
        foreach (var (step, value) in points)
        {
            if (double.IsFinite(value)) path.Append(Text($"{(pen ? 'L' : 'M')}{x(step):F1} {y(value):F1}"));
            pen = double.IsFinite(value);
        }
        return Text($"<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-opacity=\"{opacity}\" stroke-width=\"{width}\"/>");
    }

    static List<(long, double)> Smooth(IReadOnlyList<(long Step, double Value)> points)
    {
        double keep = 1 - 1 / Math.Clamp(points.Count / 50.0, 1, 100), average = double.NaN;
        var smooth = new List<(long, double)>(points.Count);
        foreach (var (step, value) in points)
        {
            if (double.IsFinite(value)) average = double.IsNaN(average) ? value : keep * average + (1 - keep) * value;
            smooth.Add((step, average));
        }
        return smooth;
    }

    static IReadOnlyList<(long Step, double Value)> Thin(IReadOnlyList<(long Step, double Value)> points)
    {
        if (points.Count <= 2 * Stretches) return points;
        var thin = new List<(long, double)>(2 * Stretches);
        for (int s = 0; s < Stretches; s++)
        {
            int from = (int)((long)s * points.Count / Stretches), to = (int)((long)(s + 1) * points.Count / Stretches), least = from, most = from;
            for (int i = from; i < to; i++)
            {
                if (points[i].Value < points[least].Value || double.IsNaN(points[least].Value)) least = i;
                if (points[i].Value > points[most].Value || double.IsNaN(points[most].Value)) most = i;
            }
            thin.Add(points[Math.Min(least, most)]);
            if (least != most) thin.Add(points[Math.Max(least, most)]);
        }
        return thin;
    }

    // Multiples of 1, 2 or 5 times a power of ten.
    static IEnumerable<double> Ticks(double from, double to, int about)
    {
        double raw = (to - from) / about, power = Math.Pow(10, Math.Floor(Math.Log10(raw))), unit = raw / power;
        double step = power * (unit < 1.5 ? 1 : unit < 3.5 ? 2 : unit < 7.5 ? 5 : 10);
        for (double tick = Math.Ceiling(from / step) * step; tick <= to + 1e-9 * step; tick += step) yield return Math.Abs(tick) < 1e-9 * step ? 0 : tick;
    }

    static IEnumerable<double> Decades(double from, double to)
    {
        for (int decade = (int)Math.Floor(from); decade <= to; decade++)
            foreach (int digit in (int[])[1, 2, 5])
                if (Math.Log10(digit) + decade >= from && Math.Log10(digit) + decade <= to) yield return digit * Math.Pow(10, decade);
    }

    static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
