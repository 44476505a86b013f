namespace CommonCanvas.Tensors;

/// <summary>
/// Products that end in GEGLU or its gradient: <c>linear_geglu.cu</c>. No library has them. Where a library's product and then
/// GEGLU as a kernel of its own were measured to be faster than the program's own kernels, which do both in one, it is they.
/// </summary>
public sealed partial class CudaOps
{
    // for each number of the product: forward, it as part of u and half a number of y; backward, two of u and two of dU
    static readonly ProductKernels linearGegluForward = new("linear_geglu.cu", nameof(LinearGegluForward), resultBytes: 3);
    static readonly ProductKernels linearGegluBackward = new("linear_geglu.cu", nameof(LinearGegluBackward), resultBytes: 8);

    /// <inheritdoc/>
    public void LinearGegluForward(Tensor x, Tensor weight, Tensor bias, Tensor u, Tensor y)
    {
        OpChecks.LinearGegluForward(x, weight, bias, u, y);
        int rows = Rows(x), inputs = weight[1], outputs = weight[0];
        if (RunByLibrary(ProductKind.LinearGegluForward, x.Type, rows, inputs, outputs, new(x, weight, default, bias, default, default, y, Hidden: u))) return;
        var plan = Plan(linearGegluForward, y.Type, WholePacks(x, inputs) && WholePacks(weight, inputs), rows, outputs, inputs);
        var shares = RentShares(plan, rows, outputs);
        LaunchProduct(linearGegluForward, plan, y.Type, rows, outputs,
            [x.Data, weight.Data, bias.Data, u.Data, y.Data, shares.Data, rows, inputs, outputs / 2]);
        if (shares.IsNone) return;
        LaunchOver((shares.Count / plan.Splits + 3) / 4, Kernel(SplitFile, y.Type, "FinishGeglu"),
            [shares.Data, plan.Splits, bias.Data, u.Data, y.Data, rows, outputs, Divider(outputs)]);
        Arena.Release(shares);
    }

    /// <inheritdoc/>
    public void LinearGegluBackward(Tensor u, Tensor weight, Tensor dY, Tensor dU)
    {
        OpChecks.LinearGegluBackward(u, weight, dY, dU);
        int rows = Rows(dY), outputs = weight[0], width = weight[1];
        if (RunByLibrary(ProductKind.LinearGegluBackward, u.Type, rows, width, outputs, new(default, weight, dY, default, default, default, dU, Hidden: u))) return;
        var plan = Plan(linearGegluBackward, u.Type, WholePacks(dY, outputs) && WholePacks(weight, width), rows, width, outputs);
        var shares = RentShares(plan, rows, width);
        LaunchProduct(linearGegluBackward, plan, u.Type, rows, width, [u.Data, weight.Data, dY.Data, dU.Data, shares.Data, rows, outputs, width]);
        if (shares.IsNone) return;
        LaunchOver((shares.Count / plan.Splits + 3) / 4, Kernel(SplitFile, u.Type, "FinishGegluBackward"),
            [shares.Data, plan.Splits, u.Data, dU.Data, rows, width, Divider(width)]);
        Arena.Release(shares);
    }
}
