using System.Text.Json;
using CommonCanvas.Emulator;
using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

[Trait("Category", "Golden")]
public class TrainingGoldenTests
{
    public static IEnumerable<TheoryDataRow<string>> Cases()
    {
        string? folder = Golden.Folder is null ? null : Path.Combine(Golden.Folder, "training");
        if (folder is null || !Directory.Exists(folder)) return [new TheoryDataRow<string>("")];
        return [.. Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal).Select(f => new TheoryDataRow<string>(Path.GetFileNameWithoutExtension(f)))];
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Steps_agree_with_the_reference(string name)
    {
        using var cpu = OpsFactory.Create("cpu");
        Agree(name, cpu);
    }

    [Theory]
    [Trait("Category", "Kernels")]
    [MemberData(nameof(Cases))]
    public void Steps_on_the_emulated_GPU_agree_with_the_reference(string name)
    {
        Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");
        using var gpu = CudaOps.Open(EmulatedDriver.Create(), ptxOnly: true);
        Agree(name, gpu);
    }

    static void Agree(string name, IOps ops)
    {
        string folder = Path.Combine(Golden.Require(), "training");
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, name + ".json")));
        var s = json.RootElement;
        using var tensors = new SafetensorsFile(Path.Combine(folder, name + ".safetensors"));
        using var unet = UNet.FromFolder(Path.Combine(folder, "model"), ops, DType.F32, training: true);
        int batch = (int)tensors.Entry("text0").Shape[0];
        var objective = new DiffusionObjective { Schedule = new NoiseSchedule(), Prediction = NoiseSchedule.ParsePrediction(s.GetProperty("prediction").GetString()!) };
        var loss = new DiffusionLoss(ops, unet, objective, batch);
        var clip = s.GetProperty("clip");
        var parameters = unet.Parameters;
        using var optimizer = new Optimizer(ops, parameters.Master, parameters.Gradient, parameters.Compute, new OptimizerSettings
        {
            LearningRate = new LearningRateSchedule(s.GetProperty("lr").GetDouble()),
            WeightDecay = s.GetProperty("weight_decay").GetDouble(),
            ClipNorm = clip.ValueKind == JsonValueKind.Number ? clip.GetDouble() : double.PositiveInfinity,
        });
        float[] expectedLosses = tensors.ReadFloats("losses");
        var losses = ops.Arena.Rent(DType.F32, batch);
        for (int i = 0; i < s.GetProperty("steps").GetInt32(); i++)
        {
            long[] timesteps = tensors.ReadIntegers($"timestep{i}");
            for (int b = 0; b < batch; b++) loss.SetTimestep(b, (int)timesteps[b]);
            int[] shape = [.. tensors.Entry($"text{i}").Shape.Select(d => (int)d)];
            var text = ops.UploadAs(tensors.ReadFloats($"text{i}"), DType.F32, shape[0], shape[1], shape[2]);
            parameters.ZeroGradients();
            loss.Run(Nhwc(ops, tensors, $"latents{i}"), Nhwc(ops, tensors, $"noise{i}"), text, losses, 1f / batch);
            float mean = ops.DownloadFloats(losses).Average();
            Assert.True(Math.Abs(mean - expectedLosses[i]) <= 1e-4 * expectedLosses[i], $"step {i}: loss {mean}, not {expectedLosses[i]}");
            optimizer.Norm(ops);
            optimizer.Update(i + 1);
        }
        string[] finals = [.. tensors.Names.Where(n => n.StartsWith("final.", StringComparison.Ordinal))];
        Assert.NotEmpty(finals);
        // Adam makes a whole step of a gradient that is nothing but rounding, so single weights may differ; a tensor may not.
        foreach (string final in finals)
        {
            var parameter = parameters[final["final.".Length..]];
            float[] expected = tensors.ReadFloats(final), actual = parameters.ToFile(parameter, parameters.Master);
            double error = Norm(expected.Zip(actual, (e, a) => e - a)), norm = Norm(expected);
            if (!(error <= 1e-4 * norm)) Assert.Fail($"{parameter.Name}: differs by {error / norm:g3} of its norm");
        }
    }

    static double Norm(IEnumerable<float> values) => Math.Sqrt(values.Sum(v => (double)v * v));

    static Tensor Nhwc(IOps ops, SafetensorsFile tensors, string name)
    {
        int[] d = [.. tensors.Entry(name).Shape.Select(x => (int)x)];
        Tensor planes = ops.UploadAs(tensors.ReadFloats(name), DType.F32, d[0], d[1], d[2] * d[3]), pixels = ops.Arena.Rent(DType.F32, d[0], d[2], d[3], d[1]);
        ops.Transpose(planes, pixels.Reshape(d[0], d[2] * d[3], d[1]));
        ops.Arena.Release(planes);
        return pixels;
    }
}
