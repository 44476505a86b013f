using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>What all layers of a model share: the device, and whether a Backward will follow.</summary>
/// <param name="Ops">The device.</param>
/// <param name="Training">Whether layers keep what Backward needs.</param>
public sealed record LayerContext(IOps Ops, bool Training)
{
    /// <summary>Whether layers keep what Backward needs.</summary>
    public bool Training { get; set; } = Training;
}

/// <summary>
/// A layer: Forward, and Backward for the latest Forward. Forward does not take over its argument and returns a tensor that
/// the caller owns. What Backward needs is retained in Forward and released in Backward. Backward adds to the gradients of
/// parameters and returns the gradient of the input, which the caller owns.
/// </summary>
public abstract class Layer(LayerContext context)
{
    /// <summary>The device.</summary>
    protected IOps Ops { get; } = context.Ops;

    /// <summary>The device's memory.</summary>
    protected Arena Arena => Ops.Arena;

    /// <summary>Shared by all layers of the model.</summary>
    protected LayerContext Context => context;

    /// <summary>
    /// Whether a Backward will follow; of the whole model. Switch it off around forwards without one: validation and samples
    /// in a training run.
    /// </summary>
    public bool Training
    {
        get => context.Training;
        set => context.Training = value;
    }

    /// <summary>Keeps a tensor for Backward; outside training keeps nothing.</summary>
    protected Tensor Keep(Tensor tensor) => Training ? Arena.Retain(tensor) : default;

    /// <summary>Hands a tensor that this layer owns on to Backward; outside training releases it.</summary>
    protected Tensor HandOn(Tensor tensor)
    {
        if (Training) return tensor;
        Arena.Release(tensor);
        return default;
    }

    /// <summary>a += b, releasing b.</summary>
    protected void AddInto(Tensor a, Tensor b)
    {
        Ops.Add(a, b, a);
        Arena.Release(b);
    }
}

/// <summary>y = x W^T + b, plus a residual where one is given. x [..., inputs].</summary>
public sealed class Linear : Layer
{
    readonly Parameter weight;
    readonly Parameter? bias;
    Tensor x;

    /// <summary>Declares <c>weight</c> and, with a bias, <c>bias</c>.</summary>
    /// <param name="context">Shared by the model.</param>
    /// <param name="scope">Where the parameters are named.</param>
    /// <param name="inputs">Width in.</param>
    /// <param name="outputs">Width out.</param>
    /// <param name="hasBias">Whether there is a bias.</param>
    /// <param name="pointwise">Whether files hold it as a 1x1 convolution.</param>
    public Linear(LayerContext context, ParameterScope scope, int inputs, int outputs, bool hasBias = true, bool pointwise = false) : base(context)
    {
        weight = scope.Matrix(outputs, inputs, pointwise);
        bias = hasBias ? scope.Bias(outputs, inputs) : null;
    }

    /// <summary>[..., outputs]; the residual, of the result's shape, is optional.</summary>
    public Tensor Forward(Tensor input, Tensor residual = default)
    {
        int outputs = weight.Shape[0];
        var y = input.Rank switch
        {
            2 => Arena.Rent(input.Type, input[0], outputs),
            3 => Arena.Rent(input.Type, input[0], input[1], outputs),
            _ => Arena.Rent(input.Type, input[0], input[1], input[2], outputs),
        };
        Ops.LinearForward(input, weight.Value, bias?.Value ?? default, residual, y);
        x = Keep(input);
        return y;
    }

    /// <summary>The gradient of the input; none where it is not needed. The residual's is dY itself.</summary>
    public Tensor Backward(Tensor dY, bool needInput = true)
    {
        var dX = needInput ? Arena.RentLike(x) : default;
        Ops.LinearBackward(x, weight.Value, dY, dX, weight.Gradient, bias?.Gradient ?? default);
        Arena.Drop(ref x);
        return dX;
    }
}

/// <summary>A convolution over NHWC, plus a vector for each sample and a residual where they are given.</summary>
public sealed class Conv2d : Layer
{
    readonly Parameter weight, bias;
    readonly ConvGeometry geometry;
    Tensor x;

    /// <summary>Declares <c>weight</c> and <c>bias</c>.</summary>
    public Conv2d(LayerContext context, ParameterScope scope, int inputs, int outputs, ConvGeometry geometry) : base(context)
    {
        this.geometry = geometry;
        weight = scope.Kernel(outputs, inputs, geometry.Kernel);
        bias = scope.Bias(outputs, inputs * geometry.Kernel * geometry.Kernel);
    }

    /// <summary>[B, Ho, Wo, outputs]; perSample [B, outputs] and residual, of the result's shape, are optional.</summary>
    public Tensor Forward(Tensor input, Tensor perSample = default, Tensor residual = default)
    {
        var y = Arena.Rent(input.Type, input[0], geometry.OutHeight(input[1]), geometry.OutWidth(input[2]), weight.Shape[0]);
        Ops.ConvForward(input, weight.Value, bias.Value, perSample, residual, geometry, y);
        x = Keep(input);
        return y;
    }

    /// <summary>The gradient of the input, none where it is not needed; perSample's is written to <paramref name="dPerSample"/>.</summary>
    public Tensor Backward(Tensor dY, bool needInput = true, Tensor dPerSample = default)
    {
        var dX = needInput ? Arena.RentLike(x) : default;
        Ops.ConvBackward(x, weight.Value, dY, geometry, dX, weight.Gradient, bias.Gradient, dPerSample);
        Arena.Drop(ref x);
        return dX;
    }
}

/// <summary>GroupNorm, with SiLU behind it where asked for.</summary>
public sealed class GroupNorm : Layer
{
    readonly Parameter gamma, beta;
    readonly int groups;
    readonly float eps;
    readonly bool silu;
    Tensor x, mean, rstd;

    /// <summary>Declares <c>weight</c> and <c>bias</c>.</summary>
    public GroupNorm(LayerContext context, ParameterScope scope, int channels, int groups, float eps, bool silu) : base(context)
    {
        (this.groups, this.eps, this.silu) = (groups, eps, silu);
        gamma = scope.Vector("weight", channels, Initial.Ones);
        beta = scope.Vector("bias", channels, Initial.Zeros);
    }

    /// <summary>[B, ..., C].</summary>
    public Tensor Forward(Tensor input)
    {
        var y = Arena.RentLike(input);
        var (m, r) = (Arena.Rent(DType.F32, input[0], groups), Arena.Rent(DType.F32, input[0], groups));
        Ops.GroupNormForward(input, gamma.Value, beta.Value, groups, eps, silu, y, m, r);
        (x, mean, rstd) = (Keep(input), HandOn(m), HandOn(r));
        return y;
    }

    /// <summary>The gradient of the input.</summary>
    public Tensor Backward(Tensor dY)
    {
        var dX = Arena.RentLike(x);
        Ops.GroupNormBackward(x, gamma.Value, beta.Value, mean, rstd, dY, groups, silu, dX, gamma.Gradient, beta.Gradient);
        Arena.Drop(ref x);
        Arena.Drop(ref mean);
        Arena.Drop(ref rstd);
        return dX;
    }
}

/// <summary>LayerNorm over the last dimension.</summary>
public sealed class LayerNorm : Layer
{
    readonly Parameter gamma, beta;
    readonly float eps;
    Tensor x, mean, rstd;

    /// <summary>Declares <c>weight</c> and <c>bias</c>.</summary>
    public LayerNorm(LayerContext context, ParameterScope scope, int channels, float eps = 1e-5f) : base(context)
    {
        this.eps = eps;
        gamma = scope.Vector("weight", channels, Initial.Ones);
        beta = scope.Vector("bias", channels, Initial.Zeros);
    }

    /// <summary>[..., C].</summary>
    public Tensor Forward(Tensor input)
    {
        int rows = checked((int)input.Rows);
        var y = Arena.RentLike(input);
        var (m, r) = (Arena.Rent(DType.F32, rows), Arena.Rent(DType.F32, rows));
        Ops.LayerNormForward(input, gamma.Value, beta.Value, eps, y, m, r);
        (x, mean, rstd) = (Keep(input), HandOn(m), HandOn(r));
        return y;
    }

    /// <summary>The gradient of the input.</summary>
    public Tensor Backward(Tensor dY)
    {
        var dX = Arena.RentLike(x);
        Ops.LayerNormBackward(x, gamma.Value, mean, rstd, dY, dX, gamma.Gradient, beta.Gradient);
        Arena.Drop(ref x);
        Arena.Drop(ref mean);
        Arena.Drop(ref rstd);
        return dX;
    }
}
