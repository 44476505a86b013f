using System.Text.RegularExpressions;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors.Tests;

/// <summary>What of a kernel a mutant changes.</summary>
public enum MutantKind
{
    /// <summary>A barrier or fence is left out.</summary>
    Barrier,

    /// <summary>A wait for asynchronous copies is left out or waits for one group less, or a group is not closed.</summary>
    Wait,

    /// <summary>A comparison takes in its limit, or no longer does.</summary>
    Bound,

    /// <summary>A sum becomes a difference, a difference a sum, or a sign is left out.</summary>
    Sign,
}

/// <summary>A kernel file with one thing changed in one line.</summary>
/// <param name="File">Name of the file in <c>kernels/</c>.</param>
/// <param name="Line">Number of the line, from 1.</param>
/// <param name="Kind">What is changed.</param>
/// <param name="Before">The line, trimmed, without comment.</param>
/// <param name="After">What it becomes.</param>
public sealed partial record KernelMutant(string File, int Line, MutantKind Kind, string Before, string After)
{
    /// <summary>All mutants of a file, in the order of its lines.</summary>
    public static IEnumerable<KernelMutant> Of(string file)
    {
        string[] lines = Text(file).Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string code = Code(lines[i]);
            if (!Mutable(code)) continue;
            bool unrolled = i > 0 && lines[i - 1].Trim() == "#pragma unroll";
            foreach (var (kind, pattern, replacement) in Changes)
                foreach (Match match in pattern.Matches(code))
                {
                    // such a loop indexes registers: a turn more is undefined, and the compiler may leave it out
                    if (unrolled && kind == MutantKind.Bound && replacement == " <= " && code.TrimStart().StartsWith("for ", StringComparison.Ordinal)) continue;
                    string after = code[..match.Index] + match.Result(replacement) + code[(match.Index + match.Length)..];
                    yield return new KernelMutant(file, i + 1, kind, code.Trim(), after.Trim());
                }
        }
    }

    /// <summary>All mutants of all files of <c>kernels/</c>.</summary>
    public static IEnumerable<KernelMutant> All() => KernelSources.Files.Concat(KernelSources.Headers.Select(header => header.Name)).SelectMany(Of);

    /// <summary>The text of a file of <c>kernels/</c> with this change, or as it is where it is another file.</summary>
    public string Rewrite(string name, string text)
    {
        if (name != File) return text;
        string[] lines = text.Split('\n');
        lines[Line - 1] = After;
        return string.Join('\n', lines);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{File}({Line}) {Kind}: {Before}  =>  {After}";

    /// <summary>Names of the .cu files that hold a file's text.</summary>
    public static IReadOnlySet<string> Users(string file) => KernelSources.Files.Where(cu => Includes(cu).Contains(file)).ToHashSet();

    static HashSet<string> Includes(string file)
    {
        var found = new HashSet<string> { file };
        foreach (Match include in Include().Matches(Text(file))) found.UnionWith(Includes(include.Groups[1].Value));
        return found;
    }

    static string Text(string file) => KernelSources.Headers.FirstOrDefault(header => header.Name == file).Text ?? KernelSources.Read(file);

    static string Code(string line)
    {
        int comment = line.IndexOf("//", StringComparison.Ordinal);
        return (comment < 0 ? line : line[..comment]).TrimEnd();
    }

    // directives, instructions in text, and what only the compiler looks at
    static bool Mutable(string code) => code.Length > 0 && !code.TrimStart().StartsWith('#')
        && !code.Contains("asm", StringComparison.Ordinal) && !code.Contains('"') && !code.Contains("static_assert", StringComparison.Ordinal);

    // Operators of expressions have a blank on both sides, template brackets have not.
    static readonly (MutantKind, Regex, string)[] Changes =
    [
        (MutantKind.Barrier, SyncThreadsOr(), "($1)"),
        (MutantKind.Barrier, Sync(), "(void)0"),
        (MutantKind.Wait, Wait(), "copy_wait<($1) + 1>()"),
        (MutantKind.Wait, Wait(), "(void)0"),
        (MutantKind.Wait, Commit(), "(void)0"),
        (MutantKind.Bound, Less(), " <= "),
        (MutantKind.Bound, LessOrEqual(), " < "),
        (MutantKind.Bound, Greater(), " >= "),
        (MutantKind.Bound, GreaterOrEqual(), " > "),
        (MutantKind.Sign, Plus(), " - "),
        (MutantKind.Sign, Minus(), " + "),
        (MutantKind.Sign, Add(), " -= "),
        (MutantKind.Sign, Subtract(), " += "),
        (MutantKind.Sign, Negation(), "$1"),
    ];

    [GeneratedRegex("#include \"([^\"]+)\"")] private static partial Regex Include();
    [GeneratedRegex(@"__syncthreads_or\(([^()]*)\)")] private static partial Regex SyncThreadsOr();
    [GeneratedRegex(@"__(syncthreads|syncwarp|threadfence)\(\)")] private static partial Regex Sync();
    [GeneratedRegex(@"copy_wait<([^<>]*)>\(\)(?=;)")] private static partial Regex Wait();
    [GeneratedRegex(@"copy_commit\(\)(?=;)")] private static partial Regex Commit();
    [GeneratedRegex(" < ")] private static partial Regex Less();
    [GeneratedRegex(" <= ")] private static partial Regex LessOrEqual();
    [GeneratedRegex(" > ")] private static partial Regex Greater();
    [GeneratedRegex(" >= ")] private static partial Regex GreaterOrEqual();
    [GeneratedRegex(@" \+ ")] private static partial Regex Plus();
    [GeneratedRegex(" - ")] private static partial Regex Minus();
    [GeneratedRegex(@" \+= ")] private static partial Regex Add();
    [GeneratedRegex(" -= ")] private static partial Regex Subtract();
    [GeneratedRegex(@"(?<=[(,=?:] ?)-(?=[A-Za-z(])()")] private static partial Regex Negation();
}
