namespace CommonCanvas.Trainer.Configuration;

/// <summary>Finds the word that a mistyped one was probably meant to be.</summary>
public static class Nearest
{
    /// <summary>The candidate with the smallest edit distance, at most a third of its letters; null where none is so near.</summary>
    public static string? To(string word, IEnumerable<string> candidates) =>
        candidates.Where(c => Distance(word, c) <= Math.Max(1, c.Length / 3)).OrderBy(c => Distance(word, c)).ThenBy(c => c, StringComparer.Ordinal).FirstOrDefault();

    /// <summary>Edit distance (Levenshtein): insertions, deletions and replacements of single characters, ignoring case.</summary>
    public static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int replaced = diagonal + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, 1 + Math.Min(row[j], row[j - 1]));
            }
        }
        return row[b.Length];
    }
}
