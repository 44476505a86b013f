using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>
/// diffusers' AutoencoderKL: an encoder from pictures to the mean and log-variance of a latent an eighth as large (by the
/// number of levels), and a decoder back. Latents here are unscaled; <see cref="AutoencoderConfig.ScalingFactor"/> is
/// applied once, by who stores or feeds them.
/// </summary>
public sealed class AutoencoderKL : Model
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

    /// <summary>Reads config.json and weights of a diffusers folder, also of the layout in which the attention was named query, key, value, proj_attn.</summary>
    /// <exception cref="InvalidDataException">Unsupported settings, or weights that do not fit them.</exception>
    public static AutoencoderKL FromFolder(string folder, IOps ops, DType type, bool training)
    {
        var model = new AutoencoderKL(AutoencoderConfig.Load(folder), ops, type, training);
        model.LoadOrDispose(folder);
        return model;
    }

    /// <inheritdoc/>
    protected override string ConfigJson => Config.ToJson();

    /// <inheritdoc/>
    protected override string WeightsName => FileName;

    /// <summary>Moments [B, h, w, 2 LatentChannels] (mean, log-variance) of pictures [B, H, W, 3] in -1..1.</summary>
    public Tensor Encode(Tensor image)
    {
        using var range = Ops.Range("encode");
        var h = encoder.Forward(image);
        var moments = quant.Forward(h);
        Arena.Release(h);
        return moments;
    }

    /// <summary>
    /// Adds to the encoder's gradients; returns the picture's gradient where it is needed. <paramref name="unitDone"/> is told
    /// the index of each unit when its gradients are complete, which for "latent" needs <see cref="DecodeBackward"/> before.
    /// </summary>
    public Tensor EncodeBackward(Tensor dMoments, Action<int>? unitDone = null, bool needImage = false)
    {
        using var range = Ops.Range("encode backward");
        int latent = encoder.Units;
        var d = quant.Backward(dMoments);
        unitDone?.Invoke(latent);
        var dImage = encoder.Backward(d, needImage, latent, unitDone);
        Arena.Release(d);
        return dImage;
    }

    /// <summary>Pictures [B, H, W, 3], about -1..1, of unscaled latents [B, h, w, LatentChannels].</summary>
    public Tensor Decode(Tensor latent)
    {
        using var range = Ops.Range("decode");
        var h = postQuant.Forward(latent);
        var image = decoder.Forward(h);
        Arena.Release(h);
        return image;
    }

    /// <summary>Adds to the decoder's gradients; returns the latent's.</summary>
    public Tensor DecodeBackward(Tensor dImage, Action<int>? unitDone = null)
    {
        using var range = Ops.Range("decode backward");
        var d = decoder.Backward(dImage, needInput: true, Parameters.Units.Count, unitDone);
        var dLatent = postQuant.Backward(d);
        Arena.Release(d);
        return dLatent;
    }

    /// <summary>Name of a parameter before diffusers 0.15.</summary>
    protected override string? OtherName(string name) =>
        name.Contains(".to_q.", StringComparison.Ordinal) ? name.Replace(".to_q.", ".query.", StringComparison.Ordinal)
        : name.Contains(".to_k.", StringComparison.Ordinal) ? name.Replace(".to_k.", ".key.", StringComparison.Ordinal)
        : name.Contains(".to_v.", StringComparison.Ordinal) ? name.Replace(".to_v.", ".value.", StringComparison.Ordinal)
        : name.Contains(".to_out.0.", StringComparison.Ordinal) ? name.Replace(".to_out.0.", ".proj_attn.", StringComparison.Ordinal)
        : null;
}
