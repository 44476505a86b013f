using System.Globalization;
using System.Text;
using System.Text.Json;
using CommonCanvas.Models;
using CommonCanvas.Tests;
using SkiaSharp;

namespace CommonCanvas.Trainer.Tests.Commands;

public sealed class SampleCommandTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("sample").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public static IEnumerable<TheoryDataRow<string, string>> Cases() =>
        from pipeline in Golden.Folders("pipeline")
        from settings in Directory.GetFiles(pipeline, "case*.json")
        where !settings.EndsWith(".precision.json", StringComparison.Ordinal)
        select new TheoryDataRow<string, string>(Path.GetFileName(pipeline), Path.GetFileNameWithoutExtension(settings));

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    [Trait("Category", "Golden")]
    public void The_command_makes_the_pictures_of_diffusers(string pipeline, string name)
    {
        string root = Path.Combine(Golden.Require(), pipeline), tensors = Path.Combine(root, name + ".safetensors"), latents = Path.Combine(folder, "latents.safetensors");
        var settings = JsonDocument.Parse(File.ReadAllText(Path.Combine(root, name + ".json"))).RootElement;
        string Text(string key) => settings.GetProperty(key).ToString();
        var (code, _, error) = CommandLine.Run("sample", "--model", Path.Combine(root, "model"), "--prompt", Text("prompt"), "--negative", Text("negative_prompt"),
            "--sampler", Text("sampler"), "--steps", Text("steps"), "--guidance", settings.GetProperty("guidance").GetDouble().ToString(CultureInfo.InvariantCulture),
            "--width", Text("width"), "--height", Text("height"), "--count", Text("count"), "--latents", tensors, "--save-latents", latents, "--out", folder);
        Assert.Equal("", error);
        Assert.Equal(ExitCode.Done, code);
        using var expected = new SafetensorsFile(tensors);
        using (var actual = new SafetensorsFile(latents))
        {
            Assert.Equal(expected.Entry("final_latents").Shape, actual.Entry("final_latents").Shape);
            Assert.InRange(LargestDifference(expected.ReadFloats("final_latents"), actual.ReadFloats("final_latents")), 0, 1e-3);
        }
        var shape = expected.Entry("image").Shape;
        var image = expected.ReadFloats("image");
        int pixels = (int)(shape[2] * shape[3]);
        for (int n = 0; n < shape[0]; n++)
        {
            using var picture = SKBitmap.Decode(Path.Combine(folder, n.ToString("D5", CultureInfo.InvariantCulture) + ".png"));
            Assert.Equal((shape[3], shape[2]), (picture.Width, picture.Height));
            for (int p = 0; p < pixels; p++)
            {
                var colour = picture.GetPixel(p % picture.Width, p / picture.Width);
                byte[] channels = [colour.Red, colour.Green, colour.Blue];
                for (int c = 0; c < 3; c++) Assert.InRange(channels[c] - 255 * image[(n * 3 + c) * pixels + p], -2, 2);
            }
        }
        string bytes = Encoding.UTF8.GetString(File.ReadAllBytes(Path.Combine(folder, "00000.png")));
        Assert.Contains("parameters", bytes, StringComparison.Ordinal);
        Assert.Contains(Text("prompt"), bytes, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(folder, "grid.png")));
    }

    [Fact]
    public void A_folder_that_is_no_model_is_a_clear_failure()
    {
        var (code, _, error) = CommandLine.Run("sample", "--model", folder, "--prompt", "x");
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("model_index.json", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--model", "m")]
    [InlineData("--model", "m", "--prompt", "x", "--sampler", "dimm")]
    [InlineData("--model", "m", "--prompt", "x", "--steps", "0")]
    [InlineData("--model", "m", "--prompt", "x", "--guidance", "high")]
    public void Wrong_options_are_usage_errors(params string[] args) => Assert.Equal(ExitCode.Usage, CommandLine.Run(["sample", .. args]).Code);

    static double LargestDifference(float[] a, float[] b) => a.Zip(b, (x, y) => Math.Abs((double)x - y)).Max();
}
