using System.Management.Automation.Language;
using System.Text.RegularExpressions;

namespace CommonCanvas.Repository.Tests;

/// <summary>build.ps1 is read by PowerShell's own parser, since few of those who change it have PowerShell at hand.</summary>
public partial class BuildScriptTests
{
    static readonly string PowerShellFile = Path.Combine(Checkout.Root, "build.ps1");

    readonly ScriptBlockAst script;
    readonly ParseError[] errors;

    public BuildScriptTests() => script = Parser.ParseFile(PowerShellFile, out _, out errors);

    [Fact]
    public void Build_ps1_parses() => Assert.Empty(errors.Select(error => $"{error.Extent.StartLineNumber}: {error.Message}"));

    /// <summary>Windows PowerShell 5.1, which every Windows has, knows neither these operators nor UTF-8 without a mark.</summary>
    [Fact]
    public void Build_ps1_suits_Windows_PowerShell()
    {
        var newer = script.FindAll(node => node is PipelineChainAst or TernaryExpressionAst
            or BinaryExpressionAst { Operator: TokenKind.QuestionQuestion }
            or AssignmentStatementAst { Operator: TokenKind.QuestionQuestionEquals }
            or MemberExpressionAst { NullConditional: true }, searchNestedScriptBlocks: true);
        Assert.Empty(newer.Select(node => $"{node.Extent.StartLineNumber}: {node.Extent.Text}"));
        Assert.DoesNotContain(File.ReadAllBytes(PowerShellFile), value => value >= 128);
    }

    [Fact]
    public void Both_scripts_have_the_same_verbs()
    {
        var verbs = PowerShellVerbs();
        Assert.Contains("test", verbs);
        Assert.Equal(ShellVerbs(), verbs);
    }

    /// <summary>A verb that the help does not show, or that help alone knows, misleads.</summary>
    [Fact]
    public void Both_scripts_explain_every_verb_with_the_same_words()
    {
        string shell = Usage(File.ReadAllText(Path.Combine(Checkout.Root, "build.sh")), "./build.sh");
        string powerShell = Usage(File.ReadAllText(PowerShellFile), @".\build.ps1");
        Assert.Equal(shell, powerShell);
        foreach (string verb in ShellVerbs().Where(verb => verb != "build")) Assert.Contains($"> {verb} ", shell, StringComparison.Ordinal);
    }

    [Fact]
    public void Both_scripts_test_in_the_same_way()
    {
        string shell = File.ReadAllText(Path.Combine(Checkout.Root, "build.sh")), powerShell = File.ReadAllText(PowerShellFile);
        foreach (string shared in new[] { "Category=Golden", "Category=Kernels", "Category=Fuzz", "COMMONCANVAS_FUZZ", "--filter-method", " passed, ", " failed, ", " skipped\"" })
        {
            Assert.Contains(shared, shell, StringComparison.Ordinal);
            Assert.Contains(shared, powerShell, StringComparison.Ordinal);
        }
    }

    string[] PowerShellVerbs()
    {
        var verbs = script.FindAll(node => node is SwitchStatementAst, searchNestedScriptBlocks: false).Cast<SwitchStatementAst>()
            .Single(choice => choice.Condition.Extent.Text == "$Verb");
        return [.. verbs.Clauses.Select(clause => ((StringConstantExpressionAst)clause.Item1).Value).Order(StringComparer.Ordinal)];
    }

    static string[] ShellVerbs()
    {
        string choice = File.ReadAllText(Path.Combine(Checkout.Root, "build.sh")).Split("case \"$verb\" in", 2)[1];
        return [.. ShellCase().Matches(choice).Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal)];
    }

    /// <summary>The lines of the help, with the script's name as ">" and runs of spaces as one.</summary>
    static string Usage(string text, string name)
    {
        var lines = text.Split('\n').Select(line => line.TrimEnd('\r')).SkipWhile(line => !line.StartsWith(name + " ", StringComparison.Ordinal))
            .TakeWhile(line => line.StartsWith(name, StringComparison.Ordinal) || line.StartsWith("    ", StringComparison.Ordinal));
        return string.Join('\n', lines.Select(line => Spaces().Replace(line.Replace(name, ">", StringComparison.Ordinal), " ")));
    }

    [GeneratedRegex(@"^    ([a-z]+)[ |a-z-]*\)", RegexOptions.Multiline)]
    private static partial Regex ShellCase();

    [GeneratedRegex(" +")]
    private static partial Regex Spaces();
}
