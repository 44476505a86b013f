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

/// <summary>Multi-head attention of tokens to themselves or to a context, with a residual.</summary>
public sealed class Attention : Layer
{
    readonly Linear toQ, toK, toV, toOut;
    readonly int heads;
    readonly bool causal;
    Tensor q, k, v, y, logSumExp;
    bool self;

    /// <summary>Declares the projections.</summary>
    /// <param name="context">Shared by the model.</param>
    /// <param name="scope">Where the parameters are named.</param>
    /// <param name="width">Width of the tokens.</param>
    /// <param name="contextWidth">Width of what they attend to.</param>
    /// <param name="heads">Heads, each of width / heads.</param>
    /// <param name="bias">Whether query, key and value have biases; the output has one.</param>
    /// <param name="names">Names of the projections.</param>
    /// <param name="causal">Whether a token sees only those before it.</param>
    public Attention(LayerContext context, ParameterScope scope, int width, int contextWidth, int heads, bool bias, AttentionNames names, bool causal = false) : base(context)
    {
        (this.heads, this.causal) = (heads, causal);
        toQ = new(context, scope[names.Query], width, width, bias);
        toK = new(context, scope[names.Key], contextWidth, width, bias);
        toV = new(context, scope[names.Value], contextWidth, width, bias);
        toOut = new(context, scope[names.Output], width, width);
    }

    /// <summary>[B, N, width] from x [B, N, width], text [B, M, contextWidth] (left out: x itself) and the residual.</summary>
    public Tensor Forward(Tensor x, Tensor text, Tensor residual)
    {
        self = text.IsNone;
        var keys = self ? x : text;
        var (qs, ks, vs) = (toQ.Forward(x), toK.Forward(keys), toV.Forward(keys));
        var attended = Arena.RentLike(qs);
        var lse = Arena.Rent(DType.F32, x[0], heads, x[1]);
        Ops.AttentionForward(qs, ks, vs, heads, causal, attended, lse);
        var result = toOut.Forward(attended, residual);
        HandOn(ref q, qs);
        HandOn(ref k, ks);
        HandOn(ref v, vs);
        HandOn(ref y, attended);
        HandOn(ref logSumExp, lse);
        return result;
    }

    /// <summary>The gradient of x, and of the text where it is given and <paramref name="needText"/>.</summary>
    public (Tensor X, Tensor Text) Backward(Tensor dResult, bool needText = false)
    {
        var dAttended = toOut.Backward(dResult);
        var (dQ, dK, dV) = (Arena.RentLike(q), Arena.RentLike(k), Arena.RentLike(v));
        Ops.AttentionBackward(q, k, v, y, logSumExp, dAttended, heads, causal, dQ, dK, dV);
        Arena.Release(dAttended);
        Arena.Drop(ref q);
        Arena.Drop(ref k);
        Arena.Drop(ref v);
        Arena.Drop(ref y);
        Arena.Drop(ref logSumExp);
        var dX = toQ.Backward(dQ);
        Tensor dText = default;
        if (self) toK.BackwardAdding(dX, dK);
        else dText = toK.Backward(dK, needText);
        if (self || needText) toV.BackwardAdding(self ? dX : dText, dV);
        else toV.Backward(dV, needInput: false);
        Arena.Release(dQ);
        Arena.Release(dK);
        Arena.Release(dV);
        return (dX, dText);
    }
}
