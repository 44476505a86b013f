using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>
/// diffusers' ResnetBlock2D: norm, SiLU, 3x3; plus the time embedding; norm, SiLU, 3x3; plus the input, through a 1x1 where
/// the channels change. The time embedding and the input enter through the convolutions' epilogues.
/// </summary>
public sealed class ResBlock : Layer
{
    readonly GroupNorm norm1, norm2;
    readonly Conv2d conv1, conv2;
    readonly Linear? time, shortcut;

    /// <summary>Declares norm1, conv1, time_emb_proj (where <paramref name="timeWidth"/> &gt; 0), norm2, conv2, conv_shortcut.</summary>
    public ResBlock(LayerContext context, ParameterScope scope, int inputs, int outputs, int timeWidth, int groups, float eps) : base(context)
    {
        norm1 = new(context, scope["norm1"], inputs, groups, eps, silu: true);
        conv1 = new(context, scope["conv1"], inputs, outputs, ConvGeometry.Same3);
        time = timeWidth > 0 ? new(context, scope["time_emb_proj"], timeWidth, outputs) : null;
        norm2 = new(context, scope["norm2"], outputs, groups, eps, silu: true);
        conv2 = new(context, scope["conv2"], outputs, outputs, ConvGeometry.Same3);
        shortcut = inputs != outputs ? new(context, scope["conv_shortcut"], inputs, outputs, pointwise: true) : null;
    }

    /// <summary>[B, H, W, outputs] from x [B, H, W, inputs] and SiLU(time embedding) [B, timeWidth].</summary>
    public Tensor Forward(Tensor x, Tensor activatedTime = default)
    {
        var t = time is null ? default : time.Forward(activatedTime);
        var normed = norm1.Forward(x);
        var h = conv1.Forward(normed, perSample: t);
        Arena.Release(normed);
        Arena.Release(t);
        normed = norm2.Forward(h);
        Arena.Release(h);
        var residual = shortcut is null ? x : shortcut.Forward(x);
        var y = conv2.Forward(normed, residual: residual);
        Arena.Release(normed);
        if (shortcut is not null) Arena.Release(residual);
        return y;
    }

    /// <summary>The gradient of x; that of the activated time embedding is added to <paramref name="dTime"/>.</summary>
    public Tensor Backward(Tensor dY, Tensor dTime = default)
    {
        var dNormed = conv2.Backward(dY);
        var dH = norm2.Backward(dNormed);
        Arena.Release(dNormed);
        var dT = time is null ? default : Arena.Rent(dH.Type, dH[0], dH.Channels);
        dNormed = conv1.Backward(dH, dPerSample: dT);
        Arena.Release(dH);
        if (time is not null)
        {
            AddInto(dTime, time.Backward(dT));
            Arena.Release(dT);
        }
        var dShortcut = shortcut is null ? dY : shortcut.Backward(dY);
        var dX = norm1.Backward(dNormed, dShortcut);
        Arena.Release(dNormed);
        if (shortcut is not null) Arena.Release(dShortcut);
        return dX;
    }
}
