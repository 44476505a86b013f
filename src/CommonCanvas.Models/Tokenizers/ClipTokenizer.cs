using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace CommonCanvas.Models;

/// <summary>
/// CLIP's tokenizer: lower-cased text in pieces, each piece's bytes merged by byte-pair encoding, between a begin and an
/// end token. Special tokens are taken out of the text first, as they stand there. Safe for use by several threads.
/// </summary>
public sealed class ClipTokenizer : ITokenizer
{
    /// <summary>What ends a word's last symbol.</summary>
    internal const string EndOfWord = "</w>";

    internal const string DefaultBos = "<|startoftext|>", DefaultEos = "<|endoftext|>";

    readonly BpeTokenizer bpe;
    readonly (string Text, int Id)[] specials;

    internal ClipTokenizer(ClipVocabulary vocabulary, string source)
    {
        Vocabulary = vocabulary;
        Length = vocabulary.Length;
        BosId = vocabulary.IdOf(vocabulary.Bos, source);
        EosId = vocabulary.IdOf(vocabulary.Eos, source);
        PadId = vocabulary.IdOf(vocabulary.Pad, source);
        int unknown = vocabulary.IdOf(vocabulary.Unknown, source);
        // The longest first, so that of two that start alike the longer one is found.
        specials = [.. vocabulary.Special.Concat([
                KeyValuePair.Create(vocabulary.Bos, BosId), KeyValuePair.Create(vocabulary.Eos, EosId),
                KeyValuePair.Create(vocabulary.Pad, PadId), KeyValuePair.Create(vocabulary.Unknown, unknown)])
            .Where(s => s.Key.Length > 0).DistinctBy(s => s.Key).OrderByDescending(s => s.Key.Length).ThenBy(s => s.Key, StringComparer.Ordinal).Select(s => (s.Key, s.Value))];
        VocabSize = Math.Max(vocabulary.Tokens.Values.Max(), specials.Max(s => s.Id)) + 1;
        try
        {
            bpe = BpeTokenizer.Create(new BpeOptions(vocabulary.Tokens)
            {
                Merges = vocabulary.Merges.Select(m => $"{m.Left} {m.Right}"),
                EndOfWordSuffix = EndOfWord,
                UnknownToken = vocabulary.Tokens.ContainsKey(vocabulary.Unknown) ? vocabulary.Unknown : null,
            });
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or FormatException or IndexOutOfRangeException)
        {
            throw new InvalidDataException($"{source}: vocabulary and merges do not fit together: {e.Message}", e);
        }
        Fingerprint = Hash();
    }

    /// <inheritdoc/>
    public int Length { get; }

    /// <inheritdoc/>
    public int VocabSize { get; }

    /// <inheritdoc/>
    public int BosId { get; }

    /// <inheritdoc/>
    public int EosId { get; }

    /// <inheritdoc/>
    public int PadId { get; }

    /// <inheritdoc/>
    public string Fingerprint { get; }

    internal ClipVocabulary Vocabulary { get; }

    /// <summary>
    /// A tokenizer whose tokens are bytes: nothing to learn, any text, one id a byte. 514 ids: each byte within and at the
    /// end of a word, begin, and end, which is the padding too.
    /// </summary>
    /// <param name="length">Ids of an encoded text, at least 2.</param>
    public static ClipTokenizer ForBytes(int length = 77) => Build([], ClipVocabulary.ByteTokens + 2, length);

    /// <summary>
    /// Learns byte-pair merges from captions: the same captions give the same tokenizer. Frequent words become one token
    /// each, so that a short <paramref name="length"/> holds a whole caption.
    /// </summary>
    /// <param name="captions">What to learn from.</param>
    /// <param name="vocabSize">Most ids, at least 514; fewer where no pair occurs twice any more.</param>
    /// <param name="length">Ids of an encoded text, at least 2.</param>
    public static ClipTokenizer Build(IEnumerable<string> captions, int vocabSize, int length = 77)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabSize, ClipVocabulary.ByteTokens + 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 2);
        var pieces = captions.SelectMany(c => ClipPieces.Split(ClipPieces.Normalize(c)));
        var merges = BpeTrainer.Learn(pieces, vocabSize - ClipVocabulary.ByteTokens - 2);
        return new ClipTokenizer(ClipVocabulary.FromMerges(merges, length), "the learned vocabulary");
    }

    /// <inheritdoc/>
    public int[] Encode(string text)
    {
        var tokens = Tokenize(text);
        int[] ids = new int[Length];
        ids.AsSpan().Fill(PadId);
        int count = Math.Min(tokens.Count, Length - 2);
        ids[0] = BosId;
        for (int i = 0; i < count; i++) ids[i + 1] = tokens[i];
        ids[count + 1] = EosId;
        return ids;
    }

    /// <inheritdoc/>
    public IReadOnlyList<int> Tokenize(string text)
    {
        var ids = new List<int>();
        for (int at = 0; at < text.Length;)
        {
            var (start, special) = NextSpecial(text, at);
            if (start > at) AddPlain(text[at..start], ids);
            if (start == text.Length) break;
            ids.Add(special.Id);
            at = start + special.Text.Length;
        }
        return ids;
    }

    /// <inheritdoc/>
    public void Save(string folder) => TokenizerFiles.Save(this, folder);

    void AddPlain(string text, List<int> ids)
    {
        foreach (string piece in ClipPieces.Split(ClipPieces.Normalize(text)))
            ids.AddRange(bpe.EncodeToIds(piece, considerPreTokenization: false, considerNormalization: false));
    }

    (int Start, (string Text, int Id) Special) NextSpecial(string text, int from)
    {
        int best = text.Length;
        (string, int) found = default;
        foreach (var special in specials)
        {
            int at = text.AsSpan(from, best - from).IndexOf(special.Text, StringComparison.Ordinal);
            if (at >= 0) (best, found) = (from + at, special);
        }
        return (best, found);
    }

    string Hash()
    {
        var text = new StringBuilder();
        text.Append(Length).Append(' ').Append(BosId).Append(' ').Append(EosId).Append(' ').Append(PadId).Append('\n');
        foreach (var (token, id) in Vocabulary.Tokens.OrderBy(t => t.Value)) text.Append(id).Append(' ').Append(token).Append('\n');
        foreach (var (left, right) in Vocabulary.Merges) text.Append(left).Append(' ').Append(right).Append('\n');
        foreach (var (special, id) in specials) text.Append(id).Append(' ').Append(special).Append('\n');
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
