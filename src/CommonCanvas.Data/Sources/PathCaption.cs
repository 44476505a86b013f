using System.Buffers;
using System.Globalization;

namespace CommonCanvas.Data;

/// <summary>
/// Makes a caption of a path, for pictures that have no better one: the words of the file's name, then those of its
/// folders from the inside out, separated by commas. <c>animals/birds/owl_on_branch_01.png</c> becomes
/// <c>owl on branch, birds, animals</c>.
/// </summary>
/// <remarks>
/// The rule: the ending goes; names are split at everything that is no letter or digit, between letters and digits, and
/// where a small letter meets a capital; all is lower case. Dropped are numbers, single Latin letters other than <c>a</c>,
/// what looks like a hexadecimal digest, the words of cameras and formats (<c>img</c>, <c>dsc</c>, <c>png</c>, <c>copy</c>,
/// ...), a name that consists of nothing but such as <c>photo</c>, <c>unsorted</c>, <c>train</c>, and a folder whose words
/// have all been said.
/// </remarks>
public static class PathCaption
{
    /// <summary>Words of cameras, formats and copies, dropped wherever they stand.</summary>
    static readonly HashSet<string> Noise = new(StringComparer.Ordinal)
    {
        "img", "imgs", "dsc", "dscn", "dscf", "pic", "pics", "jpg", "jpeg", "png", "gif", "webp", "svg", "copy", "copia", "tmp", "px", "pt",
        "untitled", "unnamed", "clipart", "openclipart", "opencl",
    };

    /// <summary>Words that mean something beside others ("train station", "new moon") and nothing alone.</summary>
    static readonly HashSet<string> EmptyAlone = new(StringComparer.Ordinal)
    {
        "image", "images", "picture", "pictures", "photo", "photos", "file", "files", "final", "temp", "new", "unsorted", "misc", "various",
        "other", "others", "data", "dataset", "train", "test", "val", "validation", "version", "a", "the", "and", "of", "by",
    };

    static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdefABCDEF");

    /// <summary>The caption, or null where no word is left.</summary>
    /// <param name="path">A path below the data folder, separated by <c>/</c>.</param>
    public static string? From(string path)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length == 0) return null;
        int dot = parts[^1].LastIndexOf('.');
        if (dot > 0) parts[^1] = parts[^1][..dot];
        var said = new HashSet<string>(StringComparer.Ordinal);
        var phrases = new List<string>();
        for (int i = parts.Length - 1; i >= 0; i--)
        {
            List<string> words = Words(parts[i]);
            bool news = false;
            foreach (string word in words) news |= said.Add(word);
            if (news) phrases.Add(string.Join(' ', words));
        }
        return phrases.Count > 0 ? string.Join(", ", phrases) : null;
    }

    static List<string> Words(string name)
    {
        var words = new List<string>();
        foreach (string piece in name.Split(IsGap))
        {
            if (IsDigest(piece)) continue;
            int start = 0;
            for (int i = 1; i <= piece.Length; i++)
            {
                if (i < piece.Length && !IsSeam(piece, i)) continue;
                string word = piece[start..i].ToLowerInvariant();
                start = i;
                if (char.IsDigit(word[0]) || word.Length == 1 && char.IsAscii(word[0]) && word != "a" || Noise.Contains(word)) continue;
                words.Add(word);
            }
        }
        return words.TrueForAll(EmptyAlone.Contains) ? [] : words;
    }

    static bool IsSeam(string piece, int i)
    {
        char before = piece[i - 1], here = piece[i];
        if (char.IsDigit(before) != char.IsDigit(here)) return true;
        if (char.IsLower(before) && char.IsUpper(here)) return true;
        // The last capital of a run begins the next word: "HTMLPage".
        return char.IsUpper(before) && char.IsUpper(here) && i + 1 < piece.Length && char.IsLower(piece[i + 1]);
    }

    static bool IsDigest(string piece) =>
        piece.Length >= 8 && piece.AsSpan().ContainsAnyInRange('0', '9') && !piece.AsSpan().ContainsAnyExcept(HexDigits);

    static string[] Split(this string text, Func<char, bool> gap)
    {
        var pieces = new List<string>();
        int start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i < text.Length && !gap(text[i])) continue;
            if (i > start) pieces.Add(text[start..i]);
            start = i + 1;
        }
        return [.. pieces];
    }

    /// <summary>Marks belong to letters (accents, vowel signs); everything else between words is a gap.</summary>
    static bool IsGap(char c) => !char.IsLetterOrDigit(c) && !char.IsSurrogate(c)
        && char.GetUnicodeCategory(c) is not (UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark);
}
