using System.Text.Json;
using CommonCanvas.Models;

namespace CommonCanvas.Training.Tests;

[Trait("Category", "Golden")]
public class SamplerGoldenTests
{
    const double Tolerance = 1e-4;

    public static IEnumerable<TheoryDataRow<string>> Cases()
    {
        string? file = Golden.Folder is null ? null : Path.Combine(Golden.Folder, "schedulers", "cases.json");
        if (file is null || !File.Exists(file)) return [new TheoryDataRow<string>("")];
        using var json = JsonDocument.Parse(File.ReadAllText(file));
        return [.. json.RootElement.EnumerateArray().Select(c => new TheoryDataRow<string>(c.GetRawText()))];
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Follows_the_reference_path(string text)
    {
        string folder = Golden.Require();
        using var json = JsonDocument.Parse(text);
        var settings = json.RootElement;
        string name = settings.GetProperty("name").GetString()!, kind = settings.GetProperty("kind").GetString()!;
        using var tensors = new SafetensorsFile(Path.Combine(folder, "schedulers", "cases.safetensors"));
        float[] timesteps = tensors.ReadFloats(name + ".timesteps"), path = tensors.ReadFloats(name + ".path");
        float[] inputs = tensors.ReadFloats(name + ".model_input");
        float[]? noise = tensors.Has(name + ".noise") ? tensors.ReadFloats(name + ".noise") : null;

        var sampler = SamplerFactory.Create(kind, Config(settings), settings.GetProperty("steps").GetInt32());
        Close(timesteps, [.. sampler.Timesteps], 1e-3, "timesteps");
        Assert.Equal(settings.GetProperty("init_noise_sigma").GetDouble(), sampler.InitialNoiseSigma, 1e-4);
        if (tensors.Has(name + ".sigmas"))
            Close(tensors.ReadFloats(name + ".sigmas"), Array.ConvertAll(((SigmaSampler)sampler).Sigmas, s => (float)s), Tolerance, "sigmas");

        int size = path.Length / (timesteps.Length + 1);
        float[] sample = path[..size], scaled = new float[size], output = new float[size];
        for (int i = 0; i < timesteps.Length; i++)
        {
            sampler.ScaleModelInput(sample, i, scaled);
            Close(inputs.AsSpan(i * size, size), scaled, Tolerance, $"model input {i}");
            double t = sampler.Timesteps[i];
            for (int k = 0; k < size; k++) output[k] = (float)(0.6 * Math.Sin(scaled[k]) + 0.1 * scaled[k] * Math.Cos(t / 400) + 0.05);
            Assert.False(noise is null && sampler.NeedsNoise(i));
            sampler.Step(output, i, sample, noise is null ? default : noise.AsSpan(i * size, size));
            Close(path.AsSpan((i + 1) * size, size), sample, Tolerance, $"sample after step {i}");
        }
    }

    // What is not listed beside a case is a scheduler's default of Stable Diffusion's configuration.
    static SchedulerConfig Config(JsonElement settings) => new()
    {
        BetaSchedule = "scaled_linear",
        BetaStart = 0.00085,
        BetaEnd = 0.012,
        PredictionType = settings.GetProperty("prediction").GetString()!,
        TimestepSpacing = settings.GetProperty("spacing").GetString()!,
        StepsOffset = settings.GetProperty("kind").GetString() is "ddim" or "pndm" ? 1 : 0,
        SetAlphaToOne = false,
        ClipSample = false,
    };

    static void Close(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        double largest = 1;
        foreach (float value in expected) largest = Math.Max(largest, Math.Abs(value));
        for (int k = 0; k < expected.Length; k++)
            if (!(Math.Abs(expected[k] - actual[k]) <= tolerance * largest)) Assert.Fail($"{what}: element {k} is {actual[k]}, not {expected[k]}");
    }
}
