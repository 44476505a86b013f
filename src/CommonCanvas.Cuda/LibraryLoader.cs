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
    /// Tries every name in every folder and then by the system's search path; returns the handle and the name that loaded.
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
            if (NativeLibrary.TryLoad(name, out nint handle)) return (handle, name);
        throw new LibraryMissingException(role, names, remedies);
    }
}
