using System.Globalization;

namespace CommonCanvas.Emulator.Ptx;

/// <summary>A PTX text that cannot be read: says the line and what stands there.</summary>
public sealed class PtxSyntaxException(int line, string message) : Exception($"PTX line {line}: {message}")
{
    /// <summary>Line in the PTX text, from 1.</summary>
    public int Line { get; } = line;
}

/// <summary>What a token is.</summary>
public enum PtxTokenKind
{
    /// <summary>A name, a directive, an opcode or a register: letters, digits and <c>_ $ % .</c>.</summary>
    Word,
    /// <summary>A literal: its bits are in the token.</summary>
    Number,
    /// <summary>A quoted text.</summary>
    Text,
    /// <summary>One character.</summary>
    Mark,
    /// <summary>The end.</summary>
    End,
}

/// <summary>A token with its line.</summary>
public readonly record struct PtxToken(PtxTokenKind Kind, string Text, ulong Bits, char NumberKind, int Line)
{
    /// <summary>Whether it is the mark <paramref name="mark"/>.</summary>
    public bool Is(char mark) => Kind == PtxTokenKind.Mark && Text[0] == mark;
}

/// <summary>Cuts a PTX text into tokens, leaving comments out.</summary>
public static class PtxLexer
{
    /// <summary>All tokens, closed by one of kind <see cref="PtxTokenKind.End"/>.</summary>
    /// <exception cref="PtxSyntaxException">A character or literal that PTX does not have.</exception>
    public static List<PtxToken> Read(string text)
    {
        var tokens = new List<PtxToken>(text.Length / 4);
        int at = 0, line = 1;
        while (at < text.Length)
        {
            char c = text[at];
            if (c == '\n') line++;
            if (char.IsWhiteSpace(c) || c == '\0') at++;
            else if (c == '/' && At(text, at + 1) == '/') at = IndexOr(text, "\n", at);
            else if (c == '/' && At(text, at + 1) == '*')
            {
                int end = IndexOr(text, "*/", at + 2) + 2;
                line += text.AsSpan(at, Math.Min(end, text.Length) - at).Count('\n');
                at = end;
            }
            else if (c == '"')
            {
                int end = IndexOr(text, "\"", at + 1);
                tokens.Add(new PtxToken(PtxTokenKind.Text, text[(at + 1)..end], 0, ' ', line));
                at = end + 1;
            }
            else if (char.IsAsciiDigit(c))
            {
                int end = at;
                while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] == '.')) end++;
                tokens.Add(Number(text[at..end], line));
                at = end;
            }
            else if (IsWord(c))
            {
                int end = at;
                while (end < text.Length && (IsWord(text[end]) || IsDoubleColon(text, end))) end++;
                tokens.Add(new PtxToken(PtxTokenKind.Word, text[at..end], 0, ' ', line));
                at = end;
            }
            else if ("{}[]()<>,;:=+-|!@".Contains(c))
            {
                tokens.Add(new PtxToken(PtxTokenKind.Mark, c.ToString(), 0, ' ', line));
                at++;
            }
            else throw new PtxSyntaxException(line, $"unexpected character '{c}'");
        }
        tokens.Add(new PtxToken(PtxTokenKind.End, "", 0, ' ', line));
        return tokens;
    }

    static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '$' or '%' or '.';

    // as in ld.global.L1::no_allocate
    static bool IsDoubleColon(string text, int at) => text[at] == ':' && (At(text, at + 1) == ':' || text[at - 1] == ':');

    static char At(string text, int at) => at < text.Length ? text[at] : '\0';

    static int IndexOr(string text, string what, int from)
    {
        int at = text.IndexOf(what, from, StringComparison.Ordinal);
        return at < 0 ? text.Length : at;
    }

    // 12, 0x1F, 017, 12U, 0f3F800000, 0d3FF0000000000000; versions such as 7.8 stay words
    static PtxToken Number(string text, int line)
    {
        if (text.Contains('.')) return new PtxToken(PtxTokenKind.Word, text, 0, ' ', line);
        string lower = text.ToLowerInvariant();
        char kind = lower.Length == 10 && lower.StartsWith("0f", StringComparison.Ordinal) ? 'f'
            : lower.Length == 18 && lower.StartsWith("0d", StringComparison.Ordinal) ? 'd' : 'i';
        bool ok;
        ulong bits;
        if (kind != 'i') ok = ulong.TryParse(lower[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out bits);
        else
        {
            string digits = lower.TrimEnd('u');
            if (digits.StartsWith("0x", StringComparison.Ordinal)) ok = ulong.TryParse(digits[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out bits);
            else if (digits.StartsWith("0b", StringComparison.Ordinal)) ok = ulong.TryParse(digits[2..], NumberStyles.BinaryNumber, CultureInfo.InvariantCulture, out bits);
            else if (digits.Length > 1 && digits[0] == '0') ok = TryOctal(digits, out bits);
            else ok = ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out bits);
        }
        return ok ? new PtxToken(PtxTokenKind.Number, text, bits, kind, line)
            : throw new PtxSyntaxException(line, $"'{text}' is not a literal");
    }

    static bool TryOctal(string digits, out ulong bits)
    {
        bits = 0;
        foreach (char digit in digits)
        {
            if (digit is < '0' or > '7' || bits >> 61 != 0) return false;
            bits = bits * 8 + (ulong)(digit - '0');
        }
        return true;
    }
}
