using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tests;

/// <summary>A profiler's library, which speaks NVTX 3's protocol: asks for the tables by their numbers and puts its functions into them. For tests of the collection Nvtx.</summary>
public static unsafe class FakeProfiler
{
    static string? missing;

    /// <summary>Names of the ranges begun, and a stroke for each end.</summary>
    public static List<string> Events { get; } = [];

    /// <summary>Ranges that have not ended.</summary>
    public static int Open { get; private set; }

    /// <summary>Connects; one function may be left out.</summary>
    public static Nvtx? Attach(string? without = null)
    {
        Events.Clear();
        (Open, missing) = (0, without);
        return Nvtx.Attach(&Initialize);
    }

    [UnmanagedCallersOnly]
    static int Initialize(delegate* unmanaged<uint, void*> exportTable)
    {
        if (missing == "everything") return 0;
        // sizes and places are those of nvtxTypes.h: a size, then the pointer to GetModuleFunctionTable; a size, the version, a gap and a pointer
        var callbacks = (nint*)exportTable(1);
        var version = (byte*)exportTable(3);
        Assert.Equal(16, callbacks[0]);
        Assert.Equal((24, 3u), (*(nint*)version, *(uint*)(version + 8)));
        ((delegate* unmanaged<uint, void>)(*(nint*)(version + 16)))(3);
        Assert.True(exportTable(2) is null && exportTable(4) is null);
        var getTable = (delegate* unmanaged<int, nint***, uint*, int>)callbacks[1];
        nint** table = null;
        uint size = 0;
        foreach (var (module, functions) in new[] { (6, 7u), (5, 16u), (4, 7u), (3, 15u), (2, 9u), (1, 16u) })
        {
            Assert.Equal(1, getTable(module, &table, &size));
            Assert.Equal(functions, size);
            Assert.True(table[0] is null && table[size] is null);
            for (uint i = 1; i < size; i++) Assert.Equal(0, *table[i]);
        }
        Assert.Equal((0, 0), (getTable(0, null, null), getTable(7, null, null)));
        if (missing != "push") *table[9] = (nint)(delegate* unmanaged<byte*, int>)&Push;
        if (missing != "pop") *table[11] = (nint)(delegate* unmanaged<int>)&Pop;
        return 1;
    }

    [UnmanagedCallersOnly]
    static int Push(byte* text)
    {
        Events.Add(Marshal.PtrToStringUTF8((nint)text)!);
        return Open++;
    }

    [UnmanagedCallersOnly]
    static int Pop()
    {
        Events.Add("/");
        return --Open;
    }
}
