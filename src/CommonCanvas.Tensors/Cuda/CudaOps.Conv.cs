namespace CommonCanvas.Tensors;

/// <summary>Convolutions: <c>conv.cu</c>. 1x1 with stride 1 and no padding is a product with a weight matrix, <c>linear.cu</c>.</summary>
public sealed partial class CudaOps
{
    static readonly ProductKernels convForward = new("conv.cu", nameof(ConvForward));
    static readonly ProductKernels convBackwardInput = new("conv.cu", nameof(ConvBackward) + "Input");
    static readonly ProductKernels convBackwardWeight = new("conv.cu", nameof(ConvBackward) + "Weight", resultBytes: 8);

    /// <inheritdoc/>
    public void ConvForward(Tensor x, Tensor weight, Tensor bias, Tensor perSample, Tensor residual, ConvGeometry geometry, Tensor y)
    {
        OpChecks.ConvForward(x, weight, bias, perSample, residual, geometry, y);
        _ = Rows(x);
        int inputs = x[3], outputs = y[3], pixels = Rows(y), plane = y[1] * y[2], kernel = geometry.Kernel, depth = kernel * kernel * inputs;
        if (geometry == ConvGeometry.Pointwise)
        {
            LinearForward(x, weight, inputs, bias, perSample, residual, plane, y);
            return;
        }
        if (RunByLibrary(ProductKind.ConvForward, x, outputs, geometry, new(x, weight, default, bias, perSample, residual, y))) return;
        var plan = Plan(convForward, y.Type, WholePacks(x, inputs) && WholePacks(weight, inputs), pixels, outputs, depth);
        var shares = RentShares(plan, pixels, outputs);
        LaunchProduct(convForward, plan, y.Type, pixels, outputs,
        [
            x.Data, weight.Data, bias.Data, perSample.Data, residual.Data, y.Data, shares.Data, pixels, outputs, x[1], x[2], inputs,
            plane, y[2], Divider(plane), Divider(y[2]), Divider(inputs), Divider(kernel), kernel, geometry.Stride, geometry.PadTop, geometry.PadLeft,
        ]);
        FinishActivations(shares, bias, perSample, residual, y, pixels, outputs, Divider(plane));
    }

    /// <inheritdoc/>
    public void ConvBackward(Tensor x, Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX, GradientTarget dWeight, GradientTarget dBias, Tensor dPerSample)
    {
        OpChecks.ConvBackward(x, weight, dY, geometry, dX, dWeight, dBias, dPerSample);
        _ = Rows(x);
        if (geometry == ConvGeometry.Pointwise) LinearBackward(x, weight, x[3], dY, residual: default, dX, dWeight);
        else
        {
            if (!dX.IsNone) ConvBackwardInput(weight, dY, geometry, dX);
            if (!dWeight.IsNone) ConvBackwardWeight(x, dY, geometry, dWeight);
        }
        ColumnSums(dY, dPerSample.IsNone ? 1 : dY[0], dBias, dPerSample);
    }

    /// <summary>
    /// A launch for each class of pixels, those whose row and column have the same remainders by the stride: they meet the same
    /// taps, every stride-th from the first one on that lies on an output pixel.
    /// </summary>
    void ConvBackwardInput(Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX)
    {
        if (RunByLibrary(ProductKind.ConvBackwardInput, dX, dY[3], geometry, new(default, weight, dY, default, default, default, dX))) return;
        int samples = dX[0], height = dX[1], width = dX[2], inputs = dX[3], outputs = dY[3], allPixels = Rows(dX);
        int kernel = geometry.Kernel, stride = geometry.Stride, mostTaps = (kernel + stride - 1) / stride;
        bool aligned = WholePacks(dY, outputs) && WholePacks(weight, inputs);
        var plan = Plan(convBackwardInput, dY.Type, aligned, allPixels / (stride * stride), inputs, mostTaps * mostTaps * outputs);
        var shares = RentShares(plan, allPixels, inputs);
        for (int row = 0; row < Math.Min(stride, height); row++)
            for (int column = 0; column < Math.Min(stride, width); column++)
            {
                var (tapRow, tapRows, shiftRow) = Taps(row + geometry.PadTop, kernel, stride);
                var (tapColumn, tapColumns, shiftColumn) = Taps(column + geometry.PadLeft, kernel, stride);
                int rows = (height - row + stride - 1) / stride, columns = (width - column + stride - 1) / stride, pixels = samples * rows * columns;
                LaunchProduct(convBackwardInput, plan, dY.Type, pixels, inputs,
                [
                    dY.Data, weight.Data, dX.Data, shares.Data, pixels, allPixels, height, width, inputs, dY[1], dY[2], outputs,
                    rows * columns, columns, Divider(rows * columns), Divider(columns), Divider(outputs), Divider(tapColumns), tapRows, tapColumns,
                    kernel, stride, row, column, tapRow, tapColumn, shiftRow, shiftColumn,
                ]);
            }
        FinishActivations(shares, default, default, default, dX, allPixels, inputs, Divider(1));
    }

    /// <summary>
    /// Of the taps t with (position + stride i - t) divisible by the stride: the first, their count, and the output pixel that
    /// the first one meets for i = 0.
    /// </summary>
    static (int First, int Count, int Shift) Taps(int position, int kernel, int stride)
    {
        int first = position % stride;
        return (first, Math.Max(0, (kernel - first + stride - 1) / stride), (position - first) / stride);
    }

    void ConvBackwardWeight(Tensor x, Tensor dY, ConvGeometry geometry, GradientTarget dWeight)
    {
        if (RunByLibrary(ProductKind.ConvBackwardWeight, x, dY[3], geometry, new(x, default, dY, default, default, default, dWeight.Tensor, dWeight.Accumulate))) return;
        int inputs = x[3], outputs = dY[3], pixels = Rows(dY), plane = dY[1] * dY[2], kernel = geometry.Kernel, columns = kernel * kernel * inputs;
        var plan = Plan(convBackwardWeight, dY.Type, WholePacks(dY, outputs) && WholePacks(x, inputs), outputs, columns, pixels);
        var shares = RentShares(plan, outputs, columns);
        LaunchProduct(convBackwardWeight, plan, dY.Type, outputs, columns,
        [
            dY.Data, x.Data, dWeight.Tensor.Data, shares.Data, pixels, outputs, x[1], x[2], inputs, plane, dY[2],
            Divider(plane), Divider(dY[2]), Divider(inputs), Divider(kernel), kernel, geometry.Stride, geometry.PadTop, geometry.PadLeft, Flag(dWeight),
        ]);
        FinishGradients(shares, dY.Type, dWeight, outputs, columns);
    }
}
