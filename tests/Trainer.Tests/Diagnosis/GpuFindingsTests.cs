using CommonCanvas.Cuda;
using CommonCanvas.Tests;
using CommonCanvas.Trainer.Diagnosis;

namespace CommonCanvas.Trainer.Tests.Diagnosis;

public sealed class GpuFindingsTests
{
    [Fact]
    public void A_library_is_shown_with_version_and_path_or_what_to_do_to_have_it()
    {
        var there = GpuFindings.Optional(new LibraryFinding("cuDNN", new Version(9, 1, 0), "/usr/lib/libcudnn.so.9", "for convolutions", null));
        Assert.Equal(new Finding("cuDNN", "9.1.0, /usr/lib/libcudnn.so.9; for convolutions"), there);
        var missing = GpuFindings.Optional(new LibraryFinding("cuDNN", null, "", "for convolutions", "cuDNN was not found.\n  1. install it"));
        Assert.Equal(("not found; for convolutions", "cuDNN was not found.\n  1. install it", false), (missing.Value, missing.Cost, missing.Blocks));
    }

    /// <summary>Where nothing could use it, nobody is told to install it.</summary>
    [Fact]
    public void Without_a_GPU_no_library_is_missing() =>
        Assert.Equal(new Finding("cuDNN", "not found; for convolutions"), GpuFindings.Optional(new LibraryFinding("cuDNN", null, "", "for convolutions", "install it"), gpu: false));

    [Fact]
    public void A_library_that_was_dropped_for_a_wrong_answer_is_named()
    {
        using var folder = new TempFolder();
        Assert.StartsWith("0 products tried", GpuFindings.Choices(folder["none"]).Value, StringComparison.Ordinal);
        File.WriteAllText(folder["a.txt"], "head\nkey\nnever\tcuBLASLt 12.0.0\tcuBLASLt 12.0.0 computes something wrongly: 1 of 2 values differ\nuse\tproduct\t\t\t1\t1\n");
        var finding = GpuFindings.Choices(folder.Path);
        Assert.StartsWith("1 products tried", finding.Value, StringComparison.Ordinal);
        Assert.Equal("left out, for wrong answers: cuBLASLt 12.0.0 computes something wrongly: 1 of 2 values differ. Remove the files of that folder to try again", finding.Cost);
        Assert.False(finding.Blocks);
    }
}
