using System.Globalization;
using System.Text;
using CommonCanvas.Training;
using Spectre.Console;

namespace CommonCanvas.Trainer.Terminal;

/// <summary>Shows small pictures in a colour terminal: one character is two pixels, one above the other.</summary>
public static class TerminalPicture
{
    /// <summary>Writes pictures side by side, at half their size, under a heading; nothing where the output is no terminal.</summary>
    public static void Show(AppConsole console, string heading, IReadOnlyList<RgbPicture> pictures)
    {
        if (!console.Interactive || pictures.Count == 0) return;
        int fit = Math.Max(1, (console.Ansi.Profile.Width - 2) / (pictures[0].Width / 2 + 1));
        console.Note(heading);
        console.Ansi.MarkupLine(Markup([.. pictures.Take(fit)]));
    }

    /// <summary>Spectre markup of pictures side by side: rows of half blocks, the upper pixel in front of the lower.</summary>
    public static string Markup(IReadOnlyList<RgbPicture> pictures)
    {
        var text = new StringBuilder();
        for (int y = 0; y + 3 < pictures[0].Height; y += 4)
        {
            if (y > 0) text.Append('\n');
            foreach (var picture in pictures)
            {
                for (int x = 0; x + 1 < picture.Width; x += 2)
                {
                    var (upper, lower) = (Average(picture, x, y), Average(picture, x, y + 2));
                    text.Append(CultureInfo.InvariantCulture, $"[rgb({upper.R},{upper.G},{upper.B}) on rgb({lower.R},{lower.G},{lower.B})]▀[/]");
                }
                text.Append(' ');
            }
        }
        return text.ToString();
    }

    // The mean of a 2x2 block.
    static (int R, int G, int B) Average(RgbPicture picture, int x, int y)
    {
        Span<int> sum = stackalloc int[3];
        for (int i = 0; i < 12; i++) sum[i % 3] += picture.Pixels[((y + i / 6) * picture.Width + x + i / 3 % 2) * 3 + i % 3];
        return (sum[0] / 4, sum[1] / 4, sum[2] / 4);
    }
}
