using CommonCanvas.Tensors;

namespace CommonCanvas.Models.Tests;

/// <summary>
/// LayerNorm at the widths of Stable Diffusion 2's U-Net, each of which has a kernel of its own, against PyTorch 2.10's
/// layer_norm: output and all gradients in fp64, and PyTorch's own error in fp16 and bf16. The repository carries the cases.
/// </summary>
[Trait("Category", "Golden")]
public sealed class LayerNormGoldenTests
{
    public static TheoryData<string, string, DType> Cases => Device.CarriedCases("norms", "layernorm-*.safetensors");

    [Theory, MemberData(nameof(Cases))]
    public void Agrees(string file, string device, DType type)
    {
        using var lease = Device.Open(device);
        var ops = lease.Ops;
        using var golden = new GoldenCase(Device.CarriedPathOf(file), ops, type);
        using ParameterSet parameters = new();
        parameters.BeginUnit("norm");
        var norm = new LayerNorm(new LayerContext(ops, true), parameters.Root, golden.Shape("input0")[^1]);
        parameters.Allocate(ops, type, training: true);
        golden.SetWeights(parameters);

        var x = golden.Upload("input0");
        var y = norm.Forward(x);
        golden.Compare("output", y);
        var dY = golden.Upload("grad_output", golden.LossScale);
        var dX = norm.Backward(dY);
        golden.Compare("grad_input0", dX, golden.LossScale);
        golden.CompareGradients(parameters);
        foreach (var tensor in new[] { x, y, dY, dX }) ops.Arena.Release(tensor);
        golden.Finish();
    }
}
