using CommonCanvas.Tensors;

namespace CommonCanvas.Models.Tests;

/// <summary>The whole U-Net against diffusers: output, loss and all gradients.</summary>
[Trait("Category", "Golden")]
public sealed class UNetGoldenTests
{
    public static TheoryData<string, string, DType> Cases => Device.Cases("unet*", "case*.safetensors");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Agrees(string path, string device, DType type)
    {
        using var lease = Device.Open(device);
        var ops = lease.Ops;
        var arena = ops.Arena;
        using var golden = new GoldenCase(Device.PathOf(path), ops, type);
        using var model = UNet.FromFolder(Path.Combine(Path.GetDirectoryName(Device.PathOf(path))!, "model"), ops, type, training: true);
        int live = arena.LiveBlocks;

        var sample = golden.Upload("sample");
        var text = golden.Upload("encoder_hidden_states");
        var target = golden.Upload("target", DType.F32);
        float[] times = [.. golden.Integers("timestep").Select(t => (float)t)];
        int batch = sample[0];
        var timesteps = Device.Upload(ops, times, [batch]);
        var weight = arena.Rent(DType.F32, batch);
        ops.Fill(1, weight);

        var output = model.Forward(sample, timesteps, text);
        golden.Compare("output", output);
        // The loss is fp32, as the target's numbers are not among those that fp16 and bf16 hold.
        var prediction = arena.RentLike(output, DType.F32);
        ops.Cast(output, prediction);
        var losses = arena.RentLike(weight);
        ops.MseForward(prediction, target, weight, losses);
        golden.Compare("loss", [Device.Download(ops, losses).Average()]);

        var dPrediction = arena.RentLike(prediction);
        ops.MseBackward(prediction, target, weight, golden.LossScale / batch, dPrediction);
        var dOutput = arena.RentLike(output);
        ops.Cast(dPrediction, dOutput);
        var done = new List<int>();
        var (dSample, dText) = model.Backward(dOutput, done.Add, needSample: true, needText: true);
        Assert.Equal(Enumerable.Range(0, model.Parameters.Units.Count).Reverse(), done);
        golden.Compare("grad_sample", dSample, golden.LossScale);
        golden.Compare("grad_encoder_hidden_states", dText, golden.LossScale);
        if (type == DType.F32) golden.CompareGradients(model.Parameters);
        else golden.CompareGradientsByUnit(model.Parameters);

        foreach (var tensor in new[] { sample, text, target, timesteps, weight, output, prediction, losses, dPrediction, dOutput, dSample, dText }) arena.Release(tensor);
        Assert.Equal(live, arena.LiveBlocks);
        golden.Finish();
    }
}
