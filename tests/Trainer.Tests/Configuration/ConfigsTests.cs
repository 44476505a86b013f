using CommonCanvas.Tests;
using CommonCanvas.Trainer.Configuration;

namespace CommonCanvas.Trainer.Tests.Configuration;

/// <summary>The configurations that the repository ships.</summary>
public sealed class ConfigsTests
{
    public static IEnumerable<TheoryDataRow<string>> Files() =>
        Directory.GetFiles(Path.Combine(Golden.Repository, "configs"), "*.yaml").Order(StringComparer.Ordinal).Select(f => new TheoryDataRow<string>(Path.GetFileName(f)));

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_key_is_known_and_commented(string name)
    {
        string file = Path.Combine(Golden.Repository, "configs", name);
        if (name.StartsWith("quickstart", StringComparison.Ordinal)) ConfigLoader.Load<Trainer.Quickstart.QuickstartConfig>(file);
        else ConfigLoader.Load<RunConfig>(file);
        int number = 0;
        foreach (string line in File.ReadLines(file))
        {
            number++;
            if (line.Contains(':', StringComparison.Ordinal)) Assert.True(line.Contains('#', StringComparison.Ordinal), $"{name} line {number} has no comment: {line}");
        }
    }
}
