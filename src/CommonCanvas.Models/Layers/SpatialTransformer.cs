using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>diffusers' BasicTransformerBlock: self-attention, cross-attention, feed-forward, each behind a LayerNorm and with a residual.</summary>
public sealed class BasicTransformerBlock : Layer
{
    readonly LayerNorm norm1, norm2, norm3;
    readonly Attention self, cross;
    readonly FeedForward feedForward;

    /// <summary>Declares norm1, attn1, norm2, attn2, norm3, ff.</summary>
    public BasicTransformerBlock(LayerContext context, ParameterScope scope, int width, int textWidth, int heads) : base(context)
    {
        norm1 = new(context, scope["norm1"], width);
        self = new(context, scope["attn1"], width, contextWidth: null, heads, bias: false, AttentionNames.Diffusers);
        norm2 = new(context, scope["norm2"], width);
        cross = new(context, scope["attn2"], width, textWidth, heads, bias: false, AttentionNames.Diffusers);
        norm3 = new(context, scope["norm3"], width);
        feedForward = new(context, scope["ff"], width);
    }

    /// <summary>[B, N, width].</summary>
    public Tensor Forward(Tensor x, Tensor text)
    {
        var normed = norm1.Forward(x);
        var afterSelf = self.Forward(normed, default, x);
        Arena.Release(normed);
        normed = norm2.Forward(afterSelf);
        var afterCross = cross.Forward(normed, text, afterSelf);
        Arena.Release(normed);
        Arena.Release(afterSelf);
        normed = norm3.Forward(afterCross);
        var y = feedForward.Forward(normed, afterCross);
        Arena.Release(normed);
        Arena.Release(afterCross);
        return y;
    }

    /// <summary>The gradient of x; that of the text is added to <paramref name="dText"/> where that is given.</summary>
    public Tensor Backward(Tensor dY, Tensor dText)
    {
        var dNormed = feedForward.Backward(dY);
        var dCross = norm3.Backward(dNormed, dY);
        Arena.Release(dNormed);

        (dNormed, var fromText) = cross.Backward(dCross, needText: !dText.IsNone);
        if (!fromText.IsNone) AddInto(dText, fromText);
        var dSelf = norm2.Backward(dNormed, dCross);
        Arena.Release(dNormed);
        Arena.Release(dCross);

        (dNormed, _) = self.Backward(dSelf);
        var dX = norm1.Backward(dNormed, dSelf);
        Arena.Release(dNormed);
        Arena.Release(dSelf);
        return dX;
    }
}

/// <summary>
/// diffusers' Transformer2DModel: norm, projection, basic blocks, projection, plus the input. Over NHWC a linear and a
/// 1x1-convolutional projection are the same product; they differ in files only.
/// </summary>
public sealed class SpatialTransformer : Layer
{
    const float NormEps = 1e-6f;

    readonly GroupNorm norm;
    readonly Linear projectIn, projectOut;
    readonly BasicTransformerBlock[] blocks;

    /// <summary>Declares norm, proj_in, transformer_blocks, proj_out.</summary>
    public SpatialTransformer(LayerContext context, ParameterScope scope, int channels, int textWidth, int heads, int groups, int layers, bool linearProjection) : base(context)
    {
        norm = new(context, scope["norm"], channels, groups, NormEps, silu: false);
        projectIn = new(context, scope["proj_in"], channels, channels, pointwise: !linearProjection);
        blocks = new BasicTransformerBlock[layers];
        for (int i = 0; i < layers; i++) blocks[i] = new(context, scope["transformer_blocks"][i], channels, textWidth, heads);
        projectOut = new(context, scope["proj_out"], channels, channels, pointwise: !linearProjection);
    }

    /// <summary>[B, H, W, C] from x [B, H, W, C] and text [B, T, textWidth].</summary>
    public Tensor Forward(Tensor x, Tensor text)
    {
        var normed = norm.Forward(x);
        var h = projectIn.Forward(Tokens(normed));
        Arena.Release(normed);
        foreach (var block in blocks)
        {
            var next = block.Forward(h, text);
            Arena.Release(h);
            h = next;
        }
        var y = projectOut.Forward(h, Tokens(x));
        Arena.Release(h);
        return y.Reshape(x[0], x[1], x[2], x[3]);
    }

    /// <summary>The gradient of x; that of the text is added to <paramref name="dText"/> where that is given.</summary>
    public Tensor Backward(Tensor dY, Tensor dText)
    {
        using var weights = Context.Weights.Gather();
        var dH = projectOut.Backward(Tokens(dY));
        for (int i = blocks.Length - 1; i >= 0; i--)
        {
            var next = blocks[i].Backward(dH, dText);
            Arena.Release(dH);
            dH = next;
        }
        var dNormed = projectIn.Backward(dH);
        Arena.Release(dH);
        var dX = norm.Backward(dNormed.Reshape(dY[0], dY[1], dY[2], dY[3]), dY);
        Arena.Release(dNormed);
        weights.Complete();
        return dX;
    }

    static Tensor Tokens(Tensor image) => image.Reshape(image[0], image[1] * image[2], image[3]);
}
