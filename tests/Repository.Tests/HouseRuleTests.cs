using System.Text.RegularExpressions;

namespace CommonCanvas.Repository.Tests;

/// <summary>What holds for every file of the repository, so that it stays readable and small.</summary>
public partial class HouseRuleTests
{
    const int LongestFile = 400;
    const long LargestBinary = 1 << 20, AllBinaries = 5 << 20;

    static readonly string[] CodeExtensions = [".cs", ".cu", ".cuh", ".cpp", ".c", ".h", ".sh", ".ps1", ".cmake"];

    static IEnumerable<string> Code => Checkout.Files.Where(file => CodeExtensions.Contains(Path.GetExtension(file)));

    [Fact]
    public void No_source_file_is_longer_than_400_lines()
    {
        var tooLong = from file in Code let lines = Checkout.Lines(file).Length where lines > LongestFile select $"{file}: {lines} lines";
        None(tooLong);
    }

    [Fact]
    public void Binary_files_are_small_and_few()
    {
        var binaries = (from file in Checkout.Files let path = Path.Combine(Checkout.Root, file) where IsBinary(path)
                        select (Name: file, new FileInfo(path).Length)).ToList();
        None(from file in binaries where file.Length > LargestBinary select $"{file.Name}: {file.Length} bytes");
        Assert.InRange(binaries.Sum(file => file.Length), 0, AllBinaries);
    }

    [Fact]
    public void Nothing_is_left_undone_in_the_sources()
    {
        var found = from file in Code
                    where !file.StartsWith("tests/", StringComparison.Ordinal)
                    from line in Checkout.Lines(file).Select((text, number) => (text, number: number + 1))
                    where Undone().IsMatch(line.text)
                    select $"{file}:{line.number}: {line.text.Trim()}";
        None(found);
    }

    /// <summary>A test that is switched off proves nothing; one that lacks its data says so with Assert.Skip.</summary>
    [Fact]
    public void No_test_is_switched_off()
    {
        var found = from file in Code
                    from line in Checkout.Lines(file)
                    where line.Contains("Skip = \"", StringComparison.Ordinal)
                    where !file.EndsWith("HouseRuleTests.cs", StringComparison.Ordinal)
                    select file;
        None(found);
    }

    /// <summary>What feeds a parser damaged input must be found by the long run, <c>./build.sh fuzz</c>.</summary>
    [Fact]
    public void Mutation_tests_carry_their_category()
    {
        var found = from file in Code
                    where file.StartsWith("tests/", StringComparison.Ordinal) && !file.EndsWith("HouseRuleTests.cs", StringComparison.Ordinal)
                    let text = File.ReadAllText(Path.Combine(Checkout.Root, file))
                    where text.Contains("Mutator.Run(", StringComparison.Ordinal) && !text.Contains("Trait(\"Category\", \"Fuzz\")", StringComparison.Ordinal)
                    select file;
        None(found);
    }

    /// <summary>Both ways of listing agree on the sources, so that the rules hold where there is no git too.</summary>
    [Fact]
    public void The_disk_holds_the_sources_that_git_lists()
    {
        var onDisk = Checkout.FromDisk().ToHashSet(StringComparer.Ordinal);
        Assert.Subset(onDisk, Checkout.Files.Where(file => file.StartsWith("src/", StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal));
        Assert.Contains("src/CommonCanvas.Tensors/Tensor.cs", Checkout.Files);
    }

    /// <summary>Fails with all of them in full; Assert.Empty would cut the list short.</summary>
    static void None(IEnumerable<string> offenders)
    {
        var all = offenders.ToList();
        Assert.True(all.Count == 0, string.Join('\n', all));
    }

    static bool IsBinary(string path)
    {
        using var stream = File.OpenRead(path);
        var head = new byte[8000];
        return head.AsSpan(0, stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)).Contains((byte)0);
    }

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b|NotImplementedException")]
    private static partial Regex Undone();
}
