using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Operations with weights, and attention.</summary>
static partial class OpChecks
{
    public static void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y)
    {
        Floating(x);
        Floating(weight, 2);
        Is(weight, x.Type, weight[0], x.Channels);
        IsOptional(bias, x.Type, weight[0]);
        if (!residual.IsNone) Matrix(residual, x.Type, x.Rows, weight[0]);
        Matrix(y, x.Type, x.Rows, weight[0]);
    }

    public static void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor residual, Tensor dX, GradientTarget dWeight, GradientTarget dBias)
    {
        Floating(x);
        Floating(weight, 2);
        Is(weight, x.Type, weight[0], x.Channels);
        Matrix(dY, x.Type, x.Rows, weight[0]);
        AlikeOptional(residual, x);
        AlikeOptional(dX, x);
        IsOptional(dWeight.Tensor, DType.F32, weight[0], weight[1]);
        IsOptional(dBias.Tensor, DType.F32, weight[0]);
    }

    public static void LinearBackwardWeights(IReadOnlyList<LinearGradient> gradients)
    {
        for (int i = 0; i < gradients.Count; i++)
        {
            var (x, dY, dWeight) = gradients[i];
            Floating(x);
            Matrix(x, gradients[0].X.Type, x.Rows, x.Channels);
            Floating(dY);
            Matrix(dY, x.Type, x.Rows, dY.Channels);
            Is(dWeight.Tensor, DType.F32, dY.Channels, x.Channels);
        }
    }

    public static void LinearGegluForward(Tensor x, Tensor weight, Tensor bias, Tensor u, Tensor y)
    {
        Floating(x);
        Floating(weight, 2);
        Require(weight[0] % 2 == 0, weight, "of an even number of rows, values before gates");
        Is(weight, x.Type, weight[0], x.Channels);
        IsOptional(bias, x.Type, weight[0]);
        if (!u.IsNone) Matrix(u, x.Type, x.Rows, weight[0]);
        Matrix(y, x.Type, x.Rows, weight[0] / 2);
    }

    public static void LinearGegluBackward(Tensor u, Tensor weight, Tensor dY, Tensor dU)
    {
        Floating(u);
        Require(u.Channels % 2 == 0, u, "of an even last dimension, values before gates");
        Floating(weight, 2);
        Is(weight, u.Type, weight[0], u.Channels / 2);
        Matrix(dY, u.Type, u.Rows, weight[0]);
        Alike(dU, u);
    }

    public static void ConvForward(Tensor x, Tensor weight, Tensor bias, Tensor perSample, Tensor residual, ConvGeometry geometry, Tensor y)
    {
        Floating(x, 4);
        Floating(weight, 4);
        Is(weight, x.Type, weight[0], geometry.Kernel, geometry.Kernel, x[3]);
        Window(x, geometry, "ConvForward");
        IsOptional(bias, x.Type, weight[0]);
        IsOptional(perSample, x.Type, x[0], weight[0]);
        Is(y, x.Type, x[0], geometry.OutHeight(x[1]), geometry.OutWidth(x[2]), weight[0]);
        AlikeOptional(residual, y);
    }

    public static void ConvBackward(Tensor x, Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX, GradientTarget dWeight, GradientTarget dBias, Tensor dPerSample)
    {
        Floating(x, 4);
        Floating(weight, 4);
        Is(weight, x.Type, weight[0], geometry.Kernel, geometry.Kernel, x[3]);
        Window(x, geometry, "ConvBackward");
        Is(dY, x.Type, x[0], geometry.OutHeight(x[1]), geometry.OutWidth(x[2]), weight[0]);
        IsOptional(dX, x.Type, x[0], x[1], x[2], x[3]);
        IsOptional(dWeight.Tensor, DType.F32, weight[0], weight[1], weight[2], weight[3]);
        IsOptional(dBias.Tensor, DType.F32, weight[0]);
        IsOptional(dPerSample, x.Type, x[0], weight[0]);
    }

    /// <summary>The padded image holds a window at least.</summary>
    static void Window(Tensor x, ConvGeometry geometry, string op)
    {
        bool fits = geometry.Kernel >= 1 && geometry.Stride >= 1
            && geometry.PadTop >= 0 && geometry.PadLeft >= 0 && geometry.PadBottom >= 0 && geometry.PadRight >= 0
            && x[1] + geometry.PadTop + geometry.PadBottom >= geometry.Kernel && x[2] + geometry.PadLeft + geometry.PadRight >= geometry.Kernel;
        if (!fits) Fail(op, "x", x, $"as large as the kernel with its padding: {geometry}");
    }

    public static void GroupNormForward(Tensor x, Tensor gamma, Tensor beta, int groups, Tensor y, Tensor mean, Tensor rstd)
    {
        Floating(x);
        Groups(x, groups, "GroupNormForward");
        Is(gamma, x.Type, x.Channels);
        Is(beta, x.Type, x.Channels);
        Alike(y, x);
        Holds(mean, DType.F32, (long)x[0] * groups);
        Holds(rstd, DType.F32, (long)x[0] * groups);
    }

    public static void GroupNormBackward(Tensor x, Tensor gamma, Tensor beta, Tensor mean, Tensor rstd, Tensor dY, int groups, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta)
    {
        Floating(x);
        Groups(x, groups, "GroupNormBackward");
        Is(gamma, x.Type, x.Channels);
        Is(beta, x.Type, x.Channels);
        Holds(mean, DType.F32, (long)x[0] * groups);
        Holds(rstd, DType.F32, (long)x[0] * groups);
        Alike(dY, x);
        AlikeOptional(residual, x);
        AlikeOptional(dX, x);
        IsOptional(dGamma.Tensor, DType.F32, x.Channels);
        IsOptional(dBeta.Tensor, DType.F32, x.Channels);
    }

    static void Groups(Tensor x, int groups, string op)
    {
        if (x.Rank < 2 || groups < 1 || x.Channels % groups != 0) Fail(op, "x", x, $"[samples, ..., channels] with channels a multiple of {groups} groups");
    }

    public static void LayerNormForward(Tensor x, Tensor gamma, Tensor beta, Tensor y, Tensor mean, Tensor rstd)
    {
        Floating(x);
        Is(gamma, x.Type, x.Channels);
        Is(beta, x.Type, x.Channels);
        Alike(y, x);
        Holds(mean, DType.F32, x.Rows);
        Holds(rstd, DType.F32, x.Rows);
    }

    public static void LayerNormBackward(Tensor x, Tensor gamma, Tensor mean, Tensor rstd, Tensor dY, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta)
    {
        Floating(x);
        Is(gamma, x.Type, x.Channels);
        Holds(mean, DType.F32, x.Rows);
        Holds(rstd, DType.F32, x.Rows);
        Alike(dY, x);
        AlikeOptional(residual, x);
        AlikeOptional(dX, x);
        IsOptional(dGamma.Tensor, DType.F32, x.Channels);
        IsOptional(dBeta.Tensor, DType.F32, x.Channels);
    }

    public static void AttentionForward(Columns q, Columns k, Columns v, int heads, bool causal, Tensor y, Tensor logSumExp)
    {
        AttentionInputs(q, k, v, heads, causal, "AttentionForward");
        Is(y, q.Type, q[0], q[1], q[2]);
        Is(logSumExp, DType.F32, q[0], heads, q[1]);
    }

    public static void AttentionBackward(Columns q, Columns k, Columns v, Tensor y, Tensor logSumExp, Tensor dY, int heads, bool causal, Columns dQ, Columns dK, Columns dV)
    {
        AttentionInputs(q, k, v, heads, causal, "AttentionBackward");
        Is(y, q.Type, q[0], q[1], q[2]);
        Is(logSumExp, DType.F32, q[0], heads, q[1]);
        Is(dY, q.Type, q[0], q[1], q[2]);
        if (!dQ.IsNone) AreTokens(dQ, q.Type, q[0], q[1], q[2]);
        if (!dK.IsNone) AreTokens(dK, k.Type, k[0], k[1], k[2]);
        if (!dV.IsNone) AreTokens(dV, k.Type, k[0], k[1], k[2]);
        if (!dK.IsNone && !dV.IsNone && dV.Pitch != dK.Pitch) Fail("AttentionBackward", nameof(dV), dV, $"of a tensor as wide as dK's, {dK.Pitch}");
    }

    static void AttentionInputs(Columns q, Columns k, Columns v, int heads, bool causal, string op)
    {
        Floating(q.Tensor, 3, nameof(q), op);
        if (heads < 1 || q.Width % heads != 0) Fail(op, nameof(q), q, $"of channels that are a multiple of {heads} heads");
        AreTokens(q, q.Type, q[0], q[1], q.Width, nameof(q), op);
        if (q[1] == 0) Fail(op, nameof(q), q, "of one token at least");
        Floating(k.Tensor, 3, nameof(k), op);
        AreTokens(k, q.Type, q[0], causal ? q[1] : k[1], q.Width, nameof(k), op);
        if (k[1] == 0) Fail(op, nameof(k), k, "of one token at least");
        AreTokens(v, q.Type, k[0], k[1], q.Width, nameof(v), op);
        if (v.Pitch != k.Pitch) Fail(op, nameof(v), v, $"of a tensor as wide as k's, {k.Pitch}");
    }

    /// <summary>So many columns, all within a tensor of this type, batch and number of tokens.</summary>
    static void AreTokens(Columns c, DType type, int batch, int tokens, int width, [CallerArgumentExpression(nameof(c))] string name = "", [CallerMemberName] string op = "")
    {
        bool fits = !c.IsNone && c.Tensor.Rank == 3 && c.Type == type && c[0] == batch && c[1] == tokens && c.Width == width;
        if (!fits) Fail(op, name, c, new Tensor(0, type, batch, tokens, width).ToString());
        if (c.First < 0 || c.First > c.Pitch - c.Width) Fail(op, name, c, "within the tensor");
    }
}
