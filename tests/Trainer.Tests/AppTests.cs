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
    [InlineData("sample", "--model", "m", "--prompt", "x", "--sampler", "dimm")]
    [InlineData("profile", "--shape", "huge")]
    [InlineData("train", "--precision", "fp8")]
    public void A_wrong_command_line_exits_with_2_and_points_to_help(params string[] args)
    {
        var (code, _, error) = CommandLine.Run(args);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("--help", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--sampler", "euler_a", "sample", "--model", "m", "--prompt", "x", "--sampler", "dimm")]
    [InlineData("--store", "moments", "precompute", "--data", "d", "--model", "m", "--out", "o", "--store", "all")]
    [InlineData("--precision", "bf16", "train", "--precision", "fp8")]
    public void A_wrong_word_is_refused_in_one_line_with_its_option_and_the_right_ones(string option, string right, params string[] args)
    {
        string line = CommandLine.Run(args).Error.Split('\n')[0];
        Assert.StartsWith($"{option} is '{args[^1]}', but must be one of ", line, StringComparison.Ordinal);
        Assert.Contains(right, line, StringComparison.Ordinal);
    }
}
