using System.Net;
using System.Text;

namespace CommonCanvas.Training;

/// <summary>Builds an HTML page that needs no other file: pictures and drawings lie within it. All text is escaped.</summary>
/// <param name="title">Title and first heading.</param>
public sealed class HtmlReport(string title)
{
    const string Style = """
        :root { color-scheme: light dark; --line: #8884; --ink: #222; --page: #fff; }
        @media (prefers-color-scheme: dark) { :root { --ink: #ddd; --page: #16181c; } }
        body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 860px; margin: 2rem auto; padding: 0 1rem; }
        h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
        table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
        pre { background: #8881; padding: .8rem; overflow-x: auto; font-size: 13px; }
        figure { margin: 1rem 0; } figure img { max-width: 100%; image-rendering: pixelated; } figcaption { opacity: .75; font-size: 13px; }
        svg { width: 100%; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg .grid { stroke: var(--line); }
        """;

    readonly StringBuilder body = new();

    /// <summary>Starts a section.</summary>
    public HtmlReport Section(string heading) => Add($"<h2>{Escape(heading)}</h2>");

    /// <summary>Adds a paragraph.</summary>
    public HtmlReport Paragraph(string text) => Add($"<p>{Escape(text)}</p>");

    /// <summary>Adds text in its own line breaks and a fixed width.</summary>
    public HtmlReport Preformatted(string text) => Add($"<pre>{Escape(text)}</pre>");

    /// <summary>Adds a table; without a header where that is empty.</summary>
    public HtmlReport Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows)
    {
        body.Append("<table>");
        if (header.Count > 0) body.Append("<tr>").AppendJoin("", header.Select(cell => $"<th>{Escape(cell)}</th>")).Append("</tr>");
        foreach (var row in rows) body.Append("<tr>").AppendJoin("", row.Select(cell => $"<td>{Escape(cell)}</td>")).Append("</tr>");
        return Add("</table>");
    }

    /// <summary>Adds a PNG picture.</summary>
    /// <param name="png">The file's bytes.</param>
    /// <param name="caption">Below it.</param>
    /// <param name="scale">How many times as large it is shown, for small pictures.</param>
    public HtmlReport Picture(byte[] png, string caption, int scale = 1)
    {
        int width = png.Length >= 24 ? System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)) : 0;
        string size = scale > 1 ? $" width=\"{width * scale}\"" : "";
        return Add($"<figure><img{size} alt=\"{Escape(caption)}\" src=\"data:image/png;base64,{Convert.ToBase64String(png)}\"><figcaption>{Escape(caption)}</figcaption></figure>");
    }

    /// <summary>Adds a chart with a caption; nothing where no line has a point.</summary>
    public HtmlReport Chart(string caption, params IReadOnlyList<ChartLine> lines)
    {
        string svg = SvgChart.Draw(lines);
        return svg.Length == 0 ? this : Add($"<figure>{svg}<figcaption>{Escape(caption)}</figcaption></figure>");
    }

    /// <summary>The page.</summary>
    public string ToHtml() =>
        $"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{Escape(title)}</title><style>{Style}</style></head>\n<body><h1>{Escape(title)}</h1>\n{body}</body></html>\n";

    /// <summary>Writes the page, whole or not at all.</summary>
    public void Save(string path)
    {
        string temporary = path + ".tmp";
        File.WriteAllText(temporary, ToHtml());
        File.Move(temporary, path, overwrite: true);
    }

    HtmlReport Add(string html)
    {
        body.Append(html).Append('\n');
        return this;
    }

    static string Escape(string text) => WebUtility.HtmlEncode(text);
}
