using System.Text.RegularExpressions;
using System.Xml.Linq;
using ArchUnitNET.Fluent;
using ArchUnitNET.Loader;
using static ArchUnitNET.Fluent.ArchRuleDefinition;
using Architecture = ArchUnitNET.Domain.Architecture;
using Assembly = System.Reflection.Assembly;

namespace CommonCanvas.Repository.Tests;

/// <summary>Which project may use which. An arrow may only point down, so that each layer can be read and tested without those above it.</summary>
public class ArchitectureTests
{
    /// <summary>For each project, the projects of ours that it may use. A new project is added here with its arrows.</summary>
    static readonly Dictionary<string, string[]> Arrows = new()
    {
        ["CommonCanvas.Data"] = [],
        ["CommonCanvas.Cuda"] = [],
        ["CommonCanvas.Emulator"] = ["CommonCanvas.Cuda"],
        ["CommonCanvas.Tensors"] = ["CommonCanvas.Cuda"],
        ["CommonCanvas.Models"] = ["CommonCanvas.Tensors"],
        ["CommonCanvas.Training"] = ["CommonCanvas.Models", "CommonCanvas.Data", "CommonCanvas.Tensors"],
        ["Trainer"] =
        [
            "CommonCanvas.Training", "CommonCanvas.Models", "CommonCanvas.Data", "CommonCanvas.Tensors", "CommonCanvas.Emulator",
            "CommonCanvas.Cuda",
        ],
    };

    static readonly Lazy<Architecture> Loaded = new(() =>
        new ArchLoader().LoadAssemblies([.. Arrows.Keys.Select(Load)]).Build());

    public static TheoryData<string> Projects => [.. Arrows.Keys];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_depends_only_on_those_below_it(string project)
    {
        Assembly[] above = [.. Arrows.Keys.Where(other => other != project && !Arrows[project].Contains(other)).Select(Load)];
        if (above.Length == 0) return;
        IArchRule rule = Types().That().ResideInAssembly(Load(project))
            .Should().NotDependOnAny(Types().That().ResideInAssembly(above[0], above[1..]))
            .WithoutRequiringPositiveResults();
        var broken = rule.Evaluate(Loaded.Value).Where(result => !result.Passed).Select(result => result.Description);
        Assert.True(rule.HasNoViolations(Loaded.Value), string.Join('\n', broken));
    }

    /// <summary>The same arrows in the project files: a reference that no type uses yet would pass the rule above.</summary>
    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_file_references_only_those_below_it(string project)
    {
        string file = Directory.GetFiles(Checkout.Root, project + ".csproj", SearchOption.AllDirectories).Single();
        var referenced = XDocument.Load(file).Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')));
        Assert.Empty(referenced.Except(Arrows[project]));
    }

    /// <summary>A project that is not in the solution would be neither built nor tested, and one not listed here not checked.</summary>
    [Fact]
    public void The_solution_holds_every_project_and_only_Release()
    {
        string solution = File.ReadAllText(Path.Combine(Checkout.Root, "CommonCanvas.sln"));
        var listed = Regex.Matches(solution, "\"([^\"]+\\.csproj)\"").Select(match => match.Groups[1].Value.Replace('\\', '/')).Order(StringComparer.Ordinal);
        var present = Checkout.Files.Where(file => file.EndsWith(".csproj", StringComparison.Ordinal)).ToArray();
        Assert.Equal(present.Order(StringComparer.Ordinal), listed);
        Assert.DoesNotContain("Debug|", solution, StringComparison.Ordinal);
        var ours = present.Where(file => !file.StartsWith("tests/", StringComparison.Ordinal) && !file.StartsWith("bench/", StringComparison.Ordinal));
        Assert.Equal(Arrows.Keys.Order(StringComparer.Ordinal), ours.Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal));
    }

    static Assembly Load(string project) => Assembly.LoadFrom(Path.Combine(AppContext.BaseDirectory, project + ".dll"));
}
