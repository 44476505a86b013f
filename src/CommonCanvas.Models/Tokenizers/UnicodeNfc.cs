using System.Globalization;
using System.Text;

namespace CommonCanvas.Models;

/// <summary>
/// Unicode's canonical composition (NFC, UAX 15). string.Normalize leaves text as it is where no ICU library is installed,
/// and token ids must not depend on what is installed; so the tables are an embedded resource.
/// </summary>
static class UnicodeNfc
{
    const int HangulBase = 0xAC00, LBase = 0x1100, VBase = 0x1161, TBase = 0x11A7, LCount = 19, VCount = 21, TCount = 28;

    static readonly Lazy<Tables> tables = new(() => new Tables());

    /// <summary>The text in NFC. Half a surrogate pair becomes U+FFFD.</summary>
    internal static string Compose(string text)
    {
        // Below U+0300 nothing combines or decomposes otherwise.
        if (!text.AsSpan().ContainsAnyInRange('\u0300', '\uFFFF')) return text;
        var t = tables.Value;
        var decomposed = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes()) t.Decompose(rune.Value, decomposed);
        Reorder(decomposed, t);

        var composed = new List<int>(decomposed.Count);
        int starter = -1, last = -1;
        foreach (int c in decomposed)
        {
            int order = t.Class(c);
            // A mark joins the last starter unless one of its own or a higher class stands between.
            if (starter >= 0 && last < order && t.Pair(composed[starter], c) is int joined)
            {
                composed[starter] = joined;
                continue;
            }
            if (order == 0) (starter, last) = (composed.Count, -1);
            else last = order;
            composed.Add(c);
        }
        var result = new StringBuilder(text.Length);
        foreach (int c in composed) result.Append(new Rune(c));
        return result.ToString();
    }

    /// <summary>Sorts each run of marks by class; equal classes keep their order.</summary>
    static void Reorder(List<int> text, Tables t)
    {
        for (int i = 0; i < text.Count; i++)
        {
            int end = i;
            while (end < text.Count && t.Class(text[end]) != 0) end++;
            if (end - i < 2) continue;
            int[] sorted = [.. text.GetRange(i, end - i).OrderBy(t.Class)];
            for (int k = 0; k < sorted.Length; k++) text[i + k] = sorted[k];
            i = end;
        }
    }

    sealed class Tables
    {
        readonly Dictionary<int, (int First, int Second)> decompositions = [];
        readonly Dictionary<(int, int), int> compositions = [];
        readonly Dictionary<int, int> classes = [];

        internal Tables()
        {
            using var reader = new StreamReader(typeof(UnicodeNfc).Assembly.GetManifestResourceStream("nfc.txt")!);
            while (reader.ReadLine() is string line)
            {
                if (line.StartsWith('D')) foreach (string entry in line[2..].Split(' ')) AddDecomposition(entry);
                else if (line.StartsWith('C')) AddClass(line[2..]);
            }
        }

        void AddDecomposition(string entry)
        {
            bool excluded = entry[0] == '!';
            string[] parts = entry[(excluded ? 1 : 0)..].Split('=', '+');
            int whole = Hex(parts[0]), first = Hex(parts[1]), second = parts.Length > 2 ? Hex(parts[2]) : -1;
            decompositions.Add(whole, (first, second));
            if (!excluded) compositions.Add((first, second), whole);
        }

        void AddClass(string line)
        {
            string[] parts = line.Split(": ");
            int order = int.Parse(parts[0], CultureInfo.InvariantCulture);
            foreach (string range in parts[1].Split(' '))
            {
                string[] ends = range.Split('-');
                for (int c = Hex(ends[0]); c <= Hex(ends[^1]); c++) classes.Add(c, order);
            }
        }

        static int Hex(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

        internal int Class(int c) => classes.GetValueOrDefault(c);

        internal void Decompose(int c, List<int> to)
        {
            int syllable = c - HangulBase;
            if (syllable is >= 0 and < LCount * VCount * TCount)
            {
                to.Add(LBase + syllable / (VCount * TCount));
                to.Add(VBase + syllable % (VCount * TCount) / TCount);
                if (syllable % TCount != 0) to.Add(TBase + syllable % TCount);
            }
            else if (decompositions.TryGetValue(c, out var parts))
            {
                Decompose(parts.First, to);
                if (parts.Second >= 0) Decompose(parts.Second, to);
            }
            else to.Add(c);
        }

        internal int? Pair(int a, int b)
        {
            if (a - LBase is >= 0 and < LCount && b - VBase is >= 0 and < VCount)
                return HangulBase + ((a - LBase) * VCount + b - VBase) * TCount;
            if (a - HangulBase is >= 0 and < LCount * VCount * TCount && (a - HangulBase) % TCount == 0 && b - TBase is > 0 and < TCount)
                return a + b - TBase;
            return compositions.TryGetValue((a, b), out int whole) ? whole : null;
        }
    }
}
