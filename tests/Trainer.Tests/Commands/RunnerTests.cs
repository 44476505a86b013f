using System.CommandLine;
using CommonCanvas.Trainer.Commands;
using CommonCanvas.Trainer.Terminal;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Tests.Commands;

public sealed class RunnerTests
{
    [Fact]
    public void Too_little_memory_is_an_error_with_a_remedy()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var command = new RootCommand();
        new Runner(new AppConsole(output, error), new CommonOptions()).Bind(command, (_, _) => new byte[int.MaxValue].Length); // more than any array may have
        Assert.Equal(ExitCode.Failed, command.Parse([]).Invoke());
        Assert.Contains("not enough memory", error.ToString(), StringComparison.Ordinal);
        Assert.Contains("take a smaller batch", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("defect", error.ToString(), StringComparison.Ordinal);
    }

    /// <summary>What a run can come to is no defect of the program; anything that nobody thought of is.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Only_what_is_not_expected_is_called_a_defect(bool expected)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        Exception cause = expected ? new NonFiniteException(7, "the loss is not finite", 5) : new InvalidOperationException("odd");
        var command = new RootCommand();
        new Runner(new AppConsole(output, error), new CommonOptions()).Bind(command, (_, _) => throw cause);
        Assert.Equal(ExitCode.Failed, command.Parse([]).Invoke());
        Assert.Contains(cause.Message, error.ToString(), StringComparison.Ordinal);
        Assert.Equal(!expected, error.ToString().Contains("defect", StringComparison.Ordinal));
    }
}
