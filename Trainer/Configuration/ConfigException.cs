namespace CommonCanvas.Trainer.Configuration;

/// <summary>A configuration that cannot be used; the message lists every problem with its place and remedy.</summary>
public sealed class ConfigException(string message) : Exception(message)
{
    /// <summary>One error for several problems, one a line.</summary>
    public static ConfigException Of(string source, IReadOnlyList<string> problems) => new(problems.Count == 1
        ? $"{source}: {problems[0]}"
        : $"{source} has {problems.Count} problems:\n" + string.Join("\n", problems.Select(p => "  " + p)));
}
