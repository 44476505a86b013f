using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Cuda.Tests;

public unsafe class NativeTableTests
{
    [Fact]
    public void Fields_lie_one_pointer_apart_in_the_order_of_their_symbols()
    {
        var exports = NativeTable.Exports<CudaDriver>();
        Assert.Equal(sizeof(CudaDriver), exports.Count * sizeof(nint));
        for (int i = 0; i < exports.Count; i++)
        {
            string field = exports[i].Name.Split('_')[0];
            Assert.Equal(i * sizeof(nint), (int)Marshal.OffsetOf<CudaDriver>(field));
        }
    }

    [Fact]
    public void Symbols_carry_the_version_of_the_current_binary_interface()
    {
        var names = NativeTable.Exports<CudaDriver>().Select(export => export.Name).ToHashSet();
        string[] versioned = ["cuMemAlloc_v2", "cuMemFree_v2", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuMemcpyDtoDAsync_v2",
            "cuStreamDestroy_v2", "cuEventDestroy_v2", "cuDeviceTotalMem_v2", "cuDevicePrimaryCtxRelease_v2", "cuStreamBeginCapture_v2"];
        Assert.All(versioned, name => Assert.Contains(name, names));
    }

    [Fact]
    public void Fill_puts_each_symbol_in_its_field()
    {
        nint next = 1000;
        var addresses = new Dictionary<string, nint>();
        var table = NativeTable.Fill<NvrtcTable>("a library", name => addresses[name] = next++);
        Assert.Equal(addresses["nvrtcVersion"], (nint)table.nvrtcVersion);
        Assert.Equal(addresses["nvrtcGetProgramLog"], (nint)table.nvrtcGetProgramLog);
        Assert.Equal(Unsafe.SizeOf<NvrtcTable>() / sizeof(nint), addresses.Count);
    }

    [Fact]
    public void Missing_symbols_are_listed_together()
    {
        var error = Assert.Throws<EntryPointNotFoundException>(() =>
            NativeTable.Fill<NvrtcTable>("libnvrtc.so", name => name.Contains("CUBIN") ? 0 : 1));
        Assert.Contains("nvrtcGetCUBINSize, nvrtcGetCUBIN", error.Message);
    }

    [Fact]
    public void A_missing_library_comes_with_numbered_remedies()
    {
        var error = Assert.Throws<LibraryMissingException>(() => LibraryLoader.Open("a driver", ["libno-such.so.1"], [], "install it", "do without"));
        Assert.Contains("libno-such.so.1", error.Message);
        Assert.Contains("1. install it", error.Message);
        Assert.Contains("2. do without", error.Message);
    }
}
