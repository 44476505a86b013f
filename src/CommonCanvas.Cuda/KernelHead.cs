using System.Globalization;
using System.Text.RegularExpressions;

namespace CommonCanvas.Cuda;

/// <summary>What a kernel says that it needs at most, whatever the storage type and the architecture.</summary>
/// <param name="Name">Of the kernel.</param>
/// <param name="Threads">In a block.</param>
/// <param name="Registers">Of a thread.</param>
/// <param name="SharedBytes">Shared memory of a block, static and dynamic.</param>
/// <param name="Architecture">The oldest that has the instructions: 75 for sm_75.</param>
/// <param name="Matrix">Whether it computes with matrix instructions.</param>
public sealed record KernelNeeds(string Name, int Threads, int Registers, int SharedBytes, int Architecture, bool Matrix);

/// <summary>
/// The comment at the top of a kernel file: lines <c>// FIELD:   text</c>, of which those without a field continue the one
/// above, and a line <c>// NEEDS:   Name: 256 threads, 32 registers, 0 bytes of shared memory, sm_70[, mma]</c> for each kernel.
/// </summary>
public sealed partial class KernelHead
{
    static readonly string[] Once = ["WHAT", "SHAPES", "LAUNCH", "TRAFFIC", "WRITES", "ORDER", "DEFINES", "SOURCE", "TRIED"];
    readonly Dictionary<string, string> fields = new(StringComparer.Ordinal);
    readonly Dictionary<string, KernelNeeds> kernels = new(StringComparer.Ordinal);

    KernelHead(string file) => File = file;

    /// <summary>Name of the file.</summary>
    public string File { get; }

    /// <summary>What the kernels compute.</summary>
    public string What => fields["WHAT"];

    /// <summary>What they read and write, against the minimum.</summary>
    public string Traffic => fields["TRAFFIC"];

    /// <summary>The kernels by name.</summary>
    public IReadOnlyDictionary<string, KernelNeeds> Kernels => kernels;

    /// <summary>The head of a file of the assembly.</summary>
    /// <exception cref="FileNotFoundException">There is no such kernel file.</exception>
    /// <exception cref="FormatException">The head is not of the form above: with the line.</exception>
    public static KernelHead Of(string file) => Parse(file, KernelSources.Read(file));

    /// <summary>The head of a source.</summary>
    /// <param name="file">Its name, for messages.</param>
    /// <param name="source">CUDA C++.</param>
    /// <exception cref="FormatException">The head is not of the form above: with the line.</exception>
    public static KernelHead Parse(string file, string source)
    {
        var head = new KernelHead(file);
        string field = "";
        int number = 0;
        foreach (string line in source.Split('\n').Select(line => line.TrimEnd('\r')).TakeWhile(line => line.StartsWith("//", StringComparison.Ordinal)))
        {
            number++;
            var match = Line().Match(line);
            if (!match.Success) throw new FormatException($"{file}({number}): '{line}' is no line of a head: write '// FIELD:   text' or '//          continuation'");
            string text = match.Groups["text"].Value;
            if (!match.Groups["field"].Success) head.Continue(field, text, number);
            else if ((field = match.Groups["field"].Value) == "NEEDS") head.AddNeeds(text, number);
            else if (!Once.Contains(field)) throw new FormatException($"{file}({number}): unknown field '{field}': a head has {string.Join(", ", Once)} and NEEDS");
            else if (!head.fields.TryAdd(field, text)) throw new FormatException($"{file}({number}): a second {field}: continue the first without a field");
        }
        string missing = string.Join(", ", Once.Where(name => !head.fields.ContainsKey(name)));
        if (missing.Length > 0) throw new FormatException($"{file}: the head lacks {missing}: see elementwise.cu for a whole one");
        if (head.kernels.Count == 0) throw new FormatException($"{file}: the head lacks NEEDS, a line for each kernel: see elementwise.cu");
        return head;
    }

    void Continue(string field, string text, int number)
    {
        if (!fields.TryGetValue(field, out string? before)) throw new FormatException($"{File}({number}): '{text}' continues no field that may have several lines");
        fields[field] = $"{before} {text}";
    }

    void AddNeeds(string text, int number)
    {
        var match = Needs().Match(text);
        if (!match.Success)
            throw new FormatException($"{File}({number}): NEEDS '{text}' does not read 'Name: 256 threads, 32 registers, 0 bytes of shared memory, sm_70[, mma]'");
        int Number(string group) => int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);
        string name = match.Groups["name"].Value;
        var needs = new KernelNeeds(name, Number("threads"), Number("registers"), Number("shared"), Number("sm"), match.Groups["mma"].Success);
        if (!kernels.TryAdd(name, needs)) throw new FormatException($"{File}({number}): a second NEEDS for {name}");
    }

    [GeneratedRegex(@"^// ((?<field>[A-Z]+): +| {3,})(?<text>\S.*)$")]
    private static partial Regex Line();

    [GeneratedRegex(@"^(?<name>\w+): (?<threads>\d{1,4}) threads, (?<registers>\d{1,3}) registers, (?<shared>\d{1,6}) bytes of shared memory, sm_(?<sm>\d{2,3})(?<mma>, mma)?$")]
    private static partial Regex Needs();
}
