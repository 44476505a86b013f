using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>A run of residual blocks and a change of resolution: diffusers' DownEncoderBlock2D and UpDecoderBlock2D.</summary>
sealed class AutoencoderBlock : Layer
{
    readonly ResBlock[] resnets;
    readonly Downsample? downsampler;
    readonly Upsample? upsampler;

    public AutoencoderBlock(LayerContext context, ParameterScope scope, AutoencoderConfig config, int inputs, int outputs, int count, bool down, bool up) : base(context)
    {
        resnets = new ResBlock[count];
        for (int i = 0; i < count; i++)
            resnets[i] = new(context, scope["resnets"][i], i == 0 ? inputs : outputs, outputs, timeWidth: 0, config.NormGroups, AutoencoderConfig.NormEps);
        if (down) downsampler = new(context, scope["downsamplers.0"], outputs, padding: 0);
        if (up) upsampler = new(context, scope["upsamplers.0"], outputs);
    }

    /// <summary>Takes over x.</summary>
    public Tensor Forward(Tensor x)
    {
        foreach (var resnet in resnets) x = Replace(x, resnet.Forward(x));
        if (downsampler is not null) x = Replace(x, downsampler.Forward(x));
        if (upsampler is not null) x = Replace(x, upsampler.Forward(x));
        return x;
    }

    /// <summary>Takes over d.</summary>
    public Tensor Backward(Tensor d)
    {
        if (upsampler is not null) d = Replace(d, upsampler.Backward(d));
        if (downsampler is not null) d = Replace(d, downsampler.Backward(d));
        for (int i = resnets.Length - 1; i >= 0; i--) d = Replace(d, resnets[i].Backward(d));
        return d;
    }

    Tensor Replace(Tensor old, Tensor next)
    {
        Arena.Release(old);
        return next;
    }
}

/// <summary>diffusers' UNetMidBlock2D: residual block, attention of one head over all pixels, residual block.</summary>
sealed class AutoencoderMid : Layer
{
    readonly ResBlock first, last;
    readonly GroupNorm norm;
    readonly Attention attention;

    public AutoencoderMid(LayerContext context, ParameterScope scope, AutoencoderConfig config, int channels) : base(context)
    {
        first = new(context, scope["resnets.0"], channels, channels, timeWidth: 0, config.NormGroups, AutoencoderConfig.NormEps);
        norm = new(context, scope["attentions.0.group_norm"], channels, config.NormGroups, AutoencoderConfig.NormEps, silu: false);
        attention = new(context, scope["attentions.0"], channels, contextWidth: null, heads: 1, bias: true, AttentionNames.Diffusers);
        last = new(context, scope["resnets.1"], channels, channels, timeWidth: 0, config.NormGroups, AutoencoderConfig.NormEps);
    }

    /// <summary>Takes over x.</summary>
    public Tensor Forward(Tensor x)
    {
        var h = first.Forward(x);
        Arena.Release(x);
        var normed = norm.Forward(h);
        var attended = attention.Forward(Tokens(normed), default, Tokens(h));
        Arena.Release(normed);
        var y = last.Forward(attended.Reshape(h[0], h[1], h[2], h[3]));
        Arena.Release(attended);
        Arena.Release(h);
        return y;
    }

    /// <summary>Takes over dY.</summary>
    public Tensor Backward(Tensor dY)
    {
        var dAttended = last.Backward(dY);
        Arena.Release(dY);
        var (dNormed, _) = attention.Backward(Tokens(dAttended));
        var dH = norm.Backward(dNormed.Reshape(dAttended[0], dAttended[1], dAttended[2], dAttended[3]), dAttended);
        Arena.Release(dNormed);
        Arena.Release(dAttended);
        var dX = first.Backward(dH);
        Arena.Release(dH);
        return dX;
    }

    static Tensor Tokens(Tensor image) => image.Reshape(image[0], image[1] * image[2], image[3]);
}
