using System.Text.Json;
using CommonCanvas.Cuda;
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
        Agree(name, cpu, DType.F32);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Steps_in_fp16_agree_with_the_reference(string name)
    {
        using var cpu = OpsFactory.Create("cpu");
        Agree(name, cpu, DType.F16);
    }

    [Theory]
    [Trait("Category", "Kernels")]
    [MemberData(nameof(Cases))]
    public void Steps_on_the_emulated_GPU_agree_with_the_reference(string name) => AgreeOnEmulator(name, DType.F32);

    [Theory]
    [Trait("Category", "Kernels")]
    [MemberData(nameof(Cases))]
    public void Steps_in_fp16_on_the_emulated_GPU_agree_with_the_reference(string name) => AgreeOnEmulator(name, DType.F16);

    [Theory]
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    [MemberData(nameof(Cases))]
    public void Steps_on_a_GPU_agree_with_the_reference(string name) => AgreeOnGpu(name, DType.F32);

    [Theory]
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    [MemberData(nameof(Cases))]
    public void Steps_in_fp16_on_a_GPU_agree_with_the_reference(string name) => AgreeOnGpu(name, DType.F16);

    static void AgreeOnGpu(string name, DType type)
    {
        Assert.SkipWhen(GpuDevices.NoCuda is not null, GpuDevices.NoCuda ?? "");
        using var gpu = CudaOps.Open(InstalledDriver.Load().Driver);
        Agree(name, gpu, type);
    }

    static void AgreeOnEmulator(string name, DType type)
    {
        Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");
        using var gpu = CudaOps.Open(EmulatedDriver.Create(), ptxOnly: true);
        Agree(name, gpu, type);
    }

    static void Agree(string name, IOps ops, DType type)
    {
        string folder = Path.Combine(Golden.Require(), "training");
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, name + ".json")));
        var s = json.RootElement;
        using var tensors = new SafetensorsFile(Path.Combine(folder, name + ".safetensors"));
        using var unet = UNet.FromFolder(Path.Combine(folder, "model"), ops, type, training: true);
        var tolerance = type == DType.F32 ? StepTolerance.Fp32 : StepTolerance.Fp16(folder);
        int batch = (int)tensors.Entry("text0").Shape[0], steps = s.GetProperty("steps").GetInt32();
        var objective = new DiffusionObjective { Schedule = new NoiseSchedule(), Prediction = NoiseSchedule.ParsePrediction(s.GetProperty("prediction").GetString()!) };
        using var loss = new DiffusionLoss(ops, unet, objective, batch);
        var clip = s.GetProperty("clip");
        var parameters = unet.Parameters;
        double learningRate = s.GetProperty("lr").GetDouble();
        using var optimizer = new Optimizer(ops, parameters.Master, parameters.Gradient, parameters.Compute, new OptimizerSettings
        {
            LearningRate = new LearningRateSchedule(learningRate),
            WeightDecay = s.GetProperty("weight_decay").GetDouble(),
            ClipNorm = clip.ValueKind == JsonValueKind.Number ? clip.GetDouble() : double.PositiveInfinity,
        });
        float[] expectedLosses = tensors.ReadFloats("losses");
        Tensor losses = ops.Arena.Rent(DType.F32, batch), norm = ops.Arena.Rent(DType.F32, 1);
        double allowedLoss = tolerance.Loss((int)tensors.Entry("noise0").Shape.Aggregate(1L, (product, d) => product * d)), worstLoss = 0, worstWeight = 0;
        for (int i = 0; i < steps; i++)
        {
            long[] timesteps = tensors.ReadIntegers($"timestep{i}");
            for (int b = 0; b < batch; b++) loss.SetTimestep(b, (int)timesteps[b]);
            int[] shape = [.. tensors.Entry($"text{i}").Shape.Select(d => (int)d)];
            var text = ops.UploadAs(tensors.ReadFloats($"text{i}"), type, shape[0], shape[1], shape[2]);
            Tensor latents = Nhwc(ops, tensors, $"latents{i}", type), noise = Nhwc(ops, tensors, $"noise{i}", type);
            loss.Load();
            loss.Run(latents, noise, text, losses, new GradientPart(tolerance.LossScale / batch, Accumulate: false));
            foreach (var tensor in new[] { latents, noise, text }) ops.Arena.Release(tensor);
            float mean = ops.DownloadFloats(losses).Average();
            double error = Math.Abs(mean - expectedLosses[i]) / expectedLosses[i];
            worstLoss = Math.Max(worstLoss, error);
            Assert.True(error <= allowedLoss, $"step {i}: loss {mean}, not {expectedLosses[i]}");
            optimizer.MeasureNorm(tolerance.LossScale, norm);
            optimizer.Update(i + 1);
        }
        string[] finals = [.. tensors.Names.Where(n => n.StartsWith("final.", StringComparison.Ordinal))];
        Assert.NotEmpty(finals);
        // Adam makes a whole step of a gradient that is nothing but rounding, so single weights may differ; a tensor may not.
        foreach (string final in finals)
        {
            var parameter = parameters[final["final.".Length..]];
            float[] expected = tensors.ReadFloats(final), actual = parameters.ToFile(parameter, parameters.Master);
            double error = Norm(expected.Zip(actual, (e, a) => e - a)), length = Norm(expected);
            double allowed = 1e-4 * length + tolerance.Moved(parameter.Name) * learningRate * steps * Math.Sqrt(expected.Length);
            worstWeight = Math.Max(worstWeight, error / allowed);
            if (!(error <= allowed)) Assert.Fail($"{parameter.Name}: differs by {error:g3}, allowed {allowed:g3}; its norm is {length:g3}");
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{ops.Name} {type}: losses differ by {worstLoss:g3} of themselves at most (allowed {allowedLoss:g3}); weights by {worstWeight:g3} of what is allowed");
    }

    static double Norm(IEnumerable<float> values) => Math.Sqrt(values.Sum(v => (double)v * v));

    static Tensor Nhwc(IOps ops, SafetensorsFile tensors, string name, DType type)
    {
        int[] d = [.. tensors.Entry(name).Shape.Select(x => (int)x)];
        Tensor planes = ops.UploadAs(tensors.ReadFloats(name), type, d[0], d[1], d[2] * d[3]), pixels = ops.Arena.Rent(type, d[0], d[2], d[3], d[1]);
        ops.Transpose(planes, pixels.Reshape(d[0], d[2] * d[3], d[1]));
        ops.Arena.Release(planes);
        return pixels;
    }
}
