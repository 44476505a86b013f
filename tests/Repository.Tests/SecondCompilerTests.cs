using System.Diagnostics;

namespace CommonCanvas.Repository.Tests;

/// <summary>The CUDA kernels under a compiler that is not NVIDIA's, which reads them more strictly.</summary>
public class SecondCompilerTests
{
    [Fact]
    public async Task Clang_compiles_the_kernels_without_a_warning()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "tests/kernels.sh is for bash");
        var start = new ProcessStartInfo("bash", [Path.Combine(Checkout.Root, "tests", "kernels.sh")]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var script = Process.Start(start)!;
        var errors = script.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = await script.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await script.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.SkipWhen(output.Contains("nothing was checked", StringComparison.Ordinal), output.Trim());
        Assert.True(script.ExitCode == 0, $"{output}{await errors}");
    }
}
