namespace CommonCanvas.Tensors;

/// <summary>Linear layers and convolutions on the two engines.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    public override void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y)
    {
        // y[m, o] = sum_i x[m, i] weight[o, i] + bias[o] + residual[m, o]
        OpChecks.LinearForward(x, weight, bias, residual, y);
        var p = Forward(x, weight, 1);
        p.Bias = Wide(bias, Scratch.Slot.Small);
        p.Residual = (void*)residual.Data;
        p.M = (nint)x.Rows;
        Run(ref p, y);
    }

    public override void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor residual, Tensor dX, GradientTarget dWeight, GradientTarget dBias)
    {
        OpChecks.LinearBackward(x, weight, dY, residual, dX, dWeight, dBias);
        float* slope = Slope(dY);

        // dX[m, i] = sum_o dY[m, o] weight[o, i] + residual[m, i]
        if (!dX.IsNone)
        {
            var p = Backward(weight, dY, 1, slope);
            p.M = (nint)dX.Rows;
            p.Residual = (void*)residual.Data;
            Run(ref p, dX);
        }

        // dWeight[o, i] += sum_m dY[m, o] x[m, i]
        if (!dWeight.IsNone)
        {
            var p = WeightGradient(x, dY, dWeight, 1, slope);
            OuterEngine<TV, S>.Run(Team, scratch, ref p);
        }

        // dBias[o] += sum_m dY[m, o]
        if (!dBias.IsNone) ColumnSums(dY, 1, (nint)dY.Rows, weight[0], null, dBias);
    }

    public override void ConvForward(Tensor x, Tensor weight, Tensor bias, Tensor perSample, Tensor residual, ConvGeometry geometry, Tensor y)
    {
        OpChecks.ConvForward(x, weight, bias, perSample, residual, geometry, y);
        var p = Forward(x, weight, geometry.Kernel * geometry.Kernel);
        p.M = (nint)y.Rows;
        p.Gathered = !IsPointwise(geometry);
        p.Window = Window.Forward(x, y, geometry);
        p.Bias = Wide(bias, Scratch.Slot.Small);
        p.PerSample = Wide(perSample, Scratch.Slot.Sums);
        p.RowsPerSample = (nint)y[1] * y[2];
        p.Residual = (void*)residual.Data;
        Run(ref p, y);
    }

    public override void ConvBackward(Tensor x, Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX, GradientTarget dWeight, GradientTarget dBias, Tensor dPerSample)
    {
        OpChecks.ConvBackward(x, weight, dY, geometry, dX, dWeight, dBias, dPerSample);
        int taps = geometry.Kernel * geometry.Kernel;
        nint outputs = weight[0];
        float* slope = Slope(dY);

        // dX[pixel, i] = sum over taps and o of dY[pixel the tap reads, o] weight[o, tap, i]
        if (!dX.IsNone)
        {
            var p = Backward(weight, dY, taps, slope);
            p.M = (nint)dX.Rows;
            p.Gathered = !IsPointwise(geometry);
            p.Window = Window.Backward(x, dY, geometry);
            Run(ref p, dX);
        }

        // dWeight[o, tap, i] += sum over pixels of dY[pixel, o] x[pixel the tap reads, i]
        if (!dWeight.IsNone)
        {
            var p = WeightGradient(x, dY, dWeight, taps, slope);
            p.Gathered = !IsPointwise(geometry);
            p.Window = Window.Forward(x, dY, geometry);
            OuterEngine<TV, S>.Run(Team, scratch, ref p);
        }

        if (dBias.IsNone && dPerSample.IsNone) return;
        nint pixels = (nint)dY[1] * dY[2];
        float* samples = dPerSample.IsNone ? null
            : dPerSample.Type == DType.F32 ? (float*)dPerSample.Data : (float*)scratch.Get(Scratch.Slot.Small, (nint)dPerSample.Count * sizeof(float));
        ColumnSums(dY, dY[0], pixels, outputs, samples, dBias);
        if (!dPerSample.IsNone && dPerSample.Type != DType.F32) Packing<TV, S>.Narrow(samples, (void*)dPerSample.Data, dPerSample.Type, 0, (nint)dPerSample.Count);
    }

    /// <summary>x weight^T, the weight's rows of <paramref name="taps"/> segments: M, window and epilogue are the caller's.</summary>
    RowsProduct Forward(Tensor x, Tensor weight, int taps)
    {
        nint inputs = x.Channels;
        var p = new RowsProduct
        {
            N = weight[0], Segments = taps, Length = inputs, B = (void*)weight.Data, BType = weight.Type, BTransposed = true, BStride = taps * inputs, BSegment = inputs,
        };
        if (InPairs(x, inputs))
        {
            (p.Pairs, p.BType, p.Length, p.BStride, p.BSegment) = (true, DType.F32, inputs / 2, taps * inputs / 2, inputs / 2);
            p.A = (float*)x.Data;
        }
        else p.A = Wide(x, Scratch.Slot.WideX);
        return p;
    }

    /// <summary>dY weight, dY given by <see cref="Slope"/>, the weight's rows of <paramref name="taps"/> segments.</summary>
    RowsProduct Backward(Tensor weight, Tensor dY, int taps, float* slope)
    {
        nint inputs = weight[weight.Rank - 1], outputs = weight[0];
        var p = new RowsProduct
        {
            N = inputs, Segments = taps, Length = outputs, B = (void*)weight.Data, BType = weight.Type, BStride = taps * inputs, BSegment = inputs,
        };
        if (slope == null) (p.Pairs, p.Length) = (true, outputs / 2);
        p.A = slope == null ? (float*)dY.Data : slope;
        return p;
    }

    /// <summary>dWeight += dY^T x, dY given by <see cref="Slope"/>, x at <paramref name="taps"/> taps.</summary>
    OuterProduct WeightGradient(Tensor x, Tensor dY, GradientTarget dWeight, int taps, float* slope)
    {
        nint inputs = x.Channels;
        var p = new OuterProduct
        {
            C = (float*)dWeight.Tensor.Data, Accumulate = dWeight.Accumulate, M = dY.Channels, N = inputs, K = (nint)dY.Rows, Segments = taps, Pairs = slope == null, Zeros = scratch.Zeros(inputs),
        };
        p.A = p.Pairs ? (void*)dY.Data : slope;
        p.B = p.Pairs ? (void*)x.Data : Wide(x, Scratch.Slot.WideX);
        return p;
    }

    /// <summary>Whether the native kernels take a product whose k runs along rows of <paramref name="length"/> values of <paramref name="a"/>.</summary>
    bool InPairs(Tensor a, nint length) => NativeBf16 && a.Type == DType.BF16 && length % 2 == 0;

    /// <summary>dY as fp32; null where the native kernels take it as it is.</summary>
    float* Slope(Tensor dY) => InPairs(dY, dY.Channels) ? null : Wide(dY, Scratch.Slot.WideDY);

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
