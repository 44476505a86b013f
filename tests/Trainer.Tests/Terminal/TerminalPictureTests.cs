using CommonCanvas.Trainer.Terminal;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Tests.Terminal;

public sealed class TerminalPictureTests
{
    [Fact]
    public void One_character_is_two_rows_of_2x2_blocks()
    {
        var pixels = new byte[2 * 4 * 3];
        for (int i = 0; i < 6; i++) pixels[i * 2] = 100;
        for (int i = 12; i < 24; i++) pixels[i] = 200;
        Assert.Equal("[rgb(50,50,50) on rgb(200,200,200)]▀[/] ", TerminalPicture.Markup([new RgbPicture(pixels, 2, 4)]));
    }

    [Fact]
    public void Nothing_is_shown_where_the_output_is_no_terminal()
    {
        using var output = new StringWriter();
        TerminalPicture.Show(new AppConsole(output, output), "samples", [new RgbPicture(new byte[48], 4, 4)]);
        Assert.Equal("", output.ToString());
    }
}
