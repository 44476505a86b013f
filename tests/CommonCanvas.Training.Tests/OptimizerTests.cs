using System.Text.Json;
using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

public class OptimizerTests
{
    public static IEnumerable<TheoryDataRow<string, string>> Cases() =>
        from folder in Golden.Folders("optim")
        from file in Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal)
        from device in (string[])["cpu", "cpu-reference"]
        select new TheoryDataRow<string, string>(Path.ChangeExtension(file, null), device);

    [Theory(SkipTestWithoutData = true)]
    [Trait("Category", "Golden")]
    [MemberData(nameof(Cases))]
    public void Follows_the_reference(string path, string device)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(path + ".json"));
        var s = json.RootElement;
        using var tensors = new SafetensorsFile(path + ".safetensors");
        string[] parameters = [.. tensors.Names.Where(n => n.EndsWith(".start", StringComparison.Ordinal)).Select(n => n[..^6]).Order(StringComparer.Ordinal)];
        float[] All(string suffix) => [.. parameters.SelectMany(p => tensors.ReadFloats($"{p}.{suffix}"))];

        using var ops = OpsFactory.Create(device);
        float[] start = All("start");
        Tensor master = ops.Arena.Rent(DType.F32, start.Length), gradient = ops.Arena.RentLike(master);
        ops.Upload<float>(start, master);
        double Number(string name, double absent) => s.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : absent;
        using var optimizer = new Optimizer(ops, master, gradient, Tensor.None, new OptimizerSettings
        {
            LearningRate = new LearningRateSchedule(s.GetProperty("lr").GetDouble()),
            Beta1 = s.GetProperty("betas")[0].GetDouble(),
            Beta2 = s.GetProperty("betas")[1].GetDouble(),
            Epsilon = s.GetProperty("eps").GetDouble(),
            WeightDecay = s.GetProperty("weight_decay").GetDouble(),
            ClipNorm = Number("clip", double.PositiveInfinity),
            EmaDecay = Number("ema", 0),
        });
        bool averages = optimizer.Settings.EmaDecay > 0;
        if (averages) optimizer.StartAverage();
        for (int step = 0; step < s.GetProperty("steps").GetInt32(); step++)
        {
            ops.Upload<float>(All($"grad{step}"), gradient);
            float norm = optimizer.Norm(ops);
            Close(tensors.ReadFloats($"norm{step}"), [norm]);
            optimizer.Update(step + 1);
            Close(All($"after{step}"), master.Span<float>());
            if (averages) Close(All($"ema{step}"), optimizer.Average.Span<float>());
        }
    }

    /// <summary>Each of these would make the weights infinite or no number at the first update.</summary>
    [Theory]
    [InlineData(1, 0.999, 1e-8, "beta1 is 1")]
    [InlineData(0.9, 1, 1e-8, "beta2 1")]
    [InlineData(0.9, double.NaN, 1e-8, "beta2 NaN")]
    [InlineData(0.9, 0.999, 0, "epsilon is 0")]
    [InlineData(0.9, 0.999, 1e-60, "epsilon is 1E-60")]
    public void Settings_that_divide_by_zero_are_refused(double beta1, double beta2, double epsilon, string says)
    {
        using var ops = new CpuOps();
        Tensor master = ops.Arena.Rent(DType.F32, 3), gradient = ops.Arena.RentLike(master);
        var settings = new OptimizerSettings { LearningRate = new LearningRateSchedule(1e-3), Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon };
        Assert.Contains(says, Assert.Throws<ArgumentException>(() => new Optimizer(ops, master, gradient, Tensor.None, settings)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_average_starts_at_its_step_as_a_copy_and_keeps_its_interval()
    {
        using var ops = new CpuOps();
        Tensor master = ops.Arena.Rent(DType.F32, 3), gradient = ops.Arena.RentLike(master);
        ops.Fill(1, master);
        ops.Fill(0.5f, gradient);
        using var optimizer = new Optimizer(ops, master, gradient, Tensor.None, new OptimizerSettings
        {
            LearningRate = new LearningRateSchedule(0.1), EmaDecay = 0.5, EmaStart = 3, EmaInterval = 2,
        });
        var averages = new List<float?>();
        var weights = new List<float>();
        for (int step = 1; step <= 7; step++)
        {
            optimizer.Norm(ops);
            optimizer.Update(step);
            weights.Add(master.Span<float>()[0]);
            averages.Add(optimizer.Average.IsNone ? null : optimizer.Average.Span<float>()[0]);
        }
        Assert.Equal([null, null], averages[..2]);
        Assert.Equal(weights[2], averages[2]);
        Assert.Equal(averages[2], averages[3]);
        Assert.Equal(0.5f * averages[2]!.Value + 0.5f * weights[4], averages[4]!.Value, 1e-6f);
        Assert.Equal(averages[4], averages[5]);
        Assert.NotEqual(averages[5], averages[6]);
    }

    [Fact]
    public void The_loss_scale_is_divided_out_and_an_overflow_changes_nothing()
    {
        using var ops = new CpuOps();
        float[] Run(float lossScale)
        {
            Tensor master = ops.Arena.Rent(DType.F32, 4), gradient = ops.Arena.RentLike(master);
            ops.Fill(1, master);
            ops.Upload<float>([3 * lossScale, -4 * lossScale, 0, lossScale], gradient);
            using var optimizer = new Optimizer(ops, master, gradient, Tensor.None, new OptimizerSettings { LearningRate = new LearningRateSchedule(0.1), ClipNorm = 2 });
            Assert.Equal(MathF.Sqrt(26), optimizer.Norm(ops, lossScale), 1e-4f);
            optimizer.Update(1);
            return master.Span<float>().ToArray();
        }
        Close(Run(1), Run(1024));

        Tensor weights = ops.Arena.Rent(DType.F32, 1), nan = ops.Arena.RentLike(weights);
        ops.Fill(1, weights);
        ops.Fill(float.PositiveInfinity, nan);
        using var overflowing = new Optimizer(ops, weights, nan, Tensor.None, new OptimizerSettings { LearningRate = new LearningRateSchedule(0.1) });
        Assert.False(float.IsFinite(overflowing.Norm(ops)));
    }

    [Fact]
    public void Settings_that_cannot_work_are_refused()
    {
        using var ops = new CpuOps();
        var tensor = ops.Arena.Rent(DType.F32, 1);
        var good = new OptimizerSettings { LearningRate = new LearningRateSchedule(1) };
        foreach (var bad in new[] { good with { EmaDecay = 1 }, good with { EmaInterval = 0 }, good with { ClipNorm = 0 } })
            Assert.Throws<ArgumentException>(() => new Optimizer(ops, tensor, tensor, Tensor.None, bad));
    }

    static void Close(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int k = 0; k < expected.Length; k++)
            if (!(Math.Abs(expected[k] - actual[k]) <= 1e-5 * Math.Max(1, Math.Abs(expected[k])))) Assert.Fail($"element {k} is {actual[k]}, not {expected[k]}");
    }
}
