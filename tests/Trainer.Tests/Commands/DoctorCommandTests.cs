namespace CommonCanvas.Trainer.Tests.Commands;

public sealed class DoctorCommandTests
{
    [Fact]
    public void Says_what_the_machine_has_and_whether_the_quickstart_runs()
    {
        var (code, output, error) = CommandLine.Run("doctor", "--threads", "1");
        Assert.Equal("", error);
        Assert.Equal(ExitCode.Done, code);
        Assert.Contains(OperatingSystem.IsWindows() ? "nvcuda" : "libcuda", output, StringComparison.Ordinal);
        foreach (string word in new[] { ".NET", "instruction sets", "GFLOP/s", "memory", "disk", "GPU driver", "NVRTC", "cuBLASLt", "cuDNN", "NCCL", "MPI", "--device auto", "The quickstart will run here." })
            Assert.Contains(word, output, StringComparison.Ordinal);
    }

    /// <summary>A device that is asked for and is not there is a problem with numbered remedies, and the exit code says so.</summary>
    [Fact]
    public void A_device_that_is_not_there_is_a_problem()
    {
        var (code, output, _) = CommandLine.Run("doctor", "--threads", "1", "--device", "cuda:99");
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("Problem: --device cuda:99: ", output, StringComparison.Ordinal);
        Assert.Contains("  1. ", output, StringComparison.Ordinal);
        Assert.Contains("--device cpu", output, StringComparison.Ordinal);
    }
}
