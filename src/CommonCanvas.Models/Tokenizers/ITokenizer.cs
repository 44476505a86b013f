namespace CommonCanvas.Models;

/// <summary>Turns a caption into the fixed number of token ids that a text encoder takes.</summary>
public interface ITokenizer
{
    /// <summary>Ids of every encoded text: begin, tokens, end, padding.</summary>
    int Length { get; }

    /// <summary>One more than the largest id.</summary>
    int VocabSize { get; }

    /// <summary>Id that every text begins with.</summary>
    int BosId { get; }

    /// <summary>Id that every text ends with, also one that was cut off.</summary>
    int EosId { get; }

    /// <summary>Id behind the end, up to <see cref="Length"/>.</summary>
    int PadId { get; }

    /// <summary>Hash of everything that ids depend on, as hexadecimal digits: equal for tokenizers that agree on every text.</summary>
    string Fingerprint { get; }

    /// <summary>The ids of a text, <see cref="Length"/> of them; longer ones are cut off before the end token.</summary>
    int[] Encode(string text);

    /// <summary>The tokens of a text alone, however many: to see whether <see cref="Encode"/> would cut it off (at Length - 2).</summary>
    IReadOnlyList<int> Tokenize(string text);

    /// <summary>Writes a folder that transformers' CLIPTokenizer and <see cref="Tokenizers.Load"/> read.</summary>
    void Save(string folder);
}

/// <summary>Opens tokenizer folders.</summary>
public static class Tokenizers
{
    /// <summary>
    /// Reads a CLIP tokenizer: <c>vocab.json</c> and <c>merges.txt</c>, or <c>tokenizer.json</c> alone, with
    /// <c>tokenizer_config.json</c> and <c>special_tokens_map.json</c> where they are there.
    /// </summary>
    /// <exception cref="InvalidDataException">A damaged file or another kind of tokenizer; the message names the file.</exception>
    /// <exception cref="FileNotFoundException">The folder has no vocabulary.</exception>
    public static ITokenizer Load(string folder) => TokenizerFiles.Load(folder);
}
