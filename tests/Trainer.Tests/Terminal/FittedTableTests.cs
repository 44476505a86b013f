using CommonCanvas.Trainer.Terminal;

namespace CommonCanvas.Trainer.Tests.Terminal;

public sealed class FittedTableTests
{
    static string[] Lines(int width, bool interactive)
    {
        using var output = new StringWriter();
        var console = new AppConsole(output, output, interactive);
        console.Ansi.Profile.Width = width;
        var table = new FittedTable().Column("kernel", left: true).Column("bytes\nMB", spare: 2).Column("bank conflicts", spare: 1).Column("ms");
        table.Row("AttentionForward[64]", "12.5", "0", "1.234");
        table.Row("Add", "7.0", "100", "0.5");
        table.Write(console);
        return [.. output.ToString().Split('\n').Select(line => line.Trim())];
    }

    [Theory]
    [InlineData(80, true)]
    [InlineData(20, false)]
    public void With_room_or_in_a_file_every_column_is_there(int width, bool interactive)
    {
        string[] lines = Lines(width, interactive);
        Assert.Contains(lines, line => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is ["AttentionForward[64]", "12.5", "0", "1.234"]);
        Assert.DoesNotContain(lines, line => line.Contains("Left out", StringComparison.Ordinal));
    }

    [Fact]
    public void On_a_narrow_terminal_the_sparest_columns_go_first_and_are_named()
    {
        string[] lines = Lines(40, interactive: true);
        Assert.Contains(lines, line => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is ["AttentionForward[64]", "12.5", "1.234"]);
        Assert.Contains(lines, line => line.StartsWith("Left out for want of room: bank conflicts.", StringComparison.Ordinal));
        Assert.Contains(Lines(32, interactive: true), line => line.StartsWith("Left out for want of room: bytes MB, bank conflicts.", StringComparison.Ordinal));
    }

    [Fact]
    public void A_row_must_have_a_cell_for_each_column() => Assert.Throws<ArgumentException>(() => new FittedTable().Column("a").Row("1", "2"));
}
