using System.Text.Json;

namespace CommonCanvas.Trainer.Tests.Commands;

public sealed class ProfileCommandTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Json_is_one_line_with_the_documented_keys(bool forwardOnly)
    {
        string[] args = ["profile", "--shape", "tiny", "--latent", "8", "--batch", "1", "--steps", "1", "--warmup", "0", "--json"];
        var (code, output, error) = CommandLine.Run(forwardOnly ? [.. args, "--forward-only"] : args);
        Assert.Equal("", error);
        Assert.Equal(ExitCode.Done, code);
        using var json = JsonDocument.Parse(Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Equal(
            ["peer", "shape", "parameters", "latent", "batch", "dtype", "forward_only", "threads", "step_s", "min_s", "images_per_s", "peak_rss_mib", "loss"],
            json.RootElement.EnumerateObject().Select(p => p.Name));
        Assert.Equal(forwardOnly, json.RootElement.GetProperty("forward_only").GetBoolean());
        Assert.InRange(json.RootElement.GetProperty("loss").GetDouble(), 0.5, 5);
    }

    [Fact]
    public void Without_json_it_prints_a_table_by_operation()
    {
        var (code, output, _) = CommandLine.Run("profile", "--shape", "tiny", "--latent", "8", "--batch", "1", "--steps", "1", "--warmup", "0");
        Assert.Equal(ExitCode.Done, code);
        foreach (string word in new[] { "ConvForward", "AttentionBackward", "AdamW", "GFLOP/s", "images/s" }) Assert.Contains(word, output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--shape", "huge")]
    [InlineData("--batch", "0")]
    [InlineData("--precision", "fp64")]
    public void Wrong_values_are_usage_errors(params string[] args) => Assert.Equal(ExitCode.Usage, CommandLine.Run(["profile", .. args]).Code);
}
