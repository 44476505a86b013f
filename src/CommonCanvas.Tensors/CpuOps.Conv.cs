namespace CommonCanvas.Tensors;

/// <summary>Convolutions: 1x1 and 3x3, stride 1 and 2, any zero padding.</summary>
public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    public virtual void ConvForward(Tensor x, Tensor weight, Tensor bias, Tensor perSample, Tensor residual, ConvGeometry geometry, Tensor y)
    {
        // y[b, ho, wo, o] = sum_kh,kw,i x[b, ho S + kh - top, wo S + kw - left, i] weight[o, kh, kw, i]
        //                 + bias[o] + perSample[b, o] + residual[b, ho, wo, o]          (x is 0 outside the image)
        OpChecks.ConvForward(x, weight, bias, perSample, residual, geometry, y);
        int height = x[1], width = x[2], outputs = weight[0], kernel = geometry.Kernel;
        using Values xs = Read(x), ws = Read(weight), bs = Read(bias), ps = Read(perSample), rs = Read(residual), ys = Write(y);
        long pixel = 0;
        for (int b = 0; b < y[0]; b++)
            for (int ho = 0; ho < y[1]; ho++)
                for (int wo = 0; wo < y[2]; wo++, pixel++)
                    for (int o = 0; o < outputs; o++)
                    {
                        double sum = 0;
                        for (int kh = 0; kh < kernel; kh++)
                        {
                            int h = ho * geometry.Stride + kh - geometry.PadTop;
                            if (h < 0 || h >= height) continue;
                            for (int kw = 0; kw < kernel; kw++)
                            {
                                int w = wo * geometry.Stride + kw - geometry.PadLeft;
                                if (w < 0 || w >= width) continue;
                                sum += Dot(xs.Row(((long)b * height + h) * width + w), ws.Row((o * kernel + kh) * kernel + kw));
                            }
                        }
                        if (!bias.IsNone) sum += bs[o];
                        if (!perSample.IsNone) sum += ps[b * outputs + o];
                        if (!residual.IsNone) sum += rs[pixel * outputs + o];
                        ys[pixel * outputs + o] = (float)sum;
                    }
    }

    /// <inheritdoc/>
    public virtual void ConvBackward(Tensor x, Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX, GradientTarget dWeight, GradientTarget dBias, Tensor dPerSample)
    {
        OpChecks.ConvBackward(x, weight, dY, geometry, dX, dWeight, dBias, dPerSample);
        using Values xs = Read(x), ws = Read(weight), dYs = Read(dY);
        if (!dX.IsNone) ConvBackwardInput(ws, dYs, weight, dY, geometry, dX);
        if (!dWeight.IsNone) ConvBackwardWeight(xs, dYs, x, dY, geometry, dWeight);

        // dBias[o] += sum_b,ho,wo dY[b, ho, wo, o]
        if (!dBias.IsNone) ReceiveColumnSums(dYs, dY.Rows, dY.Channels, dBias);

        // dPerSample[b, o] = sum_ho,wo dY[b, ho, wo, o]
        if (!dPerSample.IsNone)
        {
            using var sums = RentSums(dY.Channels);
            using var dPs = Write(dPerSample);
            long pixels = (long)dY[1] * dY[2];
            for (int b = 0; b < dY[0]; b++)
            {
                sums.Clear();
                for (long p = 0; p < pixels; p++) AddScaled(sums.Row, 1, dYs.Row(b * pixels + p));
                Assign(dPs.Row(b), sums.Row);
            }
        }
    }

    /// <summary>
    /// dX[b, h, w, i] = sum over o and the (ho, kh), (wo, kw) with ho S + kh - top = h, wo S + kw - left = w
    /// of dY[b, ho, wo, o] weight[o, kh, kw, i].
    /// </summary>
    void ConvBackwardInput(Values ws, Values dYs, Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX)
    {
        int kernel = geometry.Kernel, outputs = weight[0];
        using var dXs = Write(dX);
        using var sums = RentSums(dX.Channels);
        long pixel = 0;
        for (int b = 0; b < dX[0]; b++)
            for (int h = 0; h < dX[1]; h++)
                for (int w = 0; w < dX[2]; w++, pixel++)
                {
                    sums.Clear();
                    for (int kh = 0; kh < kernel; kh++)
                    {
                        if (!OutputIndex(h + geometry.PadTop - kh, geometry.Stride, dY[1], out int ho)) continue;
                        for (int kw = 0; kw < kernel; kw++)
                        {
                            if (!OutputIndex(w + geometry.PadLeft - kw, geometry.Stride, dY[2], out int wo)) continue;
                            var dYRow = dYs.Row(((long)b * dY[1] + ho) * dY[2] + wo);
                            for (int o = 0; o < outputs; o++) AddScaled(sums.Row, dYRow[o], ws.Row((o * kernel + kh) * kernel + kw));
                        }
                    }
                    Assign(dXs.Row(pixel), sums.Row);
                }
    }

    /// <summary>dWeight[o, kh, kw, i] += sum_b,ho,wo dY[b, ho, wo, o] x[b, ho S + kh - top, wo S + kw - left, i].</summary>
    void ConvBackwardWeight(Values xs, Values dYs, Tensor x, Tensor dY, ConvGeometry geometry, GradientTarget dWeight)
    {
        int height = x[1], width = x[2], outputs = dY.Channels, kernel = geometry.Kernel;
        using var dWs = Read(dWeight.Tensor);
        using var sums = RentSums(x.Channels);
        for (int o = 0; o < outputs; o++)
            for (int kh = 0; kh < kernel; kh++)
                for (int kw = 0; kw < kernel; kw++)
                {
                    sums.Clear();
                    for (int b = 0; b < dY[0]; b++)
                        for (int ho = 0; ho < dY[1]; ho++)
                        {
                            int h = ho * geometry.Stride + kh - geometry.PadTop;
                            if (h < 0 || h >= height) continue;
                            for (int wo = 0; wo < dY[2]; wo++)
                            {
                                int w = wo * geometry.Stride + kw - geometry.PadLeft;
                                if (w < 0 || w >= width) continue;
                                double factor = dYs[(((long)b * dY[1] + ho) * dY[2] + wo) * outputs + o];
                                AddScaled(sums.Row, factor, xs.Row(((long)b * height + h) * width + w));
                            }
                        }
                    Receive(dWs.Row((o * kernel + kh) * kernel + kw), sums.Row, dWeight.Accumulate);
                }
    }

    /// <summary>The output whose window starts at <paramref name="start"/>, where there is one.</summary>
    static bool OutputIndex(int start, int stride, int count, out int index)
    {
        index = start / stride;
        return start >= 0 && start % stride == 0 && index < count;
    }
}
