using System.Text.Json.Nodes;

namespace CommonCanvas.Models;

/// <summary>
/// The settings of diffusers' UNet2DConditionModel, as far as Stable Diffusion 1 and 2 vary them. Lists have one element
/// per resolution, finest first. The property defaults are Stable Diffusion 2's.
/// </summary>
public sealed record UNetConfig
{
    const string CrossDown = "CrossAttnDownBlock2D", Down = "DownBlock2D", CrossUp = "CrossAttnUpBlock2D", Up = "UpBlock2D";

    /// <summary>Side of the latents that the model was made for; it runs on others too.</summary>
    public int SampleSize { get; init; } = 64;

    /// <summary>Latent channels in.</summary>
    public int InChannels { get; init; } = 4;

    /// <summary>Channels out.</summary>
    public int OutChannels { get; init; } = 4;

    /// <summary>Channels of each resolution.</summary>
    public IReadOnlyList<int> BlockOutChannels { get; init; } = [320, 640, 1280, 1280];

    /// <summary>Whether each down block has transformers.</summary>
    public IReadOnlyList<bool> DownAttention { get; init; } = [true, true, true, false];

    /// <summary>Whether each up block has transformers, in the order in which they run: coarsest first.</summary>
    public IReadOnlyList<bool> UpAttention { get; init; } = [false, true, true, true];

    /// <summary>Residual blocks of a down block; an up block has one more.</summary>
    public int LayersPerBlock { get; init; } = 2;

    /// <summary>Basic transformer blocks in each transformer.</summary>
    public int TransformerLayers { get; init; } = 1;

    /// <summary>Attention heads of each down block; up blocks mirror them, the middle block has the last.</summary>
    public IReadOnlyList<int> Heads { get; init; } = [5, 10, 20, 20];

    /// <summary>Width of the text embeddings.</summary>
    public int CrossAttentionDim { get; init; } = 1024;

    /// <summary>Groups of each GroupNorm.</summary>
    public int NormGroups { get; init; } = 32;

    /// <summary>Epsilon of the residual blocks' and the last GroupNorm. (A transformer's GroupNorm has 1e-6, its LayerNorms 1e-5.)</summary>
    public float NormEps { get; init; } = 1e-5f;

    /// <summary>Whether the timestep embedding has its cosines first.</summary>
    public bool FlipSinToCos { get; init; } = true;

    /// <summary>Shift of the timestep embedding's frequencies.</summary>
    public int FreqShift { get; init; }

    /// <summary>Whether transformers project by a linear layer (Stable Diffusion 2) or a 1x1 convolution (1).</summary>
    public bool UseLinearProjection { get; init; } = true;

    /// <summary>Padding of the downsampling convolutions: 1, or 0 for a row and column of zeros at the end only.</summary>
    public int DownsamplePadding { get; init; } = 1;

    /// <summary>Whether diffusers computes attention scores in fp32, as is done here always; kept for what is written.</summary>
    public bool UpcastAttention { get; init; }

    /// <summary>Width of the embedded timestep.</summary>
    public int TimeEmbeddingDim => 4 * BlockOutChannels[0];

    /// <summary>Stable Diffusion 2: 865.9 M parameters.</summary>
    public static UNetConfig Sd2 { get; } = new();

    /// <summary>A small one, for measurements and single-processor training.</summary>
    public static UNetConfig Small { get; } = new()
    {
        SampleSize = 32, BlockOutChannels = [64, 128, 256, 256], Heads = [1, 2, 4, 4], CrossAttentionDim = 256,
    };

    /// <summary>A tiny one, for tests and the quickstart.</summary>
    public static UNetConfig Tiny { get; } = new()
    {
        SampleSize = 32, BlockOutChannels = [32, 64, 128, 128], Heads = [2, 4, 8, 8], CrossAttentionDim = 64, NormGroups = 8,
    };

    /// <summary>Reads <c>config.json</c> of a model's folder, or the file itself.</summary>
    /// <exception cref="InvalidDataException">Unknown keys or unsupported values, all listed.</exception>
    public static UNetConfig Load(string folderOrFile)
    {
        string path = ConfigFiles.Find(folderOrFile, "config.json");
        return From(ModelConfig.Read(path));
    }

    /// <summary>Reads settings in diffusers' words; <paramref name="source"/> names them in messages.</summary>
    /// <exception cref="InvalidDataException">Unknown keys or unsupported values, all listed.</exception>
    public static UNetConfig Parse(string json, string source) => From(ModelConfig.Parse(System.Text.Encoding.UTF8.GetBytes(json), source));

    internal static UNetConfig From(ModelConfig json)
    {
        json.Only("\"UNet2DConditionModel\"", "_class_name");
        json.Only("\"silu\"", "act_fn");
        json.Only("\"default\"", "attention_type", "resnet_time_scale_shift");
        json.Only("\"positional\"", "time_embedding_type");
        json.Only("\"UNetMidBlock2DCrossAttn\"", "mid_block_type");
        json.Only("false", "center_input_sample", "class_embeddings_concat", "dual_cross_attention", "only_cross_attention", "resnet_skip_time_act");
        json.Only("null", "addition_embed_type", "class_embed_type", "cross_attention_norm", "encoder_hid_dim", "encoder_hid_dim_type", "num_class_embeds",
            "reverse_transformer_layers_per_block", "time_cond_proj_dim", "time_embedding_act_fn", "time_embedding_dim", "timestep_post_act");
        json.Only("0", "dropout");
        json.Only("1", "mid_block_scale_factor", "resnet_out_scale_factor");
        json.Only("3", "conv_in_kernel", "conv_out_kernel");
        // Settings of embeddings that are absent, and what an EMA copy keeps about itself.
        json.Ignore("addition_embed_type_num_heads", "addition_time_embed_dim", "projection_class_embeddings_input_dim", "mid_block_only_cross_attention",
            "decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step", "use_ema_warmup");

        int[] channels = json.Ints("block_out_channels", [320, 640, 1280, 1280], 0, 1, 1 << 16);
        string[] down = json.Choices("down_block_types", [CrossDown, CrossDown, CrossDown, Down], CrossDown, Down);
        string[] up = json.Choices("up_block_types", [Up, CrossUp, CrossUp, CrossUp], CrossUp, Up);
        int[] byName = json.Ints("attention_head_dim", Enumerable.Repeat(8, channels.Length).ToArray(), channels.Length, 1, 1 << 12);
        int[] heads = json.Ints("num_attention_heads", byName, channels.Length, 1, 1 << 12);
        var config = new UNetConfig
        {
            SampleSize = json.Int("sample_size", 64, 1, 1 << 14),
            InChannels = json.Int("in_channels", 4, 1, 1 << 12),
            OutChannels = json.Int("out_channels", 4, 1, 1 << 12),
            BlockOutChannels = channels,
            DownAttention = [.. down.Select(b => b == CrossDown)],
            UpAttention = [.. up.Select(b => b == CrossUp)],
            LayersPerBlock = Equal(json, "layers_per_block", 2, channels.Length),
            TransformerLayers = Equal(json, "transformer_layers_per_block", 1, channels.Length),
            Heads = heads,
            CrossAttentionDim = Equal(json, "cross_attention_dim", 1280, channels.Length),
            NormGroups = json.Int("norm_num_groups", 32, 1, 1 << 12),
            NormEps = (float)json.Float("norm_eps", 1e-5, 1e-12, 1),
            FlipSinToCos = json.Bool("flip_sin_to_cos", true),
            FreqShift = json.Int("freq_shift", 0, 0, 1),
            UseLinearProjection = json.Bool("use_linear_projection", false),
            DownsamplePadding = json.Int("downsample_padding", 1, 0, 1),
            UpcastAttention = json.Bool("upcast_attention", false),
        };
        foreach (string problem in config.Contradictions()) json.Require(false, problem);
        json.Finish();
        return config;
    }

    /// <summary>What in these settings cannot be built; empty when all fits together.</summary>
    public IEnumerable<string> Contradictions()
    {
        int n = BlockOutChannels.Count;
        if (DownAttention.Count != n || UpAttention.Count != n || Heads.Count != n)
        {
            yield return $"{n} block_out_channels, {DownAttention.Count} down_block_types, {UpAttention.Count} up_block_types and {Heads.Count} head counts: they must be equally many";
            yield break;
        }
        for (int i = 0; i < n; i++)
        {
            if (BlockOutChannels[i] % NormGroups != 0) yield return $"block_out_channels[{i}] = {BlockOutChannels[i]} is not a multiple of norm_num_groups = {NormGroups}";
            bool attends = DownAttention[i] || UpAttention[n - 1 - i] || i == n - 1;
            if (attends && BlockOutChannels[i] % Heads[i] != 0) yield return $"block_out_channels[{i}] = {BlockOutChannels[i]} is not a multiple of its {Heads[i]} attention heads";
        }
        if (BlockOutChannels[0] % 2 != 0) yield return $"block_out_channels[0] = {BlockOutChannels[0]} must be even for the timestep embedding";
        if (FreqShift >= BlockOutChannels[0] / 2) yield return $"freq_shift = {FreqShift} leaves no frequencies in a timestep embedding of {BlockOutChannels[0]}";
    }

    /// <summary>Whether all settings are the same; lists are compared by their elements.</summary>
    public bool Equals(UNetConfig? other) => other is not null && ToJson() == other.ToJson();

    /// <inheritdoc/>
    public override int GetHashCode() => ToJson().GetHashCode(StringComparison.Ordinal);

    /// <summary>The configuration as diffusers loads it.</summary>
    public string ToJson() => ModelConfig.Write(new JsonObject
    {
        ["_class_name"] = "UNet2DConditionModel",
        ["_diffusers_version"] = ConfigFiles.DiffusersVersion,
        ["act_fn"] = "silu",
        ["attention_head_dim"] = ModelConfig.List(Heads),
        ["block_out_channels"] = ModelConfig.List(BlockOutChannels),
        ["center_input_sample"] = false,
        ["cross_attention_dim"] = CrossAttentionDim,
        ["down_block_types"] = ModelConfig.List(DownAttention.Select(a => a ? CrossDown : Down)),
        ["downsample_padding"] = DownsamplePadding,
        ["dual_cross_attention"] = false,
        ["flip_sin_to_cos"] = FlipSinToCos,
        ["freq_shift"] = FreqShift,
        ["in_channels"] = InChannels,
        ["layers_per_block"] = LayersPerBlock,
        ["mid_block_scale_factor"] = 1,
        ["mid_block_type"] = "UNetMidBlock2DCrossAttn",
        ["norm_eps"] = NormEps,
        ["norm_num_groups"] = NormGroups,
        ["only_cross_attention"] = false,
        ["out_channels"] = OutChannels,
        ["sample_size"] = SampleSize,
        ["transformer_layers_per_block"] = TransformerLayers,
        ["up_block_types"] = ModelConfig.List(UpAttention.Select(a => a ? CrossUp : Up)),
        ["upcast_attention"] = UpcastAttention,
        ["use_linear_projection"] = UseLinearProjection,
    });

    /// <summary>A number that diffusers allows to differ between blocks and that must be one number here.</summary>
    static int Equal(ModelConfig json, string key, int otherwise, int blocks)
    {
        int[] all = json.Ints(key, [otherwise], blocks, 1, 1 << 16);
        json.Require(all.Distinct().Count() == 1, $"{key} = [{string.Join(", ", all)}]: supported is one number for all blocks");
        return all[0];
    }
}
