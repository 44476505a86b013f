using System.Text;

namespace CommonCanvas.Training;

/// <summary>Whom a picture is owed to.</summary>
/// <param name="Key">Names the picture within its source.</param>
/// <param name="Licence">As the source gives it.</param>
/// <param name="Credit">Whom to name.</param>
public sealed record Attribution(string Key, string Licence, string Credit)
{
    /// <summary>Name of the file in a run folder.</summary>
    public const string FileName = "ATTRIBUTION.csv";

    /// <summary>Writes a CSV file (RFC 4180) of all pictures and counts them by licence.</summary>
    public static IReadOnlyDictionary<string, long> Write(string path, IEnumerable<Attribution> pictures)
    {
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        string temporary = path + ".tmp";
        using (var writer = new StreamWriter(temporary, append: false, new UTF8Encoding(false)) { NewLine = "\r\n" })
        {
            writer.WriteLine("key,licence,attribution");
            foreach (var (key, licence, credit) in pictures)
            {
                writer.WriteLine($"{Quoted(key)},{Quoted(licence)},{Quoted(credit)}");
                string name = licence.Length == 0 ? "unknown" : licence;
                counts[name] = counts.GetValueOrDefault(name) + 1;
            }
        }
        File.Move(temporary, path, overwrite: true);
        return counts;
    }

    /// <summary>Counts the pictures of such a file by licence; empty where there is no file.</summary>
    public static IReadOnlyDictionary<string, long> CountLicences(string path)
    {
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        if (!File.Exists(path)) return counts;
        using var reader = new StreamReader(path);
        int field = 0, row = 0;
        bool quoted = false;
        var licence = new StringBuilder();
        for (int c = reader.Read(); c >= 0; c = reader.Read())
        {
            if (c == '"') quoted = !quoted;
            else if (quoted || c is not (',' or '\n'))
            {
                if (field == 1 && c != '\r') licence.Append((char)c);
            }
            else if (c == ',') field++;
            else
            {
                string name = licence.Length == 0 ? "unknown" : licence.ToString();
                if (row++ > 0) counts[name] = counts.GetValueOrDefault(name) + 1;
                licence.Clear();
                field = 0;
            }
        }
        return counts;
    }

    // A leading = + - @ would be a formula to a spreadsheet; names come from strangers, so such fields get an apostrophe.
    static string Quoted(string field)
    {
        if (field.Length > 0 && field[0] is '=' or '+' or '-' or '@') field = "'" + field;
        return field.AsSpan().IndexOfAny(",\"\r\n") < 0 ? field : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}
