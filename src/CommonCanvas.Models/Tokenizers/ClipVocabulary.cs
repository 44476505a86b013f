namespace CommonCanvas.Models;

/// <summary>Everything that a CLIP tokenizer's ids depend on.</summary>
sealed record ClipVocabulary
{
    /// <summary>Each byte within a word and at its end.</summary>
    internal const int ByteTokens = 512;

    /// <summary>Id by token.</summary>
    internal required IReadOnlyDictionary<string, int> Tokens { get; init; }

    /// <summary>Pairs to merge, the first first.</summary>
    internal required IReadOnlyList<(string Left, string Right)> Merges { get; init; }

    /// <summary>Further tokens that are taken out of a text as they stand.</summary>
    internal IReadOnlyDictionary<string, int> Special { get; init; } = new Dictionary<string, int>();

    internal string Bos { get; init; } = ClipTokenizer.DefaultBos;
    internal string Eos { get; init; } = ClipTokenizer.DefaultEos;
    internal string Pad { get; init; } = ClipTokenizer.DefaultEos;
    internal string Unknown { get; init; } = ClipTokenizer.DefaultEos;
    internal int Length { get; init; } = 77;

    internal int IdOf(string token, string source) =>
        Special.TryGetValue(token, out int special) ? special
        : Tokens.TryGetValue(token, out int id) ? id
        : throw new InvalidDataException($"{source}: the special token '{SafetensorsHeader.Short(token)}' is not in the vocabulary");

    /// <summary>The vocabulary in CLIP's order: bytes, bytes that end a word, merges, begin, end.</summary>
    internal static ClipVocabulary FromMerges(IReadOnlyList<(string Left, string Right)> merges, int length)
    {
        var tokens = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (char c in ByteAlphabet.InVocabularyOrder) tokens.Add(c.ToString(), tokens.Count);
        foreach (char c in ByteAlphabet.InVocabularyOrder) tokens.Add(c + ClipTokenizer.EndOfWord, tokens.Count);
        // Two pairs can spell one token: "ab" + "c" and "a" + "bc".
        foreach (var (left, right) in merges) tokens.TryAdd(left + right, tokens.Count);
        tokens.Add(ClipTokenizer.DefaultBos, tokens.Count);
        tokens.Add(ClipTokenizer.DefaultEos, tokens.Count);
        return new ClipVocabulary { Tokens = tokens, Merges = merges, Length = length };
    }
}
