namespace CommonCanvas.Tensors;

/// <summary>Functions of single elements.</summary>
public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    public virtual void ActivationForward(Tensor x, Activation f, Tensor y)
    {
        // y = f(x)
        OpChecks.ActivationForward(x, y);
        using Values xs = Read(x), ys = Write(y);
        for (long i = 0; i < x.Count; i++) ys[i] = (float)Activate(xs[i], f);
    }

    /// <inheritdoc/>
    public virtual void ActivationBackward(Tensor x, Activation f, Tensor dY, Tensor dX)
    {
        // dX = dY f'(x)
        OpChecks.ActivationBackward(x, dY, dX);
        using Values xs = Read(x), dYs = Read(dY), dXs = Write(dX);
        for (long i = 0; i < x.Count; i++) dXs[i] = (float)(dYs[i] * Slope(xs[i], f));
    }

    /// <inheritdoc/>
    public virtual void GegluForward(Tensor x, Tensor y)
    {
        // y[m, f] = x[m, f] gelu(x[m, F + f])
        OpChecks.GegluForward(x, y);
        int width = y.Channels;
        using Values xs = Read(x), ys = Write(y);
        for (long m = 0; m < y.Rows; m++)
        {
            Span<float> value = xs.Row(m)[..width], gate = xs.Row(m)[width..], to = ys.Row(m);
            for (int f = 0; f < width; f++) to[f] = (float)(value[f] * Activate(gate[f], Activation.Gelu));
        }
    }

    /// <inheritdoc/>
    public virtual void GegluBackward(Tensor x, Tensor dY, Tensor dX)
    {
        // dX[m, f] = dY[m, f] gelu(x[m, F + f]),  dX[m, F + f] = dY[m, f] x[m, f] gelu'(x[m, F + f])
        OpChecks.GegluBackward(x, dY, dX);
        int width = dY.Channels;
        using Values xs = Read(x), dYs = Read(dY), dXs = Write(dX);
        for (long m = 0; m < dY.Rows; m++)
        {
            Span<float> value = xs.Row(m)[..width], gate = xs.Row(m)[width..], slope = dYs.Row(m), to = dXs.Row(m);
            for (int f = 0; f < width; f++)
            {
                double forValue = slope[f] * Activate(gate[f], Activation.Gelu);
                double forGate = (double)slope[f] * value[f] * Slope(gate[f], Activation.Gelu);
                (to[f], to[width + f]) = ((float)forValue, (float)forGate);
            }
        }
    }

    /// <inheritdoc/>
    public virtual void Add(Tensor a, Tensor b, Tensor y)
    {
        // y = a + b
        OpChecks.Add(a, b, y);
        using Values aS = Read(a), bS = Read(b), ys = Write(y);
        for (long i = 0; i < y.Count; i++) ys[i] = aS[i] + bS[i];
    }

    /// <inheritdoc/>
    public virtual void Scale(Tensor x, float factor, Tensor y)
    {
        // y = factor x
        OpChecks.Scale(x, y);
        using Values xs = Read(x), ys = Write(y);
        for (long i = 0; i < y.Count; i++) ys[i] = factor * xs[i];
    }

    const double QuickGeluFactor = 1.702;

    /// <summary>f(x).</summary>
    static double Activate(double x, Activation f) => f switch
    {
        Activation.Silu => x * Sigmoid(x),
        Activation.Gelu => x * ErrorFunction.NormalCdf(x),
        _ => x * Sigmoid(QuickGeluFactor * x),
    };

    /// <summary>f'(x).</summary>
    static double Slope(double x, Activation f)
    {
        switch (f)
        {
            case Activation.Silu: return SiluSlope(x);
            case Activation.Gelu: return ErrorFunction.NormalCdf(x) + x * ErrorFunction.NormalDensity(x);
            default:
                double s = Sigmoid(QuickGeluFactor * x);
                return s + QuickGeluFactor * x * s * (1 - s);
        }
    }

    static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>The derivative of x sigmoid(x).</summary>
    static double SiluSlope(double x)
    {
        double s = Sigmoid(x);
        return s + x * s * (1 - s);
    }
}
