using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>
/// diffusers' AutoencoderKL: an encoder from pictures to the mean and log-variance of a latent an eighth as large (by the
/// number of levels), and a decoder back. Latents here are unscaled; <see cref="AutoencoderConfig.ScalingFactor"/> is
/// applied once, by who stores or feeds them.
/// </summary>
public sealed class AutoencoderKL : Layer, IDisposable
{
    /// <summary>Base name of its weights' files.</summary>
    public const string FileName = "diffusion_pytorch_model";

    readonly Coder encoder, decoder;
    readonly Linear quant, postQuant;

    /// <summary>Builds the model with weights of zero; see <see cref="FromFolder"/> and <see cref="ParameterSet.Initialize"/>.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="ops">The device.</param>
    /// <param name="type">Compute precision.</param>
    /// <param name="training">Whether the Backwards will be called.</param>
    public AutoencoderKL(AutoencoderConfig config, IOps ops, DType type, bool training) : base(new LayerContext(ops, training))
    {
        Config = config;
        var context = Context;
        int latent = config.LatentChannels;
        encoder = Coder.Encoder(context, Parameters, config);
        Parameters.BeginUnit("latent");
        quant = new(context, Parameters.Root["quant_conv"], 2 * latent, 2 * latent, pointwise: true);
        postQuant = new(context, Parameters.Root["post_quant_conv"], latent, latent, pointwise: true);
        decoder = Coder.Decoder(context, Parameters, config);
        Parameters.Allocate(ops, type, training);
    }

    /// <summary>Its shape.</summary>
    public AutoencoderConfig Config { get; }

    /// <summary>Its weights.</summary>
    public ParameterSet Parameters { get; } = new();

    /// <summary>Reads config.json and weights of a diffusers folder, also of the layout in which the attention was named query, key, value, proj_attn.</summary>
    /// <exception cref="InvalidDataException">Unsupported settings, or weights that do not fit them.</exception>
    public static AutoencoderKL FromFolder(string folder, IOps ops, DType type, bool training)
    {
        var model = new AutoencoderKL(AutoencoderConfig.Load(folder), ops, type, training);
        try { model.Parameters.Load(folder, OldName); }
        catch
        {
            model.Dispose();
            throw;
        }
        return model;
    }

    /// <summary>Writes config.json and weights as diffusers reads them; <paramref name="source"/> as in <see cref="ParameterSet.Save"/>.</summary>
    public void SaveFolder(string folder, SafetensorsType type = SafetensorsType.F32, Tensor source = default)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), Config.ToJson());
        Parameters.Save(Path.Combine(folder, FileName + ".safetensors"), type, source);
    }

    /// <summary>Moments [B, h, w, 2 LatentChannels] (mean, log-variance) of pictures [B, H, W, 3] in -1..1.</summary>
    public Tensor Encode(Tensor image)
    {
        var h = encoder.Forward(image);
        var moments = quant.Forward(h);
        Arena.Release(h);
        return moments;
    }

    /// <summary>Adds to the encoder's gradients; returns the picture's gradient where it is needed.</summary>
    public Tensor EncodeBackward(Tensor dMoments, bool needImage = false)
    {
        var d = quant.Backward(dMoments);
        var dImage = encoder.Backward(d, needImage);
        Arena.Release(d);
        return dImage;
    }

    /// <summary>Pictures [B, H, W, 3], about -1..1, of unscaled latents [B, h, w, LatentChannels].</summary>
    public Tensor Decode(Tensor latent)
    {
        var h = postQuant.Forward(latent);
        var image = decoder.Forward(h);
        Arena.Release(h);
        return image;
    }

    /// <summary>Adds to the decoder's gradients; returns the latent's.</summary>
    public Tensor DecodeBackward(Tensor dImage)
    {
        var d = decoder.Backward(dImage, needInput: true);
        var dLatent = postQuant.Backward(d);
        Arena.Release(d);
        return dLatent;
    }

    /// <summary>Name of a parameter before diffusers 0.15.</summary>
    static string? OldName(string name) =>
        name.Contains(".to_q.", StringComparison.Ordinal) ? name.Replace(".to_q.", ".query.", StringComparison.Ordinal)
        : name.Contains(".to_k.", StringComparison.Ordinal) ? name.Replace(".to_k.", ".key.", StringComparison.Ordinal)
        : name.Contains(".to_v.", StringComparison.Ordinal) ? name.Replace(".to_v.", ".value.", StringComparison.Ordinal)
        : name.Contains(".to_out.0.", StringComparison.Ordinal) ? name.Replace(".to_out.0.", ".proj_attn.", StringComparison.Ordinal)
        : null;

    /// <inheritdoc/>
    public void Dispose() => Parameters.Dispose();
}

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

    public Tensor Backward(Tensor dY, bool needInput)
    {
        var dNormed = convOut.Backward(dY);
        var d = normOut.Backward(dNormed);
        Arena.Release(dNormed);
        if (!midFirst) d = mid.Backward(d);
        for (int i = blocks.Length - 1; i >= 0; i--) d = blocks[i].Backward(d);
        if (midFirst) d = mid.Backward(d);
        var dX = convIn.Backward(d, needInput);
        Arena.Release(d);
        return dX;
    }
}
