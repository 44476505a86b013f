using System.Runtime.InteropServices;
using System.Text;

namespace CommonCanvas.Cuda;

/// <summary>A library that is not installed: says where it was looked for and what to do.</summary>
public sealed class LibraryMissingException : Exception
{
    /// <summary>Creates the message from the library's role, the names tried and the remedies.</summary>
    public LibraryMissingException(string role, IEnumerable<string> tried, IReadOnlyList<string> remedies)
        : base(Describe(role, tried, remedies)) => Remedies = remedies;

    /// <summary>What the user can do, the likeliest first.</summary>
    public IReadOnlyList<string> Remedies { get; }

    static string Describe(string role, IEnumerable<string> tried, IReadOnlyList<string> remedies)
    {
        var text = new StringBuilder($"{role} was not found (looked for {string.Join(", ", tried)}).");
        for (int i = 0; i < remedies.Count; i++) text.Append($"\n  {i + 1}. {remedies[i]}");
        return text.ToString();
    }
}

/// <summary>Opens the first of several libraries that loads.</summary>
public static class LibraryLoader
{
    /// <summary>
    /// Tries every name in every folder and then by the system's search path; returns the handle and the path of what loaded.
    /// </summary>
    /// <exception cref="LibraryMissingException">None loaded.</exception>
    public static (nint Handle, string Path) Open(string role, IReadOnlyList<string> names, IReadOnlyList<string> folders, params string[] remedies)
    {
        foreach (string folder in folders)
            foreach (string name in names)
            {
                string path = Path.Combine(folder, name);
                if (File.Exists(path) && NativeLibrary.TryLoad(path, out nint handle)) return (handle, path);
            }
        foreach (string name in names)
            if (NativeLibrary.TryLoad(name, out nint handle)) return (handle, PathOf(name));
        throw new LibraryMissingException(role, names, remedies);
    }

    /// <summary>Opens a library and fills its table.</summary>
    /// <exception cref="LibraryMissingException">None loaded.</exception>
    /// <exception cref="EntryPointNotFoundException">It lacks functions.</exception>
    public static (T Table, string Path) OpenTable<T>(string role, IReadOnlyList<string> names, IReadOnlyList<string> folders, params string[] remedies) where T : unmanaged
    {
        var (handle, path) = Open(role, names, folders, remedies);
        return (NativeTable.Fill<T>(path, symbol => NativeLibrary.TryGetExport(handle, symbol, out nint address) ? address : 0), path);
    }

    /// <summary>Folders in which CUDA toolkits put their libraries.</summary>
    public static IReadOnlyList<string> ToolkitFolders { get; } = [.. FindToolkitFolders()];

    static IEnumerable<string> FindToolkitFolders()
    {
        if (Environment.GetEnvironmentVariable("CUDA_PATH") is { Length: > 0 } toolkit)
            foreach (string below in new[] { "lib64", "bin", Path.Combine("bin", "x64") }) yield return Path.Combine(toolkit, below);
        if (!OperatingSystem.IsWindows()) yield return "/usr/local/cuda/lib64";
    }

    // A library that was found by name alone says only in the list of mapped files where it lies.
    static string PathOf(string name)
    {
        const string Mapped = "/proc/self/maps";
        if (!OperatingSystem.IsLinux() || !File.Exists(Mapped)) return name;
        string? line = File.ReadLines(Mapped).FirstOrDefault(line => line.Contains('/' + name, StringComparison.Ordinal));
        return line is null ? name : line[line.IndexOf('/', StringComparison.Ordinal)..];
    }
}
