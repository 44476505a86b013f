using System.Globalization;
using System.Text;

namespace CommonCanvas.Models;

/// <summary>
/// CLIP's normalisation (NFC, lower case) and its cut of a text into pieces before byte pairs are merged: English
/// contractions, runs of letters, single digits, runs of anything else that is not white space. Characters are Unicode
/// scalar values, as in the tokenizers library, not UTF-16 units.
/// </summary>
static class ClipPieces
{
    static readonly string[] contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    // The pattern has both special tokens as alternatives; lower-cased, "<|ENDOFTEXT|>" comes here as text.
    static readonly string[] specials = ["<|startoftext|>", "<|endoftext|>"];

    enum Kind
    {
        Space,
        Letter,
        Number,
        Other,
    }

    /// <summary>NFC, then every character in lower case by itself.</summary>
    internal static string Normalize(string text)
    {
        string composed = UnicodeNfc.Compose(text);
        var lower = new StringBuilder(composed.Length);
        foreach (var rune in composed.EnumerateRunes())
        {
            // The one character whose lower case is two.
            if (rune.Value == 0x130) lower.Append("i\u0307");
            else lower.Append(Rune.ToLowerInvariant(rune));
        }
        return lower.ToString();
    }

    /// <summary>The pieces of a normalised text, each written in the byte alphabet.</summary>
    internal static IEnumerable<string> Split(string text)
    {
        int at = 0;
        while (at < text.Length)
        {
            Kind kind = KindAt(text, at, out int width);
            if (kind == Kind.Space)
            {
                at += width;
                continue;
            }
            if (text[at] == '<' && StartsWith(text, at, specials) is int special and > 0)
            {
                // Split a second time, by the byte-level step's own pattern.
                yield return "<|";
                yield return text[(at + 2)..(at + special - 2)];
                yield return "|>";
                at += special;
                continue;
            }
            int end = at + width;
            if (text[at] == '\'' && StartsWith(text, at, contractions) is int contraction and > 0) end = at + contraction;
            else if (kind != Kind.Number)
                while (end < text.Length && KindAt(text, end, out width) == kind) end += width;
            yield return ByteAlphabet.Write(text.AsSpan(at, end - at));
            at = end;
        }
    }

    static int StartsWith(string text, int at, string[] candidates)
    {
        foreach (string candidate in candidates)
            if (text.AsSpan(at).StartsWith(candidate, StringComparison.Ordinal)) return candidate.Length;
        return 0;
    }

    static Kind KindAt(string text, int at, out int width)
    {
        Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out width);
        if (Rune.IsWhiteSpace(rune)) return Kind.Space;
        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => Kind.Other,
        };
    }
}
