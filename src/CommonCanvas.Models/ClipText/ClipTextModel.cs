using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>What the text encoder returns; the caller owns the tensors.</summary>
/// <param name="LastHiddenState">[B, T, width] after the final norm: what Stable Diffusion's pipelines condition on.</param>
/// <param name="Penultimate">[B, T, width] before the last layer, without a norm.</param>
/// <param name="Pooled">[B, width]: the last hidden state where the text ends.</param>
public readonly record struct TextOutput(Tensor LastHiddenState, Tensor Penultimate, Tensor Pooled);

/// <summary>
/// transformers' CLIPTextModel: embeddings, causal transformer layers with a norm before each part, a final norm. Forward
/// only: the recipe does not train it.
/// </summary>
public sealed class ClipTextModel : Model
{
    /// <summary>Base name of its weights' files.</summary>
    public const string FileName = "model";

    const string Prefix = "text_model.";

    readonly Parameter tokens, positions;
    readonly ClipLayer[] layers;
    readonly LayerNorm finalNorm;

    /// <summary>Builds the model with weights of zero; see <see cref="FromFolder"/> and <see cref="ParameterSet.Initialize"/>.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="ops">The device.</param>
    /// <param name="type">Compute precision.</param>
    public ClipTextModel(ClipTextConfig config, IOps ops, DType type) : base(new LayerContext(ops, training: false))
    {
        Config = config;
        var context = Context;
        var root = Parameters.Root["text_model"];
        Parameters.BeginUnit("embeddings");
        tokens = root["embeddings.token_embedding"].Table(config.VocabSize, config.HiddenSize);
        positions = root["embeddings.position_embedding"].Table(config.MaxPositions, config.HiddenSize);
        layers = new ClipLayer[config.Layers];
        for (int i = 0; i < layers.Length; i++)
        {
            Parameters.BeginUnit($"layers.{i}");
            layers[i] = new(context, root["encoder.layers"][i], config);
        }
        Parameters.BeginUnit("final");
        finalNorm = new(context, root["final_layer_norm"], config.HiddenSize, config.NormEps);
        Parameters.Allocate(ops, type, training: false);
    }

    /// <summary>Its shape.</summary>
    public ClipTextConfig Config { get; }

    /// <summary>Reads config.json and weights of a transformers folder, with the prefix <c>text_model.</c> or without.</summary>
    /// <exception cref="InvalidDataException">Unsupported settings, or weights that do not fit them.</exception>
    public static ClipTextModel FromFolder(string folder, IOps ops, DType type)
    {
        var model = new ClipTextModel(ClipTextConfig.Load(folder), ops, type);
        model.LoadOrDispose(folder);
        return model;
    }

    /// <inheritdoc/>
    protected override string ConfigJson => Config.ToJson();

    /// <inheritdoc/>
    protected override string WeightsName => FileName;

    /// <summary>transformers 5 leaves the prefix out.</summary>
    protected override string? OtherName(string name) => name[Prefix.Length..];

    /// <summary>Older versions store the positions 0, 1, 2 ...; other classes add a projection.</summary>
    protected override bool Tolerates(string name) =>
        name.EndsWith("embeddings.position_ids", StringComparison.Ordinal) || name == "text_projection.weight";

    /// <summary>Encodes token ids I32[B, T], T at most the model's positions; ids are checked against the vocabulary.</summary>
    public TextOutput Forward(Tensor ids)
    {
        if (ids.Rank != 2 || ids[1] > Config.MaxPositions)
            throw new ArgumentException($"ids are {ids}; this text encoder takes [batch, tokens] of at most {Config.MaxPositions} tokens", nameof(ids));
        var h = Arena.Rent(tokens.Value.Type, ids[0], ids[1], Config.HiddenSize);
        Ops.EmbeddingForward(ids, tokens.Value, positions.Value, h);
        Tensor penultimate = default;
        for (int i = 0; i < layers.Length; i++)
        {
            if (i == layers.Length - 1) penultimate = Arena.Retain(h);
            var next = layers[i].Forward(h);
            Arena.Release(h);
            h = next;
        }
        var last = finalNorm.Forward(h);
        Arena.Release(h);
        return new TextOutput(last, penultimate, Pool(ids, last));
    }

    // the row of each text's end
    Tensor Pool(Tensor ids, Tensor last)
    {
        var (batch, length) = (ids[0], ids[1]);
        var host = new int[batch * length];
        Ops.Download<int>(ids, host);
        var rows = new int[batch];
        for (int b = 0; b < batch; b++)
        {
            var text = host.AsSpan(b * length, length);
            rows[b] = b * length + (Config.EosTokenId == 2 ? LargestFirst(text) : Math.Max(text.IndexOf(Config.EosTokenId), 0));
        }
        var at = Arena.Rent(DType.I32, batch);
        Ops.Upload<int>(rows, at);
        var pooled = Arena.Rent(last.Type, batch, Config.HiddenSize);
        Ops.EmbeddingForward(at, last.Reshape(batch * length, Config.HiddenSize), default, pooled);
        Arena.Release(at);
        return pooled;
    }

    static int LargestFirst(ReadOnlySpan<int> ids)
    {
        int best = 0;
        for (int i = 1; i < ids.Length; i++)
            if (ids[i] > ids[best]) best = i;
        return best;
    }
}

/// <summary>A layer of CLIP's text encoder: causal attention and two linear layers, each behind a norm and with a residual.</summary>
sealed class ClipLayer : Layer
{
    readonly LayerNorm norm1, norm2;
    readonly Attention attention;
    readonly Linear expand, contract;
    readonly Activation activation;

    public ClipLayer(LayerContext context, ParameterScope scope, ClipTextConfig config) : base(context)
    {
        activation = config.QuickGelu ? Activation.QuickGelu : Activation.Gelu;
        norm1 = new(context, scope["layer_norm1"], config.HiddenSize, config.NormEps);
        attention = new(context, scope["self_attn"], config.HiddenSize, contextWidth: null, config.Heads, bias: true, AttentionNames.Clip, causal: true);
        norm2 = new(context, scope["layer_norm2"], config.HiddenSize, config.NormEps);
        expand = new(context, scope["mlp.fc1"], config.HiddenSize, config.IntermediateSize);
        contract = new(context, scope["mlp.fc2"], config.IntermediateSize, config.HiddenSize);
    }

    public Tensor Forward(Tensor x)
    {
        var normed = norm1.Forward(x);
        var attended = attention.Forward(normed, default, x);
        Arena.Release(normed);
        normed = norm2.Forward(attended);
        var h = expand.Forward(normed);
        Arena.Release(normed);
        Ops.ActivationForward(h, activation, h);
        var y = contract.Forward(h, attended);
        Arena.Release(h);
        Arena.Release(attended);
        return y;
    }
}
