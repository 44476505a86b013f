using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace CommonCanvas.Tensors;

/// <summary>
/// What was found out about candidates, on disk: which is the fastest for each product, and which libraries have answered
/// wrongly. A file for each combination of device, driver, libraries and kernels, written under a temporary name and renamed;
/// what another process has added meanwhile is kept. A damaged file counts as none. Not for concurrent use.
/// </summary>
/// <param name="folder">Where the files lie.</param>
/// <param name="key">All that the choices depend on, on one line.</param>
sealed class ProductChoices(string folder, string key)
{
    const string Magic = "CommonCanvas choices 2";

    Dictionary<string, Choice>? choices;
    readonly Dictionary<string, string> wrong = [];

    /// <summary>
    /// A library and the recipe of its candidate, no library where the program's own kernels are the fastest; and the
    /// milliseconds of both, 0 where nothing was timed.
    /// </summary>
    public readonly record struct Choice(string Library, string Recipe, double OwnMilliseconds, double Milliseconds);

    /// <summary>The file.</summary>
    public string FilePath { get; } = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..32] + ".txt");

    /// <summary>The choice for a problem.</summary>
    public bool TryGet(string problem, out Choice choice)
    {
        Load();
        return choices!.TryGetValue(problem, out choice);
    }

    /// <summary>Whether a library has answered wrongly, now or in another run.</summary>
    public bool IsWrong(string library)
    {
        Load();
        return wrong.ContainsKey(library);
    }

    /// <summary>Remembers a choice.</summary>
    public void Add(string problem, Choice choice)
    {
        Load();
        choices![problem] = choice;
        Save();
    }

    /// <summary>Remembers that a library answers wrongly, and forgets what it was chosen for.</summary>
    public void AddWrong(string library, string report)
    {
        Load();
        wrong[library] = report;
        Save();
    }

    /// <summary>Forgets a choice that could not be followed.</summary>
    public void Remove(string problem)
    {
        Load();
        Read(choices!);
        if (choices!.Remove(problem)) Write();
    }

    void Load()
    {
        if (choices is not null) return;
        choices = [];
        Read(choices);
    }

    // name of the format and checksum of the rest; the key; then a line for each thing known, its parts between tabulators
    void Read(Dictionary<string, Choice> into)
    {
        string text;
        try { text = File.ReadAllText(FilePath); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { return; }
        int end = text.IndexOf('\n', StringComparison.Ordinal);
        if (end < 0 || text[..end] != $"{Magic} {Checksum(text[(end + 1)..])}") return;
        string[] lines = text[(end + 1)..].Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length == 0 || lines[0] != key) return;
        foreach (string[] parts in lines.Skip(1).Select(line => line.Split('\t')))
        {
            if (parts is ["use", var problem, var library, var recipe, var own, var best]
                && double.TryParse(own, CultureInfo.InvariantCulture, out double ownMilliseconds) && double.TryParse(best, CultureInfo.InvariantCulture, out double milliseconds))
                into.TryAdd(problem, new Choice(library, recipe, ownMilliseconds, milliseconds));
            if (parts is ["never", var refused, var report]) wrong.TryAdd(refused, report);
        }
        Forget(into);
    }

    void Forget(Dictionary<string, Choice> from)
    {
        foreach (string problem in from.Where(entry => wrong.ContainsKey(entry.Value.Library)).Select(entry => entry.Key).ToArray()) from.Remove(problem);
    }

    void Save()
    {
        Read(choices!);
        Forget(choices!);
        Write();
    }

    // Choices that cannot be written cost time at the next start and nothing else.
    void Write()
    {
        var body = new StringBuilder(key).Append('\n');
        foreach (var (library, report) in wrong.OrderBy(entry => entry.Key, StringComparer.Ordinal)) body.Append($"never\t{library}\t{report}\n");
        foreach (var (problem, choice) in choices!.OrderBy(entry => entry.Key, StringComparer.Ordinal)) body.Append(CultureInfo.InvariantCulture, $"use\t{problem}\t{choice.Library}\t{choice.Recipe}\t{choice.OwnMilliseconds:R}\t{choice.Milliseconds:R}\n");
        string text = body.ToString(), temporary = $"{FilePath}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}.tmp";
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(temporary, $"{Magic} {Checksum(text)}\n{text}");
            File.Move(temporary, FilePath, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            try { File.Delete(temporary); }
            catch (Exception inner) when (inner is IOException or UnauthorizedAccessException) { return; }
        }
    }

    static string Checksum(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
