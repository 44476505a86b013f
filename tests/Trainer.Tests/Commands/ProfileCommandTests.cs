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
            ["peer", "shape", "parameters", "latent", "batch", "dtype", "forward_only", "threads", "graphs", "step_s", "min_s", "images_per_s", "peak_rss_mib", "peak_tensors_mib", "loss"],
            json.RootElement.EnumerateObject().Select(p => p.Name));
        Assert.Equal(forwardOnly, json.RootElement.GetProperty("forward_only").GetBoolean());
        Assert.False(json.RootElement.GetProperty("graphs").GetBoolean());
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
    [InlineData("--gpu", "a100")]
    [InlineData("--gpu", "gtx", "--device", "emulator")]
    public void Wrong_values_are_usage_errors(params string[] args) => Assert.Equal(ExitCode.Usage, CommandLine.Run(["profile", .. args]).Code);

    /// <summary>Launches are counted, not timed, so the forecast is the same on every machine with the same compiler.</summary>
    [Fact]
    public void A_forecast_names_each_kernel_with_what_bounds_it()
    {
        string[] args = ["profile", "--device", "emulator", "--gpu", "a100", "--shape", "tiny", "--latent", "8", "--batch", "1", "--precision", "fp16", "--sample", "2", "--ranks", "8", "--json"];
        var (code, output, error) = CommandLine.Run(args);
        Assert.SkipWhen(error.Contains("NVRTC", StringComparison.Ordinal), "there is no NVRTC: ./build.sh nvrtc fetches it");
        Assert.Equal("", error);
        Assert.Equal(ExitCode.Done, code);
        using var json = JsonDocument.Parse(output);
        Assert.InRange(json.RootElement.GetProperty("roofline_share").GetDouble(), 0.001, 1);
        var kernels = json.RootElement.GetProperty("kernels").EnumerateArray().ToDictionary(kernel => kernel.GetProperty("operation").GetString() + " " + kernel.GetProperty("kernel").GetString());
        Assert.Equal("Dram", kernels["AdamW AdamW"].GetProperty("bound").GetString());
        var product = kernels.First(kernel => kernel.Key.StartsWith("LinearForward", StringComparison.Ordinal)).Value;
        Assert.True(product.GetProperty("mma_share").GetDouble() > 0.02);
        Assert.Equal(0, product.GetProperty("conflict_share").GetDouble());

        // Each launch of a product belongs to one shape and pass, the most frequent shapes come first, and nothing beats the peaks.
        var products = json.RootElement.GetProperty("products").EnumerateArray().ToArray();
        double passes = products.Sum(shape => Passes(shape).Sum(pass => pass.GetProperty("calls").GetInt64() * pass.GetProperty("us").GetDouble() / 1000));
        double launches = kernels.Where(kernel => (kernel.Key.StartsWith("Linear", StringComparison.Ordinal) || kernel.Key.StartsWith("Conv", StringComparison.Ordinal))
            && !kernel.Key.Contains("ColumnSums", StringComparison.Ordinal)).Sum(kernel => kernel.Value.GetProperty("ms").GetDouble());
        Assert.Equal(launches, passes, 0.01 * launches);
        Assert.Equal(products.Select(shape => shape.GetProperty("layers").GetInt64()).OrderDescending(), products.Select(shape => shape.GetProperty("layers").GetInt64()));
        Assert.All(products.SelectMany(Passes), pass => Assert.InRange(pass.GetProperty("roofline_share").GetDouble(), 1e-9, 1));
        var first = Assert.Single(products, shape => shape.GetProperty("product").GetString() == "conv 3x3, 1 x 8x8, 4 -> 32");
        Assert.False(first.TryGetProperty("input", out _)); // nobody wants the gradient of the latents
        Assert.Equal(2 * 64 * 32 * 36 / 1e9, first.GetProperty("gflop").GetDouble(), 6);

        static IEnumerable<JsonElement> Passes(JsonElement shape) =>
            new[] { "forward", "input", "weight" }.Where(name => shape.TryGetProperty(name, out _)).Select(shape.GetProperty);
    }
}
