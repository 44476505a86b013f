namespace CommonCanvas.Tensors;

/// <summary>Products with a weight matrix.</summary>
public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    public virtual void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y)
    {
        // y[m, o] = sum_i x[m, i] weight[o, i] + bias[o] + residual[m, o]
        OpChecks.LinearForward(x, weight, bias, residual, y);
        int outputs = weight[0];
        using Values xs = Read(x), ws = Read(weight), bs = Read(bias), rs = Read(residual), ys = Write(y);
        for (long m = 0; m < x.Rows; m++)
            for (int o = 0; o < outputs; o++)
            {
                double sum = Dot(xs.Row(m), ws.Row(o));
                if (!bias.IsNone) sum += bs[o];
                if (!residual.IsNone) sum += rs[m * outputs + o];
                ys[m * outputs + o] = (float)sum;
            }
    }

    /// <inheritdoc/>
    public virtual void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor residual, Tensor dX, GradientTarget dWeight, GradientTarget dBias)
    {
        OpChecks.LinearBackward(x, weight, dY, residual, dX, dWeight, dBias);
        int outputs = weight[0], inputs = weight[1];
        long rows = dY.Rows;
        using Values xs = Read(x), ws = Read(weight), dYs = Read(dY);
        using var sums = RentSums(inputs);

        // dX[m, i] = sum_o dY[m, o] weight[o, i] + residual[m, i]
        if (!dX.IsNone)
        {
            using Values added = Read(residual), dXs = Write(dX);
            for (long m = 0; m < rows; m++)
            {
                sums.Clear();
                for (int o = 0; o < outputs; o++) AddScaled(sums.Row, dYs[m * outputs + o], ws.Row(o));
                if (!residual.IsNone) AddScaled(sums.Row, 1, added.Row(m));
                Assign(dXs.Row(m), sums.Row);
            }
        }

        // dWeight[o, i] += sum_m dY[m, o] x[m, i]
        if (!dWeight.IsNone)
        {
            using var dWs = Read(dWeight.Tensor);
            for (int o = 0; o < outputs; o++)
            {
                sums.Clear();
                for (long m = 0; m < rows; m++) AddScaled(sums.Row, dYs[m * outputs + o], xs.Row(m));
                Receive(dWs.Row(o), sums.Row, dWeight.Accumulate);
            }
        }

        // dBias[o] += sum_m dY[m, o]
        if (!dBias.IsNone) ReceiveColumnSums(dYs, rows, outputs, dBias);
    }

    /// <inheritdoc/>
    public void LinearBackwardWeights(IReadOnlyList<LinearGradient> gradients)
    {
        // dWeight[o, i] += sum_m dY[m, o] x[m, i]
        OpChecks.LinearBackwardWeights(gradients);
        for (int i = 0; i < gradients.Count; i++)
        {
            var (x, dY, dWeight) = gradients[i];
            var weight = new Tensor(dWeight.Tensor.Data, x.Type, dY.Channels, x.Channels); // its values go into dX alone
            LinearBackward(x, weight, dY, default, default, dWeight, default);
        }
    }

    /// <inheritdoc/>
    public void LinearGegluForward(Tensor x, Tensor weight, Tensor bias, Tensor u, Tensor y)
    {
        // u[m, o] = sum_i x[m, i] weight[o, i] + bias[o], y[m, f] = u[m, f] gelu(u[m, F + f])
        OpChecks.LinearGegluForward(x, weight, bias, u, y);
        var hidden = u.IsNone ? Arena.Rent(x.Type, checked((int)x.Rows), weight[0]) : u;
        LinearForward(x, weight, bias, default, hidden);
        GegluForward(hidden, y);
        if (u.IsNone) Arena.Release(hidden);
    }

    /// <inheritdoc/>
    public void LinearGegluBackward(Tensor u, Tensor weight, Tensor dY, Tensor dU)
    {
        // dH[m, f] = sum_o dY[m, o] weight[o, f], dU[m, f] = dH[m, f] gelu(u[m, F + f]), dU[m, F + f] = dH[m, f] u[m, f] gelu'(u[m, F + f])
        OpChecks.LinearGegluBackward(u, weight, dY, dU);
        var dHidden = Arena.Rent(u.Type, checked((int)u.Rows), weight[1]);
        LinearBackward(dHidden, weight, dY, residual: default, dHidden, default, default);
        GegluBackward(u, dHidden, dU);
        Arena.Release(dHidden);
    }

    /// <summary>target[c] += sum_r values[r, c].</summary>
    void ReceiveColumnSums(Values values, long rows, int columns, GradientTarget target)
    {
        using var sums = RentSums(columns);
        for (long r = 0; r < rows; r++) AddScaled(sums.Row, 1, values.Row(r));
        Receive(target.Tensor.Span<float>(), sums.Row, target.Accumulate);
    }
}
