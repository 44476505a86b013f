namespace CommonCanvas.Tensors;

/// <summary>Linear layers and convolutions on the two engines.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    public override void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y)
    {
        // y[m, o] = sum_i x[m, i] weight[o, i] + bias[o] + residual[m, o]
        OpChecks.LinearForward(x, weight, bias, residual, y);
        nint inputs = weight[1];
        var p = new RowsProduct
        {
            A = Wide(x, Scratch.Slot.WideX), M = (nint)x.Rows, N = weight[0], Segments = 1, Length = inputs,
            B = (void*)weight.Data, BType = weight.Type, BTransposed = true, BStride = inputs, BSegment = inputs,
            Bias = Wide(bias, Scratch.Slot.Small), Residual = (void*)residual.Data,
        };
        Run(ref p, y);
    }

    public override void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor dX, Tensor dWeight, Tensor dBias)
    {
        OpChecks.LinearBackward(x, weight, dY, dX, dWeight, dBias);
        nint rows = (nint)dY.Rows, inputs = weight[1], outputs = weight[0];
        float* slope = Wide(dY, Scratch.Slot.WideDY);

        // dX[m, i] = sum_o dY[m, o] weight[o, i]
        if (!dX.IsNone)
        {
            var p = new RowsProduct
            {
                A = slope, M = rows, N = inputs, Segments = 1, Length = outputs,
                B = (void*)weight.Data, BType = weight.Type, BStride = inputs,
            };
            Run(ref p, dX);
        }

        // dWeight[o, i] += sum_m dY[m, o] x[m, i]
        if (!dWeight.IsNone)
        {
            var p = new OuterProduct { A = slope, B = Wide(x, Scratch.Slot.WideX), C = (float*)dWeight.Data, M = outputs, N = inputs, K = rows, Segments = 1 };
            OuterEngine<TV, S>.Run(Team, scratch, ref p);
        }

        // dBias[o] += sum_m dY[m, o]
        if (!dBias.IsNone) ColumnSums(slope, 1, rows, outputs, null, (float*)dBias.Data);
    }

    public override void ConvForward(Tensor x, Tensor weight, Tensor bias, Tensor perSample, Tensor residual, ConvGeometry geometry, Tensor y)
    {
        OpChecks.ConvForward(x, weight, bias, perSample, residual, geometry, y);
        int taps = geometry.Kernel * geometry.Kernel;
        nint inputs = x[3];
        float* biases = Wide(bias, Scratch.Slot.Small), samples = Wide(perSample, Scratch.Slot.Sums);
        var p = new RowsProduct
        {
            A = Wide(x, Scratch.Slot.WideX), M = (nint)y.Rows, N = weight[0], Segments = taps, Length = inputs,
            Gathered = !IsPointwise(geometry), Window = Window.Forward(x, y, geometry),
            B = (void*)weight.Data, BType = weight.Type, BTransposed = true, BStride = taps * inputs, BSegment = inputs,
            Bias = biases, PerSample = samples, RowsPerSample = (nint)y[1] * y[2], Residual = (void*)residual.Data,
        };
        Run(ref p, y);
    }

    public override void ConvBackward(Tensor x, Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX, Tensor dWeight, Tensor dBias, Tensor dPerSample)
    {
        OpChecks.ConvBackward(x, weight, dY, geometry, dX, dWeight, dBias, dPerSample);
        int taps = geometry.Kernel * geometry.Kernel;
        nint inputs = x[3], outputs = weight[0];
        float* slope = Wide(dY, Scratch.Slot.WideDY);

        // dX[pixel, i] = sum over taps and o of dY[pixel the tap reads, o] weight[o, tap, i]
        if (!dX.IsNone)
        {
            var p = new RowsProduct
            {
                A = slope, M = (nint)dX.Rows, N = inputs, Segments = taps, Length = outputs,
                Gathered = !IsPointwise(geometry), Window = Window.Backward(x, dY, geometry),
                B = (void*)weight.Data, BType = weight.Type, BStride = taps * inputs, BSegment = inputs,
            };
            Run(ref p, dX);
        }

        // dWeight[o, tap, i] += sum over pixels of dY[pixel, o] x[pixel the tap reads, i]
        if (!dWeight.IsNone)
        {
            var p = new OuterProduct
            {
                A = slope, B = Wide(x, Scratch.Slot.WideX), C = (float*)dWeight.Data, M = outputs, N = inputs, K = (nint)dY.Rows, Segments = taps,
                Gathered = !IsPointwise(geometry), Window = Window.Forward(x, dY, geometry), Zeros = scratch.Zeros(inputs),
            };
            OuterEngine<TV, S>.Run(Team, scratch, ref p);
        }

        if (dBias.IsNone && dPerSample.IsNone) return;
        nint pixels = (nint)dY[1] * dY[2];
        float* samples = dPerSample.IsNone ? null
            : dPerSample.Type == DType.F32 ? (float*)dPerSample.Data : (float*)scratch.Get(Scratch.Slot.Small, (nint)dPerSample.Count * sizeof(float));
        ColumnSums(slope, dY[0], pixels, outputs, samples, dBias.IsNone ? null : (float*)dBias.Data);
        if (!dPerSample.IsNone && dPerSample.Type != DType.F32) Packing<TV, S>.Narrow(samples, (void*)dPerSample.Data, dPerSample.Type, 0, (nint)dPerSample.Count);
    }

    void Run(ref RowsProduct p, Tensor y)
    {
        p.C = (void*)y.Data;
        p.CType = y.Type;
        p.Zeros = scratch.Zeros(p.Length);
        if (y.Type != DType.F32 && p.Blocks > 1) p.Partial = (float*)scratch.Get(Scratch.Slot.Partial, p.M * p.N * sizeof(float));
        RowsEngine<TV, S>.Run(Team, scratch, ref p);
    }

    /// <summary>1x1 at stride 1 without padding is a linear layer over pixels.</summary>
    static bool IsPointwise(in ConvGeometry g) => g is { Kernel: 1, Stride: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 };
}
