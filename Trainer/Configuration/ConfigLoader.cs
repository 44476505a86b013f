namespace CommonCanvas.Trainer.Configuration;

/// <summary>Reads a configuration file and lays <c>--set</c> values over it.</summary>
public static class ConfigLoader
{
    /// <summary>Files larger than this are refused.</summary>
    const long MaxBytes = 1 << 20;

    /// <summary>The settings of <paramref name="file"/> (null: all defaults) with <paramref name="assignments"/> over them.</summary>
    /// <exception cref="ConfigException">Missing, unreadable or wrong; every problem is listed.</exception>
    public static T Load<T>(string? file, IEnumerable<string>? assignments = null) where T : class, new()
    {
        var root = file is null ? new ConfigNode.Mapping("line 1") : ConfigNode.Parse(Read(file), file);
        return Bind<T>(root, file ?? "command line", assignments);
    }

    /// <summary>The settings of YAML text with <paramref name="assignments"/> over them.</summary>
    public static T Parse<T>(string text, string source, IEnumerable<string>? assignments = null) where T : class, new() =>
        Bind<T>(ConfigNode.Parse(text, source), source, assignments);

    static T Bind<T>(ConfigNode.Mapping root, string source, IEnumerable<string>? assignments) where T : class, new()
    {
        foreach (string assignment in assignments ?? []) ConfigNode.Set(root, assignment);
        return ConfigBinder.Bind<T>(root, source);
    }

    static string Read(string file)
    {
        if (Directory.Exists(file)) throw new ConfigException($"{file} is a folder; name a configuration file in it");
        if (!File.Exists(file)) throw new ConfigException($"{file} does not exist; name a configuration file, configs/ has examples");
        if (new FileInfo(file).Length > MaxBytes) throw new ConfigException($"{file} is larger than {MaxBytes} bytes; that is no configuration");
        return File.ReadAllText(file);
    }
}
