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

    // A leading = + - @ would be a formula to a spreadsheet; names come from strangers, so such fields get an apostrophe.
    static string Quoted(string field)
    {
        if (field.Length > 0 && field[0] is '=' or '+' or '-' or '@') field = "'" + field;
        return field.AsSpan().IndexOfAny(",\"\r\n") < 0 ? field : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}
