namespace CommonCanvas.Models;

/// <summary>
/// Learns byte-pair merges (Sennrich et al., arXiv 1508.07909): the pair of symbols that is most frequent in all words is
/// merged, again and again. Of equally frequent ones the first in ordinal order is taken, so the outcome is determined.
/// </summary>
static class BpeTrainer
{
    /// <param name="pieces">Words in the byte alphabet, as often as they occur.</param>
    /// <param name="most">Merges to learn at most; it ends earlier when no pair occurs twice.</param>
    internal static List<(string Left, string Right)> Learn(IEnumerable<string> pieces, int most)
    {
        var words = Words(pieces);
        var counts = new Dictionary<(string, string), long>();
        var places = new Dictionary<(string, string), HashSet<int>>();
        for (int w = 0; w < words.Length; w++) Count(words[w], w, +1, counts, places);

        // A pair stands in the queue once for each count that it had; only the current one is believed.
        var queue = new PriorityQueue<(string, string), (long Count, string Left, string Right)>(Comparer<(long Count, string Left, string Right)>.Create(First));
        foreach (var (pair, count) in counts) queue.Enqueue(pair, (count, pair.Item1, pair.Item2));

        var merges = new List<(string, string)>();
        while (merges.Count < most && queue.TryDequeue(out var best, out var priority))
        {
            if (priority.Count < 2) break;
            if (counts.GetValueOrDefault(best) != priority.Count) continue;
            merges.Add(best);
            var touched = new HashSet<(string, string)>();
            foreach (int w in places[best].Order().ToArray())
            {
                foreach (var pair in Pairs(words[w].Symbols)) touched.Add(pair);
                Count(words[w], w, -1, counts, places);
                Merge(words[w].Symbols, best);
                Count(words[w], w, +1, counts, places);
                foreach (var pair in Pairs(words[w].Symbols)) touched.Add(pair);
            }
            foreach (var pair in touched)
                if (counts.GetValueOrDefault(pair) is long count and > 0) queue.Enqueue(pair, (count, pair.Item1, pair.Item2));
        }
        return merges;
    }

    static (List<string> Symbols, long Count)[] Words(IEnumerable<string> pieces)
    {
        var occurrences = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (string piece in pieces) occurrences[piece] = occurrences.GetValueOrDefault(piece) + 1;
        return [.. occurrences.OrderBy(o => o.Key, StringComparer.Ordinal).Select(o =>
        {
            var symbols = o.Key.Select(c => c.ToString()).ToList();
            symbols[^1] += ClipTokenizer.EndOfWord;
            return (symbols, o.Value);
        })];
    }

    static void Count((List<string> Symbols, long Count) word, int w, int sign, Dictionary<(string, string), long> counts, Dictionary<(string, string), HashSet<int>> places)
    {
        foreach (var pair in Pairs(word.Symbols))
        {
            counts[pair] = counts.GetValueOrDefault(pair) + sign * word.Count;
            if (!places.TryGetValue(pair, out var set)) places[pair] = set = [];
            if (sign > 0) set.Add(w);
            else set.Remove(w);
        }
    }

    static IEnumerable<(string, string)> Pairs(List<string> symbols)
    {
        for (int i = 0; i + 1 < symbols.Count; i++) yield return (symbols[i], symbols[i + 1]);
    }

    static void Merge(List<string> symbols, (string Left, string Right) pair)
    {
        int to = 0;
        for (int i = 0; i < symbols.Count; i++)
        {
            bool here = i + 1 < symbols.Count && symbols[i] == pair.Left && symbols[i + 1] == pair.Right;
            symbols[to++] = here ? pair.Left + pair.Right : symbols[i];
            if (here) i++;
        }
        symbols.RemoveRange(to, symbols.Count - to);
    }

    static int First((long Count, string Left, string Right) a, (long Count, string Left, string Right) b)
    {
        int by = b.Count.CompareTo(a.Count);
        if (by == 0) by = string.CompareOrdinal(a.Left, b.Left);
        return by != 0 ? by : string.CompareOrdinal(a.Right, b.Right);
    }
}
