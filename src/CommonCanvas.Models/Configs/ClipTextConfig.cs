using System.Text.Json.Nodes;

namespace CommonCanvas.Models;

/// <summary>
/// The settings of transformers' CLIPTextModel. The property defaults are Stable Diffusion 2's: OpenCLIP ViT-H's text
/// encoder without its last layer, so that the output after the final norm is the penultimate layer's.
/// </summary>
public sealed record ClipTextConfig
{
    /// <summary>Number of token ids.</summary>
    public int VocabSize { get; init; } = 49408;

    /// <summary>Width of a token's embedding.</summary>
    public int HiddenSize { get; init; } = 1024;

    /// <summary>Width inside the feed-forward layers.</summary>
    public int IntermediateSize { get; init; } = 4096;

    /// <summary>Number of layers.</summary>
    public int Layers { get; init; } = 23;

    /// <summary>Attention heads.</summary>
    public int Heads { get; init; } = 16;

    /// <summary>Number of positions: the longest token sequence.</summary>
    public int MaxPositions { get; init; } = 77;

    /// <summary>Whether the activation is x * sigmoid(1.702 x) (Stable Diffusion 1) instead of the exact GELU (2).</summary>
    public bool QuickGelu { get; init; }

    /// <summary>Epsilon of the LayerNorms.</summary>
    public float NormEps { get; init; } = 1e-5f;

    /// <summary>Width of the projection that transformers' other classes add; kept for what is written.</summary>
    public int ProjectionDim { get; init; } = 512;

    /// <summary>First token.</summary>
    public int BosTokenId { get; init; } = 49406;

    /// <summary>
    /// The token whose place gives the pooled output. In transformers the value 2, which folders of its early versions
    /// have, means instead "the place of the largest id".
    /// </summary>
    public int EosTokenId { get; init; } = 49407;

    /// <summary>Padding token; the encoder attends to it like to any other.</summary>
    public int PadTokenId { get; init; }

    /// <summary>Stable Diffusion 2's: 340.4 M parameters.</summary>
    public static ClipTextConfig Sd2 { get; } = new();

    /// <summary>Reads <c>config.json</c> of a model's folder, or the file itself.</summary>
    /// <exception cref="InvalidDataException">Unknown keys or unsupported values, all listed.</exception>
    public static ClipTextConfig Load(string folderOrFile)
    {
        string path = ConfigFiles.Find(folderOrFile, "config.json");
        return From(ModelConfig.Read(path));
    }

    internal static ClipTextConfig From(ModelConfig json)
    {
        json.Only("\"clip_text_model\"", "model_type");
        json.Only("\"CLIPTextModel\"", "architectures");
        // Set training up, or name the type of the stored weights, which the weights say themselves.
        json.Ignore("attention_dropout", "dropout", "initializer_factor", "initializer_range", "dtype", "torch_dtype", "transformers_version");
        var config = new ClipTextConfig
        {
            VocabSize = json.Int("vocab_size", 49408, 1, 1 << 24),
            HiddenSize = json.Int("hidden_size", 512, 1, 1 << 16),
            IntermediateSize = json.Int("intermediate_size", 2048, 1, 1 << 18),
            Layers = json.Int("num_hidden_layers", 12, 1, 1 << 10),
            Heads = json.Int("num_attention_heads", 8, 1, 1 << 12),
            MaxPositions = json.Int("max_position_embeddings", 77, 1, 1 << 20),
            QuickGelu = json.Choice("hidden_act", "quick_gelu", "gelu", "quick_gelu") == "quick_gelu",
            NormEps = (float)json.Float("layer_norm_eps", 1e-5, 1e-12, 1),
            ProjectionDim = json.Int("projection_dim", 512, 1, 1 << 16),
            BosTokenId = json.Int("bos_token_id", 49406, 0, 1 << 24),
            EosTokenId = json.Int("eos_token_id", 49407, 0, 1 << 24),
            PadTokenId = json.Int("pad_token_id", 1, 0, 1 << 24),
        };
        foreach (string problem in config.Contradictions()) json.Require(false, problem);
        json.Finish();
        return config;
    }

    /// <summary>What in these settings cannot be built; empty when all fits together.</summary>
    public IEnumerable<string> Contradictions()
    {
        if (HiddenSize % Heads != 0) yield return $"hidden_size = {HiddenSize} is not a multiple of num_attention_heads = {Heads}";
    }

    /// <summary>The configuration as transformers loads it.</summary>
    public string ToJson() => ModelConfig.Write(new JsonObject
    {
        ["architectures"] = ModelConfig.List(["CLIPTextModel"]),
        ["attention_dropout"] = 0.0,
        ["bos_token_id"] = BosTokenId,
        ["eos_token_id"] = EosTokenId,
        ["hidden_act"] = QuickGelu ? "quick_gelu" : "gelu",
        ["hidden_size"] = HiddenSize,
        ["initializer_factor"] = 1.0,
        ["initializer_range"] = 0.02,
        ["intermediate_size"] = IntermediateSize,
        ["layer_norm_eps"] = NormEps,
        ["max_position_embeddings"] = MaxPositions,
        ["model_type"] = "clip_text_model",
        ["num_attention_heads"] = Heads,
        ["num_hidden_layers"] = Layers,
        ["pad_token_id"] = PadTokenId,
        ["projection_dim"] = ProjectionDim,
        ["torch_dtype"] = "float32",
        ["transformers_version"] = ConfigFiles.TransformersVersion,
        ["vocab_size"] = VocabSize,
    });
}
