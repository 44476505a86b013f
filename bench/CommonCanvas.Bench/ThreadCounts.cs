using System.Globalization;

namespace CommonCanvas.Bench;

/// <summary>
/// With how many threads the processor's operations are measured: <c>--threads 1,2</c>. One unless told otherwise: where
/// another program wants one of the cores too, threads wait for each other, and what is measured is the scheduler.
/// </summary>
public static class ThreadCounts
{
    const string Option = "--threads";

    /// <summary>The numbers, in the order of the command line.</summary>
    public static IReadOnlyList<int> All { get; private set; } = [1];

    /// <summary>Reads the option and returns the other arguments, which are BenchmarkDotNet's.</summary>
    /// <exception cref="ArgumentException">What follows the option are no numbers of threads.</exception>
    public static string[] Take(string[] arguments)
    {
        int at = Array.IndexOf(arguments, Option);
        if (at < 0) return arguments;
        string text = at + 1 < arguments.Length ? arguments[at + 1] : "";
        All = [.. text.Split(',').Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int threads) && threads is >= 1 and <= 1024
            ? threads
            : throw new ArgumentException($"{Option} '{text}': must be numbers from 1 to 1024 with commas between them, such as {Option} 1,2"))];
        return [.. arguments[..at], .. arguments[(at + 2)..]];
    }
}
