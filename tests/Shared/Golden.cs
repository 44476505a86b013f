namespace CommonCanvas.Tests;

/// <summary>
/// Finds the reference cases: the folder that <c>COMMONCANVAS_GOLDEN</c> names, else <c>../shared/golden</c> beside the
/// checkout. The small subset that the repository carries (<c>tests/golden</c>) is always there.
/// </summary>
public static class Golden
{
    /// <summary>The top folder of the checkout.</summary>
    public static string Repository { get; } = FindRepository();

    /// <summary>The subset that the repository carries.</summary>
    public static string Carried => Path.Combine(Repository, "tests", "golden");

    /// <summary>The full folder, or null where there is none.</summary>
    public static string? Folder { get; } = FindFolder();

    /// <summary>The full folder; skips the calling test where there is none.</summary>
    public static string Require()
    {
        Assert.SkipWhen(Folder is null, "no reference cases: set COMMONCANVAS_GOLDEN to a folder of them");
        return Folder!;
    }

    /// <summary>Folders of cases whose names start with <paramref name="prefix"/>, for tests that enumerate.</summary>
    public static IEnumerable<string> Folders(string prefix) =>
        Folder is null ? [] : Directory.GetDirectories(Folder, prefix + "*").Order(StringComparer.Ordinal);

    static string FindRepository()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "CommonCanvas.sln"))) return folder.FullName;
        throw new DirectoryNotFoundException($"CommonCanvas.sln is not above {AppContext.BaseDirectory}");
    }

    static string? FindFolder()
    {
        string? named = Environment.GetEnvironmentVariable("COMMONCANVAS_GOLDEN");
        if (!string.IsNullOrEmpty(named))
            return Directory.Exists(named) ? Path.GetFullPath(named)
                : throw new DirectoryNotFoundException($"COMMONCANVAS_GOLDEN names '{named}', which does not exist");
        string beside = Path.GetFullPath(Path.Combine(Repository, "..", "shared", "golden"));
        return Directory.Exists(beside) ? beside : null;
    }
}
