using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>How a model names the four projections of an attention layer.</summary>
/// <param name="Query">Query.</param>
/// <param name="Key">Key.</param>
/// <param name="Value">Value.</param>
/// <param name="Output">Output.</param>
public sealed record AttentionNames(string Query, string Key, string Value, string Output)
{
    /// <summary>diffusers.</summary>
    public static AttentionNames Diffusers { get; } = new("to_q", "to_k", "to_v", "to_out.0");

    /// <summary>transformers' CLIP.</summary>
    public static AttentionNames Clip { get; } = new("q_proj", "k_proj", "v_proj", "out_proj");
}

/// <summary>
/// Multi-head attention of tokens to themselves or to a context, with a residual. Projections of the same input whose weights
/// lie next to each other are one product: query, key and value of a self-attention without biases, key and value of a
/// cross-attention.
/// </summary>
public sealed class Attention : Layer
{
    readonly Linear[] ofTokens, ofContext; // together they give query, key and value, in this order
    readonly Linear toOut;
    readonly int width, heads;
    readonly bool causal;
    readonly Tensor[] projected, working;
    Tensor y, logSumExp;

    /// <summary>Declares the projections.</summary>
    /// <param name="context">Shared by the model.</param>
    /// <param name="scope">Where the parameters are named.</param>
    /// <param name="width">Width of the tokens.</param>
    /// <param name="contextWidth">Width of what they attend to; null where that is themselves.</param>
    /// <param name="heads">Heads, each of width / heads.</param>
    /// <param name="bias">Whether query, key and value have biases; the output has one.</param>
    /// <param name="names">Names of the projections.</param>
    /// <param name="causal">Whether a token sees only those before it.</param>
    public Attention(LayerContext context, ParameterScope scope, int width, int? contextWidth, int heads, bool bias, AttentionNames names, bool causal = false) : base(context)
    {
        (this.width, this.heads, this.causal) = (width, heads, causal);
        ofTokens = contextWidth is null ? Projections(width, names.Query, names.Key, names.Value) : Projections(width, names.Query);
        ofContext = contextWidth is { } inputs ? Projections(inputs, names.Key, names.Value) : [];
        toOut = new(context, scope[names.Output], width, width);
        projected = new Tensor[ofTokens.Length + ofContext.Length];
        working = new Tensor[projected.Length];

        Linear[] Projections(int inputs, params string[] of)
        {
            Linear[] each = [.. of.Select(name => new Linear(context, scope[name], inputs, width, bias))];
            return each.Length > 1 && Linear.Joined(context, scope[string.Join('+', of)], each) is { } all ? [all] : each;
        }
    }

    /// <summary>[B, N, width] from x [B, N, width], the context [B, M, contextWidth] where there is one, and the residual.</summary>
    public Tensor Forward(Tensor x, Tensor text, Tensor residual)
    {
        for (int i = 0; i < working.Length; i++) working[i] = i < ofTokens.Length ? ofTokens[i].Forward(x) : ofContext[i - ofTokens.Length].Forward(text);
        var (q, k, v) = Parts(working);
        var attended = Arena.RentLike(x);
        var lse = Arena.Rent(DType.F32, x[0], heads, x[1]);
        Ops.AttentionForward(q, k, v, heads, causal, attended, lse);
        var result = toOut.Forward(attended, residual);
        for (int i = 0; i < working.Length; i++) HandOn(ref projected[i], working[i]);
        HandOn(ref y, attended);
        HandOn(ref logSumExp, lse);
        return result;
    }

    /// <summary>The gradient of x, and of the context where there is one and <paramref name="needText"/>.</summary>
    public (Tensor X, Tensor Text) Backward(Tensor dResult, bool needText = false)
    {
        var dAttended = toOut.Backward(dResult);
        for (int i = 0; i < working.Length; i++) working[i] = Arena.RentLike(projected[i]);
        var (q, k, v) = Parts(projected);
        var (dQ, dK, dV) = Parts(working);
        Ops.AttentionBackward(q, k, v, y, logSumExp, dAttended, heads, causal, dQ, dK, dV);
        Arena.Release(dAttended);
        for (int i = 0; i < projected.Length; i++) Arena.Drop(ref projected[i]);
        Arena.Drop(ref y);
        Arena.Drop(ref logSumExp);
        Tensor dX = default, dText = default;
        for (int i = 0; i < working.Length; i++)
            if (i < ofTokens.Length) AddGradient(ofTokens[i], working[i], ref dX, needed: true);
            else AddGradient(ofContext[i - ofTokens.Length], working[i], ref dText, needText);
        return (dX, dText);
    }

    void AddGradient(Linear projection, Tensor dY, ref Tensor dInput, bool needed)
    {
        if (dInput.IsNone) dInput = projection.Backward(dY, needed);
        else projection.BackwardAdding(dInput, dY);
        Arena.Release(dY);
    }

    /// <summary>Where query, key and value stand in what the projections give.</summary>
    (Columns Query, Columns Key, Columns Value) Parts(Tensor[] of)
    {
        return (Part(0), Part(1), Part(2));

        Columns Part(int index)
        {
            int i = 0;
            for (; index >= of[i].Channels / width; i++) index -= of[i].Channels / width;
            return new(of[i], index * width, width);
        }
    }
}
