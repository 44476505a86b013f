using System.Diagnostics;
using CommonCanvas.Tests;

namespace CommonCanvas.Repository.Tests;

/// <summary>The files of this checkout.</summary>
static class Checkout
{
    /// <summary>The top folder.</summary>
    public static string Root => Golden.Repository;

    /// <summary>
    /// Paths under <see cref="Root"/>, with forward slashes: what git tracks or would add; without git, every file outside
    /// the folders that a build makes.
    /// </summary>
    public static IReadOnlyList<string> Files { get; } = [.. (FromGit() ?? FromDisk()).Where(file => File.Exists(Path.Combine(Root, file)))];

    /// <summary>The lines of a file of <see cref="Files"/>.</summary>
    public static string[] Lines(string file) => File.ReadAllLines(Path.Combine(Root, file));

    static string[]? FromGit()
    {
        try
        {
            var start = new ProcessStartInfo("git", ["-C", Root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using var git = Process.Start(start)!;
            git.ErrorDataReceived += (_, _) => { };
            git.BeginErrorReadLine();
            string output = git.StandardOutput.ReadToEnd();
            git.WaitForExit();
            return git.ExitCode == 0 && output.Length > 0 ? output.Split('\0', StringSplitOptions.RemoveEmptyEntries) : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    /// <summary>The same from the disk alone.</summary>
    internal static IEnumerable<string> FromDisk()
    {
        string[] built = ["bin", "obj", ".git", "build", "TestResults", "BenchmarkDotNet.Artifacts"];
        var folders = new Stack<string>([Root]);
        while (folders.TryPop(out string? folder))
        {
            foreach (string file in Directory.EnumerateFiles(folder)) yield return Path.GetRelativePath(Root, file).Replace('\\', '/');
            foreach (string inner in Directory.EnumerateDirectories(folder))
                if (!built.Contains(Path.GetFileName(inner))) folders.Push(inner);
        }
    }
}
