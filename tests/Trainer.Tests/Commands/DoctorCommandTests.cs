namespace CommonCanvas.Trainer.Tests.Commands;

public sealed class DoctorCommandTests
{
    [Fact]
    public void Says_what_the_machine_has_and_whether_the_quickstart_runs()
    {
        var (code, output, error) = CommandLine.Run("doctor", "--threads", "1");
        Assert.Equal("", error);
        Assert.Equal(ExitCode.Done, code);
        foreach (string word in new[] { ".NET", "instruction sets", "GFLOP/s", "memory", "disk", "The quickstart will run here." })
            Assert.Contains(word, output, StringComparison.Ordinal);
    }
}
