using CommonCanvas.Trainer.Tests.Commands;

namespace CommonCanvas.Trainer.Tests;

public sealed class AppTests
{
    [Fact]
    public void Help_lists_the_commands()
    {
        var (code, output, _) = CommandLine.Run("--help");
        Assert.Equal(ExitCode.Done, code);
        Assert.Contains("quickstart", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("quickstrat")]
    [InlineData("--device", "tpu")]
    [InlineData("--threads", "-1")]
    [InlineData("--threads", "two")]
    public void A_wrong_command_line_exits_with_2_and_points_to_help(params string[] args)
    {
        var (code, _, error) = CommandLine.Run(args);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("--help", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }
}
