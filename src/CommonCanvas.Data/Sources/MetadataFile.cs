using System.Text;
using System.Text.Json;

namespace CommonCanvas.Data;

/// <summary>
/// <c>metadata.jsonl</c> or <c>metadata.csv</c> as Hugging Face's imagefolder defines it: one record for a picture, whose
/// <c>file_name</c> is relative to the metadata's own folder.
/// </summary>
static class MetadataFile
{
    /// <summary>Longest record, in bytes of a line or characters of a row.</summary>
    public const int MaxRecord = 1 << 24;

    static readonly UTF8Encoding StrictUtf8 = new(false, true);

    /// <summary>Records by path with <c>/</c>, or null where the folder has no metadata. Names that lead out are kept apart.</summary>
    /// <exception cref="InvalidDataException">Damaged; the message names file and line.</exception>
    public static (Dictionary<string, SampleFields> ByName, List<string> Unsafe)? Find(string folder)
    {
        string json = Path.Combine(folder, "metadata.jsonl"), csv = Path.Combine(folder, "metadata.csv");
        if (File.Exists(json)) return Collect(json, JsonLines(json));
        return File.Exists(csv) ? Collect(csv, CsvRows(csv)) : null;
    }

    static (Dictionary<string, SampleFields>, List<string>) Collect(string path, IEnumerable<(int Line, IReadOnlyDictionary<string, string> Values)> records)
    {
        var byName = new Dictionary<string, SampleFields>(StringComparer.Ordinal);
        var refused = new List<string>();
        foreach ((int line, IReadOnlyDictionary<string, string> values) in records)
        {
            if (!values.TryGetValue("file_name", out string? name) || name.Length == 0) throw DataError.In(path, $"line {line} has no 'file_name'; every record needs one, relative to this file");
            if (!SafePath.IsInside(name))
            {
                refused.Add(name);
                continue;
            }
            string key = string.Join('/', name.Split('/').Where(p => p is not ("" or ".")));
            if (!byName.TryAdd(key, SampleFields.From(values))) throw DataError.In(path, $"line {line}: '{DataError.Shown(name)}' stands twice");
        }
        return (byName, refused);
    }

    static IEnumerable<(int, IReadOnlyDictionary<string, string>)> JsonLines(string path)
    {
        using FileStream file = File.OpenRead(path);
        foreach ((int line, ReadOnlyMemory<byte> text) in Lines(path, file))
        {
            if (text.Span.Trim(" \t\r"u8).IsEmpty) continue;
            Dictionary<string, string> values;
            try { values = SampleFields.Values(text); }
            catch (JsonException cause) { throw DataError.In(path, $"line {line} is not a JSON object ({cause.Message})", cause); }
            yield return (line, values);
        }
    }

    /// <summary>Lines without their ends; the first without a byte order mark. One buffer, so each is valid until the next.</summary>
    static IEnumerable<(int Line, ReadOnlyMemory<byte> Text)> Lines(string path, Stream file)
    {
        var buffer = new byte[1 << 16];
        int have = 0, line = 0;
        bool ended = false;
        while (!ended || have > 0)
        {
            int start = 0;
            for (int stop; (stop = Array.IndexOf(buffer, (byte)'\n', start, have - start)) >= 0 || ended && start < have; start = stop + 1)
            {
                if (stop < 0) stop = have;
                if (line++ == 0 && buffer.AsSpan(0, have).StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF])) start = 3;
                yield return (line, buffer.AsMemory(start, Math.Max(stop - start, 0)));
                if (stop >= have - 1) { start = have; break; }
            }
            start = Math.Min(start, have);
            buffer.AsSpan(start, have - start).CopyTo(buffer);
            have -= start;
            if (ended) yield break;
            if (have == buffer.Length)
            {
                if (buffer.Length >= MaxRecord) throw DataError.In(path, $"line {line + 1} is longer than {MaxRecord} bytes");
                Array.Resize(ref buffer, buffer.Length * 2);
            }
            int n = file.Read(buffer, have, buffer.Length - have);
            ended = n == 0;
            have += n;
        }
    }

    static IEnumerable<(int, IReadOnlyDictionary<string, string>)> CsvRows(string path)
    {
        using var text = new StreamReader(path, StrictUtf8);
        var rows = new CsvReader(path, text);
        string[]? names = null;
        while (rows.Next() is string[] row)
        {
            if (row is [""]) continue;
            if (names is null)
            {
                names = row;
                continue;
            }
            if (row.Length != names.Length) throw DataError.In(path, $"line {rows.Line} has {row.Length} fields; the head has {names.Length}");
            var values = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            for (int i = 0; i < row.Length; i++) values[names[i]] = row[i];
            yield return (rows.Line, values);
        }
    }
}
