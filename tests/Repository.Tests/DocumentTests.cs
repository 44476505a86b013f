using System.Text.RegularExpressions;

namespace CommonCanvas.Repository.Tests;

/// <summary>What the documents point to exists.</summary>
public partial class DocumentTests
{
    static readonly string[] Folders = ["src/", "tests/", "Trainer/", "native/", "kernels/", "configs/", "docs/", "bench/"];

    public static TheoryData<string> Documents => [.. Checkout.Files.Where(file => file.EndsWith(".md", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Links_lead_somewhere(string document)
    {
        string folder = Path.Combine(Checkout.Root, Path.GetDirectoryName(document)!);
        var dead = from Match link in Links().Matches(File.ReadAllText(Path.Combine(Checkout.Root, document)))
                   let target = link.Groups[1].Value.Split('#')[0]
                   where target.Length > 0 && !target.Contains("://", StringComparison.Ordinal) && !Path.Exists(Path.Combine(folder, target))
                   select target;
        Assert.Equal("", string.Join(' ', dead));
    }

    /// <summary>Paths in backticks, from the top of the repository.</summary>
    [Theory]
    [MemberData(nameof(Documents))]
    public void Named_files_exist(string document)
    {
        var missing = from Match name in Quoted().Matches(File.ReadAllText(Path.Combine(Checkout.Root, document)))
                      let path = name.Groups[1].Value
                      where Folders.Any(folder => path.StartsWith(folder, StringComparison.Ordinal)) && !path.Contains('X', StringComparison.Ordinal)
                      where !Path.Exists(Path.Combine(Checkout.Root, path))
                      select path;
        Assert.Equal("", string.Join(' ', missing));
    }

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Links();

    [GeneratedRegex(@"`([\w./-]+)`")]
    private static partial Regex Quoted();
}
