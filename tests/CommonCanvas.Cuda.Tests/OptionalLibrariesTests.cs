using CommonCanvas.Cuda;

namespace CommonCanvas.Cuda.Tests;

public class OptionalLibrariesTests
{
    [Fact]
    public void Version_numbers_are_read_as_each_library_writes_them()
    {
        Assert.Equal(new Version(11, 8, 3), OptionalLibraries.CuBlasVersion(110803));
        Assert.Equal(new Version(12, 1, 3), OptionalLibraries.CuBlasVersion(120103));
        Assert.Equal(new Version(8, 9, 7), OptionalLibraries.CuDnnVersion(8907));
        Assert.Equal(new Version(9, 1, 0), OptionalLibraries.CuDnnVersion(90100));
        Assert.Equal(new Version(2, 7, 8), OptionalLibraries.NcclVersion(2708));
        Assert.Equal(new Version(2, 18, 5), OptionalLibraries.NcclVersion(21805));
    }

    [Fact]
    public void A_missing_library_is_a_finding_and_no_error()
    {
        var finding = OptionalLibraries.Find("NCCL", () => throw new LibraryMissingException("NCCL", ["libno-such.so.1"], ["install it"]), "for nothing");
        Assert.Equal(new LibraryFinding("NCCL", null, "", "for nothing", "NCCL was not found (looked for libno-such.so.1).\n  1. install it"), finding);
        var found = OptionalLibraries.Find("NCCL", () => (new Version(2, 18, 5), "/usr/lib/libnccl.so.2"), "for something");
        Assert.Equal(new LibraryFinding("NCCL", new Version(2, 18, 5), "/usr/lib/libnccl.so.2", "for something", null), found);
    }
}
