using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>
/// An encoder or a decoder: a convolution in; the levels and the middle, in this order or the other; norm, SiLU and a
/// convolution out.
/// </summary>
sealed class Coder : Layer
{
    readonly Conv2d convIn, convOut;
    readonly AutoencoderBlock[] blocks;
    readonly AutoencoderMid mid;
    readonly GroupNorm normOut;
    readonly bool midFirst;

    Coder(LayerContext context, Conv2d convIn, AutoencoderBlock[] blocks, AutoencoderMid mid, GroupNorm normOut, Conv2d convOut, bool midFirst) : base(context) =>
        (this.convIn, this.blocks, this.mid, this.normOut, this.convOut, this.midFirst) = (convIn, blocks, mid, normOut, convOut, midFirst);

    public static Coder Encoder(LayerContext context, ParameterSet parameters, AutoencoderConfig config)
    {
        int[] channels = [.. config.BlockOutChannels];
        var scope = parameters.Root["encoder"];
        parameters.BeginUnit("encoder.in");
        var convIn = new Conv2d(context, scope["conv_in"], config.InChannels, channels[0], ConvGeometry.Same3);
        var blocks = new AutoencoderBlock[channels.Length];
        for (int i = 0; i < blocks.Length; i++)
        {
            parameters.BeginUnit($"encoder.down_blocks.{i}");
            blocks[i] = new(context, scope["down_blocks"][i], config, channels[Math.Max(i - 1, 0)], channels[i], config.LayersPerBlock, down: i < blocks.Length - 1, up: false);
        }
        parameters.BeginUnit("encoder.mid_block");
        var mid = new AutoencoderMid(context, scope["mid_block"], config, channels[^1]);
        parameters.BeginUnit("encoder.out");
        var normOut = new GroupNorm(context, scope["conv_norm_out"], channels[^1], config.NormGroups, AutoencoderConfig.NormEps, silu: true);
        var convOut = new Conv2d(context, scope["conv_out"], channels[^1], 2 * config.LatentChannels, ConvGeometry.Same3);
        return new Coder(context, convIn, blocks, mid, normOut, convOut, midFirst: false);
    }

    public static Coder Decoder(LayerContext context, ParameterSet parameters, AutoencoderConfig config)
    {
        int[] channels = [.. config.BlockOutChannels.Reverse()];
        var scope = parameters.Root["decoder"];
        parameters.BeginUnit("decoder.in");
        var convIn = new Conv2d(context, scope["conv_in"], config.LatentChannels, channels[0], ConvGeometry.Same3);
        parameters.BeginUnit("decoder.mid_block");
        var mid = new AutoencoderMid(context, scope["mid_block"], config, channels[0]);
        var blocks = new AutoencoderBlock[channels.Length];
        for (int i = 0; i < blocks.Length; i++)
        {
            parameters.BeginUnit($"decoder.up_blocks.{i}");
            blocks[i] = new(context, scope["up_blocks"][i], config, channels[Math.Max(i - 1, 0)], channels[i], config.LayersPerBlock + 1, down: false, up: i < blocks.Length - 1);
        }
        parameters.BeginUnit("decoder.out");
        var normOut = new GroupNorm(context, scope["conv_norm_out"], channels[^1], config.NormGroups, AutoencoderConfig.NormEps, silu: true);
        var convOut = new Conv2d(context, scope["conv_out"], channels[^1], config.OutChannels, ConvGeometry.Same3);
        return new Coder(context, convIn, blocks, mid, normOut, convOut, midFirst: true);
    }

    public Tensor Forward(Tensor x)
    {
        var h = convIn.Forward(x);
        if (midFirst) h = mid.Forward(h);
        foreach (var block in blocks) h = block.Forward(h);
        if (!midFirst) h = mid.Forward(h);
        var normed = normOut.Forward(h);
        Arena.Release(h);
        var y = convOut.Forward(normed);
        Arena.Release(normed);
        return y;
    }

    /// <summary>Units of parameters: in, middle, out and the levels.</summary>
    public int Units => blocks.Length + 3;

    /// <summary>Tells <paramref name="unitDone"/> its units, downward from the one before <paramref name="unit"/>.</summary>
    public Tensor Backward(Tensor dY, bool needInput, int unit, Action<int>? unitDone)
    {
        var dNormed = convOut.Backward(dY);
        var d = normOut.Backward(dNormed);
        Arena.Release(dNormed);
        unitDone?.Invoke(--unit);
        if (!midFirst)
        {
            d = mid.Backward(d);
            unitDone?.Invoke(--unit);
        }
        for (int i = blocks.Length - 1; i >= 0; i--)
        {
            d = blocks[i].Backward(d);
            unitDone?.Invoke(--unit);
        }
        if (midFirst)
        {
            d = mid.Backward(d);
            unitDone?.Invoke(--unit);
        }
        var dX = convIn.Backward(d, needInput);
        Arena.Release(d);
        unitDone?.Invoke(--unit);
        return dX;
    }
}
