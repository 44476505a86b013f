using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

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
        Keep(ref x, input);
        HandOn(ref mean, m);
        HandOn(ref rstd, r);
        return y;
    }

    /// <summary>The gradient of the input, plus the residual where one is given: that of what else the input went into.</summary>
    public Tensor Backward(Tensor dY, Tensor residual = default)
    {
        var dX = Arena.RentLike(x);
        Ops.GroupNormBackward(x, gamma.Value, beta.Value, mean, rstd, dY, groups, silu, residual, dX, gamma.NextGradient(), beta.NextGradient());
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
        Keep(ref x, input);
        HandOn(ref mean, m);
        HandOn(ref rstd, r);
        return y;
    }

    /// <summary>The gradient of the input, plus the residual where one is given: that of what else the input went into.</summary>
    public Tensor Backward(Tensor dY, Tensor residual = default)
    {
        var dX = Arena.RentLike(x);
        Ops.LayerNormBackward(x, gamma.Value, mean, rstd, dY, residual, dX, gamma.NextGradient(), beta.NextGradient());
        Arena.Drop(ref x);
        Arena.Drop(ref mean);
        Arena.Drop(ref rstd);
        return dX;
    }
}
