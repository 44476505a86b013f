using System.Text.Json.Nodes;

namespace CommonCanvas.Models;

/// <summary>
/// The settings of diffusers' AutoencoderKL, as Stable Diffusion uses it: residual blocks and one attention layer in the
/// middle, GroupNorms with epsilon 1e-6, downsampling with a row and column of zeros at the end. The property defaults are
/// Stable Diffusion's.
/// </summary>
public sealed record AutoencoderConfig
{
    const string Down = "DownEncoderBlock2D", Up = "UpDecoderBlock2D";

    /// <summary>Side of the pictures that the model was made for; it runs on others too.</summary>
    public int SampleSize { get; init; } = 512;

    /// <summary>Channels of the picture given.</summary>
    public int InChannels { get; init; } = 3;

    /// <summary>Channels of the picture returned.</summary>
    public int OutChannels { get; init; } = 3;

    /// <summary>Channels of the latent; the encoder returns twice as many, mean and log-variance.</summary>
    public int LatentChannels { get; init; } = 4;

    /// <summary>Channels of each resolution, finest first.</summary>
    public IReadOnlyList<int> BlockOutChannels { get; init; } = [128, 256, 512, 512];

    /// <summary>Residual blocks of an encoder block; a decoder block has one more.</summary>
    public int LayersPerBlock { get; init; } = 2;

    /// <summary>Groups of each GroupNorm.</summary>
    public int NormGroups { get; init; } = 32;

    /// <summary>What latents are multiplied by before the U-Net sees them, so that their variance is about 1.</summary>
    public float ScalingFactor { get; init; } = 0.18215f;

    /// <summary>Whether diffusers decodes in fp32 even where the rest is fp16; kept for what is written.</summary>
    public bool ForceUpcast { get; init; } = true;

    /// <summary>Epsilon of every GroupNorm, fixed in diffusers' code.</summary>
    public static float NormEps => 1e-6f;

    /// <summary>Pixels of the picture's side for one of the latent's.</summary>
    public int Downscale => 1 << (BlockOutChannels.Count - 1);

    /// <summary>Stable Diffusion 1 and 2: 83.7 M parameters.</summary>
    public static AutoencoderConfig Sd { get; } = new();

    /// <summary>Reads <c>config.json</c> of a model's folder, or the file itself.</summary>
    /// <exception cref="InvalidDataException">Unknown keys or unsupported values, all listed.</exception>
    public static AutoencoderConfig Load(string folderOrFile)
    {
        string path = ConfigFiles.Find(folderOrFile, "config.json");
        return From(ModelConfig.Read(path));
    }

    /// <summary>Reads settings in diffusers' words; <paramref name="source"/> names them in messages.</summary>
    /// <exception cref="InvalidDataException">Unknown keys or unsupported values, all listed.</exception>
    public static AutoencoderConfig Parse(string json, string source) => From(ModelConfig.Parse(System.Text.Encoding.UTF8.GetBytes(json), source));

    internal static AutoencoderConfig From(ModelConfig json)
    {
        json.Only("\"AutoencoderKL\"", "_class_name");
        json.Only("\"silu\"", "act_fn");
        json.Only("null", "latents_mean", "latents_std", "shift_factor");
        json.Only("true", "mid_block_add_attention", "use_quant_conv", "use_post_quant_conv");
        int[] channels = json.Ints("block_out_channels", [64], 0, 1, 1 << 16);
        string[] down = json.Choices("down_block_types", [Down], Down);
        string[] up = json.Choices("up_block_types", [Up], Up);
        json.Require(down.Length == channels.Length && up.Length == channels.Length,
            $"{channels.Length} block_out_channels, {down.Length} down_block_types and {up.Length} up_block_types: they must be equally many");
        json.Require(channels.Length <= 8, $"{channels.Length} blocks: supported are at most 8");
        var config = new AutoencoderConfig
        {
            SampleSize = json.Int("sample_size", 32, 1, 1 << 16),
            InChannels = json.Int("in_channels", 3, 1, 1 << 12),
            OutChannels = json.Int("out_channels", 3, 1, 1 << 12),
            LatentChannels = json.Int("latent_channels", 4, 1, 1 << 12),
            BlockOutChannels = channels,
            LayersPerBlock = json.Int("layers_per_block", 1, 1, 64),
            NormGroups = json.Int("norm_num_groups", 32, 1, 1 << 12),
            ScalingFactor = (float)json.Float("scaling_factor", 0.18215, 1e-6, 1e6),
            ForceUpcast = json.Bool("force_upcast", true),
        };
        foreach (string problem in config.Contradictions()) json.Require(false, problem);
        json.Finish();
        return config;
    }

    /// <summary>What in these settings cannot be built; empty when all fits together.</summary>
    public IEnumerable<string> Contradictions()
    {
        for (int i = 0; i < BlockOutChannels.Count; i++)
            if (BlockOutChannels[i] % NormGroups != 0) yield return $"block_out_channels[{i}] = {BlockOutChannels[i]} is not a multiple of norm_num_groups = {NormGroups}";
    }

    /// <summary>Whether all settings are the same; lists are compared by their elements.</summary>
    public bool Equals(AutoencoderConfig? other) => other is not null && ToJson() == other.ToJson();

    /// <inheritdoc/>
    public override int GetHashCode() => ToJson().GetHashCode(StringComparison.Ordinal);

    /// <summary>The configuration as diffusers loads it.</summary>
    public string ToJson() => ModelConfig.Write(new JsonObject
    {
        ["_class_name"] = "AutoencoderKL",
        ["_diffusers_version"] = ConfigFiles.DiffusersVersion,
        ["act_fn"] = "silu",
        ["block_out_channels"] = ModelConfig.List(BlockOutChannels),
        ["down_block_types"] = ModelConfig.List(BlockOutChannels.Select(_ => Down)),
        ["force_upcast"] = ForceUpcast,
        ["in_channels"] = InChannels,
        ["latent_channels"] = LatentChannels,
        ["layers_per_block"] = LayersPerBlock,
        ["norm_num_groups"] = NormGroups,
        ["out_channels"] = OutChannels,
        ["sample_size"] = SampleSize,
        ["scaling_factor"] = ScalingFactor,
        ["up_block_types"] = ModelConfig.List(BlockOutChannels.Select(_ => Up)),
    });
}
