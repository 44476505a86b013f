using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Machine;

/// <summary>A large range of host addresses whose pages the system provides, zeroed, when they are first touched.</summary>
internal sealed unsafe partial class VirtualRange : IDisposable
{
    const int ReadWrite = 3, PrivateAnonymous = 0x22, NoReserve = 0x4000, PrivateAnonymousMac = 0x1002, DontNeed = 4, HugePage = 14;
    const uint Commit = 0x1000, Reserve = 0x2000, Release = 0x8000, PageReadWrite = 4;

    const long LargePage = 2 << 20;

    byte* start;

    /// <summary>Reserves the range.</summary>
    /// <exception cref="DriverError">The system refuses so large a range.</exception>
    public VirtualRange(long bytes)
    {
        Bytes = bytes;
        nint address = OperatingSystem.IsWindows() ? VirtualAlloc(0, (nuint)bytes, Commit | Reserve, PageReadWrite)
            : Map(0, (nuint)bytes, ReadWrite, OperatingSystem.IsMacOS() ? PrivateAnonymousMac : PrivateAnonymous | NoReserve, -1, 0);
        if (address is 0 or -1)
            throw new DriverError(CudaResult.OutOfMemory, $"the system refuses {bytes} bytes of address space for an emulated device; give it less memory, or allow overcommit (vm.overcommit_memory)");
        start = (byte*)address;
        // what is touched is touched densely: fewer, larger pages where the system has them
        if (OperatingSystem.IsLinux()) _ = Advise(address, (nuint)bytes, HugePage);
    }

    /// <summary>First byte.</summary>
    public byte* Start => start;

    /// <summary>Size.</summary>
    public long Bytes { get; }

    /// <summary>Makes everything zero again.</summary>
    public void Clear()
    {
        if (!OperatingSystem.IsLinux() || Advise((nint)start, (nuint)Bytes, DontNeed) != 0) NativeMemory.Clear(start, (nuint)Bytes);
    }

    /// <summary>Gives the large pages within a part back; they read as zero again. What is less than one of them stays, for others would split it.</summary>
    public void Discard(long offset, long bytes)
    {
        if (!OperatingSystem.IsLinux()) return;
        long shift = (long)start % LargePage, first = (offset + shift + LargePage - 1) / LargePage * LargePage - shift, end = (offset + shift + bytes) / LargePage * LargePage - shift;
        if (end > first) _ = Advise((nint)(start + first), (nuint)(end - first), DontNeed);
    }

    public void Dispose()
    {
        if (start == null) return;
        if (OperatingSystem.IsWindows()) _ = VirtualFree((nint)start, 0, Release);
        else _ = Unmap((nint)start, (nuint)Bytes);
        start = null;
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint bytes, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint bytes);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint bytes, int advice);

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial nint VirtualAlloc(nint address, nuint bytes, uint type, uint protection);

    [LibraryImport("kernel32")]
    private static partial int VirtualFree(nint address, nuint bytes, uint type);
}
