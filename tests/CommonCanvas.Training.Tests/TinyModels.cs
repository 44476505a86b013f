using CommonCanvas.Data;
using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

/// <summary>Models and caches that train in milliseconds.</summary>
static class TinyModels
{
    public const int Side = 4, Tokens = 5, Width = 8;

    public static UNetConfig UNet { get; } = new()
    {
        SampleSize = Side,
        BlockOutChannels = [8, 16],
        DownAttention = [true, false],
        UpAttention = [false, true],
        LayersPerBlock = 1,
        Heads = [2, 2],
        CrossAttentionDim = Width,
        NormGroups = 4,
    };

    public static AutoencoderConfig Autoencoder { get; } = new() { SampleSize = 8, BlockOutChannels = [8, 16], LayersPerBlock = 1, NormGroups = 4 };

    public static UNet NewUNet(IOps ops, ulong seed = 5, DType type = DType.F32)
    {
        var unet = new UNet(UNet, ops, type, training: true);
        unet.Parameters.Initialize(seed);
        return unet;
    }

    public static CacheFingerprint Fingerprint(bool moments = false) => new()
    {
        Autoencoder = "a", TextEncoder = "t", Tokenizer = "k", Resolution = 32, Scale = 0.18215, Moments = moments,
        LatentChannels = 4, LatentSide = Side, TextTokens = Tokens, TextWidth = Width,
    };

    /// <summary>A cache of random numbers; the first latent number of sample i is i, or none in one sample.</summary>
    public static void WriteCache(string folder, int count, bool moments = false, bool emptyCaption = true, bool emptyTexts = false, string? compression = null, int notFinite = -1)
    {
        string[] bytes = ["caption_latents", "latents_32"], texts = ["attribution", "caption", "key", "licence"], numbers = ["height", "width"];
        using var writer = MdsWriter.Create(folder, [.. bytes.Select(c => KeyValuePair.Create(c, "bytes")), .. texts.Select(c => KeyValuePair.Create(c, "str")), .. numbers.Select(c => KeyValuePair.Create(c, "int32"))],
            new MdsWriterOptions { SizeLimit = 1 << 12, Compression = compression, Metadata = Fingerprint(moments).ToJson() });
        int channels = moments ? 8 : 4;
        for (int i = 0; i < count; i++)
        {
            float[] latent = new float[channels * Side * Side], text = new float[Tokens * Width];
            Philox.Normal(new RandomKey(1, RandomPurpose.Drawing, (ulong)i, 0), latent);
            Philox.Normal(new RandomKey(1, RandomPurpose.Drawing, (ulong)i, 1), text);
            if (moments) latent.AsSpan(4 * Side * Side).Fill(-3);
            if (emptyTexts) Array.Clear(text);
            latent[0] = i == notFinite ? float.NaN : i;
            writer.Write(new Dictionary<string, object>
            {
                ["latents_32"] = Halves(latent), ["caption_latents"] = Halves(text), ["caption"] = $"sample {i}", ["key"] = $"{i:D4}.png",
                ["licence"] = i % 2 == 0 ? "CC0-1.0" : "CC-BY-4.0", ["attribution"] = $"author {i % 3}", ["width"] = 40, ["height"] = 32,
            });
        }
        writer.Finish();
        if (emptyCaption) File.WriteAllBytes(Path.Combine(folder, LatentDataset.EmptyCaptionFile), Halves(new float[Tokens * Width]));
    }

    public static byte[] Halves(ReadOnlySpan<float> values)
    {
        var bytes = new byte[values.Length * 2];
        for (int i = 0; i < values.Length; i++) BitConverter.TryWriteBytes(bytes.AsSpan(i * 2), (Half)values[i]);
        return bytes;
    }
}
