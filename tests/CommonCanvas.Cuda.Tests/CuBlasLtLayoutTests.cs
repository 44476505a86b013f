using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda.Tests;

/// <summary>What is laid out in memory as cublasLt.h has it, and the names that the library is looked for under.</summary>
public unsafe class CuBlasLtLayoutTests
{
    [Fact]
    public void Structures_have_the_headers_sizes_and_offsets()
    {
        Assert.Equal(64, sizeof(MatmulAlgorithm));
        Assert.Equal(96, sizeof(MatmulHeuristic));
        Assert.Equal(0, (int)Marshal.OffsetOf<MatmulHeuristic>(nameof(MatmulHeuristic.Algorithm)));
        Assert.Equal(64, (int)Marshal.OffsetOf<MatmulHeuristic>(nameof(MatmulHeuristic.WorkspaceBytes)));
        Assert.Equal(72, (int)Marshal.OffsetOf<MatmulHeuristic>(nameof(MatmulHeuristic.State)));
        Assert.Equal(76, (int)Marshal.OffsetOf<MatmulHeuristic>(nameof(MatmulHeuristic.Waves)));
    }

    [Fact]
    public void The_table_has_a_pointer_for_each_call()
    {
        var exports = NativeTable.Exports<CuBlasLtTable>();
        Assert.Equal(sizeof(CuBlasLtTable), exports.Count * sizeof(nint));
        Assert.All(exports, export => Assert.StartsWith("cublasLt", export.Name));
    }

    [Fact]
    public void Only_libraries_that_the_driver_knows_are_looked_for()
    {
        Assert.Equal(["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"], CuBlasLt.Names(null, windows: false));
        Assert.Equal(["libcublasLt.so.12", "libcublasLt.so.11"], CuBlasLt.Names(new Version(12, 4), windows: false));
        Assert.Equal(["cublasLt64_12.dll", "cublasLt64_11.dll"], CuBlasLt.Names(new Version(12, 4), windows: true));
    }

    [Fact]
    public void Without_the_library_the_error_has_numbered_remedies()
    {
        try { CuBlasLt.Load(); }
        catch (LibraryMissingException e)
        {
            Assert.Contains("cublasLt", e.Message);
            Assert.Contains("\n  3. do without: matrix products run on the program's own kernels", e.Message);
        }
    }
}
