namespace CommonCanvas.Cuda.Tests;

/// <summary>cuDNN's table and the names that it is looked for under.</summary>
public unsafe class CuDnnTableTests
{
    [Fact]
    public void The_table_has_a_pointer_for_each_call()
    {
        var exports = NativeTable.Exports<CuDnnTable>();
        Assert.Equal(sizeof(CuDnnTable), exports.Count * sizeof(nint));
        Assert.All(exports, export => Assert.StartsWith("cudnn", export.Name));
        Assert.Equal(exports.Count, exports.Distinct().Count());
    }

    [Fact]
    public void Versions_9_and_8_are_looked_for()
    {
        Assert.Equal(["libcudnn.so.9", "libcudnn.so.8"], CuDnn.Names(windows: false));
        Assert.Equal(["cudnn64_9.dll", "cudnn64_8.dll"], CuDnn.Names(windows: true));
    }

    [Fact]
    public void Without_the_library_the_error_has_numbered_remedies()
    {
        try { CuDnn.Load(); }
        catch (LibraryMissingException e)
        {
            Assert.Contains("cudnn", e.Message);
            Assert.Contains("\n  3. do without: convolutions run on the program's own kernels", e.Message);
        }
    }
}
