using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// Captions to embeddings, fp16 as caches hold them: the text encoder's last hidden state, which Stable Diffusion
/// conditions on (for Stable Diffusion 2 that is OpenCLIP's penultimate layer, since its folder leaves the last one out).
/// Captions that come again are remembered.
/// </summary>
public sealed class CaptionEncoder(IOps ops, ClipTextModel model, ITokenizer tokenizer)
{
    const long RememberedBytes = 1 << 26;

    readonly Dictionary<string, byte[]> remembered = new(StringComparer.Ordinal);

    /// <summary>Tokens of an embedding.</summary>
    public int Tokens { get; } = Math.Min(tokenizer.Length, model.Config.MaxPositions);

    /// <summary>Numbers per token.</summary>
    public int Width => model.Config.HiddenSize;

    /// <summary>The embedding of each text, [Tokens, Width] in fp16, little-endian; a text's bytes do not depend on the others.</summary>
    public byte[][] Encode(IReadOnlyList<string> texts)
    {
        string[] missing = [.. texts.Distinct(StringComparer.Ordinal).Where(t => !remembered.ContainsKey(t))];
        if ((remembered.Count + missing.Length) * (long)Tokens * Width * 2 > RememberedBytes)
        {
            remembered.Clear();
            missing = [.. texts.Distinct(StringComparer.Ordinal)];
        }
        if (missing.Length > 0)
        {
            var values = Run(missing);
            int size = Tokens * Width;
            for (int i = 0; i < missing.Length; i++) remembered[missing[i]] = LatentCodec.ToHalves(values.AsSpan(i * size, size));
        }
        return [.. texts.Select(t => remembered[t])];
    }

    float[] Run(string[] texts)
    {
        var hidden = LastHiddenState(ops, model, tokenizer, texts);
        var values = ops.DownloadFloats(hidden);
        ops.Arena.Release(hidden);
        return values;
    }

    /// <summary>The last hidden state of texts, [texts, tokens, width] in the model's type; the caller owns it.</summary>
    internal static Tensor LastHiddenState(IOps ops, ClipTextModel model, ITokenizer tokenizer, IReadOnlyList<string> texts)
    {
        int tokens = Math.Min(tokenizer.Length, model.Config.MaxPositions);
        var ids = new int[texts.Count * tokens];
        for (int i = 0; i < texts.Count; i++) tokenizer.Encode(texts[i]).AsSpan(0, tokens).CopyTo(ids.AsSpan(i * tokens));
        var tensor = ops.Arena.Rent(DType.I32, texts.Count, tokens);
        ops.Upload<int>(ids, tensor);
        var output = model.Forward(tensor);
        foreach (var t in (ReadOnlySpan<Tensor>)[tensor, output.Penultimate, output.Pooled]) ops.Arena.Release(t);
        return output.LastHiddenState;
    }
}
