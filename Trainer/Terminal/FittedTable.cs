using Spectre.Console;
using Spectre.Console.Rendering;

namespace CommonCanvas.Trainer.Terminal;

/// <summary>
/// A table of figures. Where a terminal is too narrow for all columns, cells are not broken into lines: the columns that can
/// best be done without are left out, and a line below names them.
/// </summary>
public sealed class FittedTable
{
    /// <summary>Blanks between two columns, of which the border draws one.</summary>
    const int Gap = 2;

    readonly List<(string Heading, bool Left, int Spare)> columns = [];
    readonly List<string[]> rows = [];

    /// <summary>Adds a column.</summary>
    /// <param name="heading">Its heading; a line break makes two lines of it.</param>
    /// <param name="left">Whether it holds words, which begin at its left.</param>
    /// <param name="spare">Its place among those that can be left out, from 1; 0 for one that always stays.</param>
    public FittedTable Column(string heading, bool left = false, int spare = 0)
    {
        columns.Add((heading, left, spare));
        return this;
    }

    /// <summary>Adds a row with a cell for each column.</summary>
    public void Row(params string[] cells)
    {
        if (cells.Length != columns.Count) throw new ArgumentException($"{cells.Length} cells for {columns.Count} columns");
        rows.Add(cells);
    }

    /// <summary>Prints it.</summary>
    public void Write(AppConsole console)
    {
        var options = RenderOptions.Create(console.Ansi, console.Ansi.Profile.Capabilities);
        int Width(IRenderable table) => table.Measure(options, int.MaxValue).Max;
        var shown = Enumerable.Range(0, columns.Count).ToList();
        var left = new List<int>();
        var table = Build(shown);
        int whole = Width(table);
        if (!console.Interactive) console.Ansi.Profile.Width = Math.Max(console.Ansi.Profile.Width, whole);
        foreach (int spare in shown.Where(i => columns[i].Spare > 0).OrderBy(i => columns[i].Spare).ToArray())
        {
            if (Width(table) <= console.Ansi.Profile.Width) break;
            shown.Remove(spare);
            left.Add(spare);
            table = Build(shown);
        }
        console.Ansi.Write(table);
        if (left.Count > 0)
            console.Line($"Left out for want of room: {string.Join(", ", left.Order().Select(i => columns[i].Heading.Replace('\n', ' ')))}. A file has them, or a terminal of {whole} columns.");
    }

    Table Build(List<int> shown)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (int i in shown)
        {
            var column = new TableColumn(Markup.Escape(columns[i].Heading)) { NoWrap = true, Padding = new Padding(0, 0, Gap - 1, 0) };
            table.AddColumn(columns[i].Left ? column.LeftAligned() : column.RightAligned());
        }
        foreach (string[] row in rows) table.AddRow([.. shown.Select(i => Markup.Escape(row[i]))]);
        return table;
    }
}
