using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>All parts of a diffusers folder, loaded for making pictures.</summary>
public sealed class LoadedPipeline : IDisposable
{
    LoadedPipeline(UNet unet, AutoencoderKL autoencoder, ClipTextModel textEncoder, ITokenizer tokenizer, SchedulerConfig scheduler, IOps ops)
    {
        (UNet, Autoencoder, TextEncoder, Tokenizer, Scheduler) = (unet, autoencoder, textEncoder, tokenizer, scheduler);
        TextToImage = new TextToImage(ops, unet, autoencoder, textEncoder, tokenizer, scheduler);
    }

    /// <summary>The U-Net.</summary>
    public UNet UNet { get; }

    /// <summary>The autoencoder.</summary>
    public AutoencoderKL Autoencoder { get; }

    /// <summary>The text encoder.</summary>
    public ClipTextModel TextEncoder { get; }

    /// <summary>The tokenizer.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>The noise schedule.</summary>
    public SchedulerConfig Scheduler { get; }

    /// <summary>Makes pictures with the parts.</summary>
    public TextToImage TextToImage { get; }

    /// <summary>Loads a folder.</summary>
    /// <param name="folder">As diffusers' StableDiffusionPipeline writes it.</param>
    /// <param name="ops">The device.</param>
    /// <param name="type">Precision of the U-Net; text encoder and autoencoder compute in F32, where reduced precision is known to fail.</param>
    /// <exception cref="InvalidDataException">A part is missing, damaged or not supported; the message names it.</exception>
    public static LoadedPipeline Load(string folder, IOps ops, DType type)
    {
        var paths = PipelineFolder.Open(folder);
        var scheduler = SchedulerConfig.Load(paths.Scheduler);
        var tokenizer = Tokenizers.Load(paths.Tokenizer);
        UNet? unet = null;
        AutoencoderKL? autoencoder = null;
        ClipTextModel? textEncoder = null;
        try
        {
            unet = UNet.FromFolder(paths.UNet, ops, type, training: false);
            autoencoder = AutoencoderKL.FromFolder(paths.Vae, ops, DType.F32, training: false);
            textEncoder = ClipTextModel.FromFolder(paths.TextEncoder, ops, DType.F32);
            if (textEncoder.Config.HiddenSize != unet.Config.CrossAttentionDim)
                throw new InvalidDataException($"{folder}: the text encoder gives {textEncoder.Config.HiddenSize} numbers a token, the U-Net takes {unet.Config.CrossAttentionDim}; the parts are of different models");
            if (autoencoder.Config.LatentChannels != unet.Config.InChannels)
                throw new InvalidDataException($"{folder}: the autoencoder has {autoencoder.Config.LatentChannels} latent channels, the U-Net takes {unet.Config.InChannels}; the parts are of different models");
            return new LoadedPipeline(unet, autoencoder, textEncoder, tokenizer, scheduler, ops);
        }
        catch
        {
            unet?.Dispose();
            autoencoder?.Dispose();
            textEncoder?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        UNet.Dispose();
        Autoencoder.Dispose();
        TextEncoder.Dispose();
    }
}
