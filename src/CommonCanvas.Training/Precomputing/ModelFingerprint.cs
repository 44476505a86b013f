using CommonCanvas.Models;

namespace CommonCanvas.Training;

/// <summary>What a cache made with a model's folder records.</summary>
public static class ModelFingerprint
{
    /// <summary>Reads configurations and digests weights of <c>vae</c>, <c>text_encoder</c> and <c>tokenizer</c> of a model's folder.</summary>
    /// <param name="modelFolder">A diffusers folder, or one that has only these three.</param>
    /// <param name="resolution">Side of the pictures.</param>
    /// <param name="moments">Whether posteriors are stored.</param>
    /// <param name="seed">Seed of the samples, where those are stored.</param>
    public static CacheFingerprint Of(string modelFolder, int resolution, bool moments, ulong seed)
    {
        var folder = new PipelineFolder(modelFolder);
        var autoencoder = AutoencoderConfig.Load(folder.Vae);
        var text = ClipTextConfig.Load(folder.TextEncoder);
        var tokenizer = Tokenizers.Load(folder.Tokenizer);
        return new CacheFingerprint
        {
            Autoencoder = CacheFingerprint.OfFolder(folder.Vae),
            TextEncoder = CacheFingerprint.OfFolder(folder.TextEncoder),
            Tokenizer = tokenizer.Fingerprint,
            Resolution = resolution,
            Scale = autoencoder.ScalingFactor,
            Moments = moments,
            LatentChannels = autoencoder.LatentChannels,
            LatentSide = resolution / autoencoder.Downscale,
            TextTokens = Math.Min(tokenizer.Length, text.MaxPositions),
            TextWidth = text.HiddenSize,
            Seed = moments ? 0 : seed,
        };
    }
}
