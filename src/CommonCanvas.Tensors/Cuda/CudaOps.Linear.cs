namespace CommonCanvas.Tensors;

/// <summary>Products with a weight matrix: <c>linear.cu</c>.</summary>
public sealed partial class CudaOps
{
    static readonly ProductKernels linearForward = new("linear.cu", nameof(LinearForward));
    static readonly ProductKernels linearBackwardInput = new("linear.cu", nameof(LinearBackward) + "Input");
    static readonly ProductKernels linearBackwardWeight = new("linear.cu", nameof(LinearBackward) + "Weight", resultBytes: 8);

    /// <inheritdoc/>
    public void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y)
    {
        OpChecks.LinearForward(x, weight, bias, residual, y);
        LinearForward(x, weight, weight[1], bias, perSample: default, residual, sampleRows: 1, y);
    }

    /// <summary>The same with perSample[sample, outputs] for each <paramref name="sampleRows"/> rows; weight of any shape.</summary>
    void LinearForward(Tensor x, Tensor weight, int inputs, Tensor bias, Tensor perSample, Tensor residual, int sampleRows, Tensor y)
    {
        int outputs = y.Channels, rows = Rows(y);
        if (perSample.IsNone && RunByLibrary(ProductKind.LinearForward, y.Type, rows, inputs, outputs, new(x, weight, default, bias, default, residual, y))) return;
        var plan = Plan(linearForward, y.Type, WholePacks(x, inputs) && WholePacks(weight, inputs), rows, outputs, inputs);
        var shares = RentShares(plan, rows, outputs);
        long samples = Divider(sampleRows);
        LaunchProduct(linearForward, plan, y.Type, rows, outputs,
            [x.Data, weight.Data, bias.Data, perSample.Data, residual.Data, y.Data, shares.Data, rows, inputs, outputs, samples]);
        FinishActivations(shares, bias, perSample, residual, y, rows, outputs, samples);
    }

    /// <inheritdoc/>
    public void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor residual, Tensor dX, GradientTarget dWeight, GradientTarget dBias)
    {
        OpChecks.LinearBackward(x, weight, dY, residual, dX, dWeight, dBias);
        LinearBackward(x, weight, weight[1], dY, residual, dX, dWeight);
        ColumnSums(dY, samples: 1, dBias, dPerSample: default);
    }

    /// <summary>dX = dY weight + residual; dWeight = or += dY^T x; weight of any shape.</summary>
    void LinearBackward(Tensor x, Tensor weight, int inputs, Tensor dY, Tensor residual, Tensor dX, GradientTarget dWeight)
    {
        int outputs = dY.Channels, rows = Rows(dY);
        if (!dX.IsNone && !RunByLibrary(ProductKind.LinearBackwardInput, dY.Type, rows, inputs, outputs, new(default, weight, dY, default, default, residual, dX)))
        {
            var plan = Plan(linearBackwardInput, dY.Type, WholePacks(dY, outputs) && WholePacks(weight, inputs), rows, inputs, outputs);
            var shares = RentShares(plan, rows, inputs);
            LaunchProduct(linearBackwardInput, plan, dY.Type, rows, inputs, [dY.Data, weight.Data, residual.Data, dX.Data, shares.Data, rows, inputs, outputs]);
            FinishActivations(shares, default, default, residual, dX, rows, inputs, Divider(1));
        }
        if (!dWeight.IsNone) LinearBackwardWeight(x, inputs, dY, dWeight);
    }

    void LinearBackwardWeight(Tensor x, int inputs, Tensor dY, GradientTarget dWeight)
    {
        int outputs = dY.Channels, rows = Rows(dY, nameof(LinearBackwardWeights));
        if (RunByLibrary(ProductKind.LinearBackwardWeight, dY.Type, rows, inputs, outputs, new(x, default, dY, default, default, default, dWeight.Tensor, dWeight.Accumulate))) return;
        var plan = Plan(linearBackwardWeight, dY.Type, WholePacks(dY, outputs) && WholePacks(x, inputs), outputs, inputs, rows);
        var shares = RentShares(plan, outputs, inputs);
        LaunchProduct(linearBackwardWeight, plan, dY.Type, outputs, inputs, [dY.Data, x.Data, dWeight.Tensor.Data, shares.Data, rows, inputs, outputs, Flag(dWeight)]);
        FinishGradients(shares, dY.Type, dWeight, outputs, inputs);
    }
}
