using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>
/// Named ranges of time for Nsight Systems and Nsight Compute, by version 3 of NVTX, which has no library: whoever wants to be
/// heard loads the profiler's own, whose path the profiler leaves in <see cref="Variable"/>, and hands it tables of pointers to
/// fill. NVIDIA's headers do that for C programs; this does it here. It works with every toolkit, where libnvToolsExt, the way
/// of version 2, is gone since CUDA 12.9. Without a profiler there is no object of this class, and nothing to pay.
/// Source: nvtxInit.h, nvtxImpl.h and nvtxTypes.h of github.com/NVIDIA/NVTX.
/// </summary>
public sealed unsafe class Nvtx
{
    /// <summary>The environment variable in which a profiler leaves the path of its library.</summary>
    public const string Variable = "NVTX_INJECTION64_PATH";

    const string Entry = "InitializeInjectionNvtx2";
    const uint Version = 3;
    const int CoreModule = 1, PushSlot = 9, PopSlot = 11;

    /// <summary>Functions of each module, the unused number 0 among them: core, CUDA, OpenCL, CUDA run time, core 2, synchronisation.</summary>
    static readonly int[] moduleSizes = [0, 16, 9, 15, 7, 16, 7];

    /// <summary>What a profiler asks for by number 1.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct CallbackTable
    {
        public nuint Size;
        public delegate* unmanaged<int, nint***, uint*, int> GetModuleFunctionTable;
    }

    /// <summary>What a profiler asks for by number 3.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct VersionTable
    {
        public nuint Size;
        public uint Version, Reserved;
        public delegate* unmanaged<uint, void> SetInjectionVersion;
    }

    static readonly Lock gate = new();
    static readonly nint*** modules = (nint***)NativeMemory.AllocZeroed((nuint)moduleSizes.Length, (nuint)sizeof(nint));
    static readonly CallbackTable* callbacks = (CallbackTable*)NativeMemory.AllocZeroed((nuint)sizeof(CallbackTable));
    static readonly VersionTable* version = (VersionTable*)NativeMemory.AllocZeroed((nuint)sizeof(VersionTable));

    readonly delegate* unmanaged<byte*, int> push;
    readonly delegate* unmanaged<int> pop;
    readonly Dictionary<string, nint> texts = [];

    Nvtx(nint push, nint pop)
    {
        this.push = (delegate* unmanaged<byte*, int>)push;
        this.pop = (delegate* unmanaged<int>)pop;
    }

    /// <summary>Connects to the profiler that has started this process; null where there is none.</summary>
    /// <param name="note">Told why one that announces itself cannot be connected to.</param>
    public static Nvtx? Attach(Action<string>? note = null)
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } path) return null;
        if (!NativeLibrary.TryLoad(path, out nint library)) note?.Invoke($"{Variable}: {path} cannot be loaded; the profile has no ranges");
        else if (!NativeLibrary.TryGetExport(library, Entry, out nint entry)) note?.Invoke($"{Variable}: {path} has no {Entry}; the profile has no ranges");
        else if (Attach((delegate* unmanaged<delegate* unmanaged<uint, void*>, int>)entry) is { } attached) return attached;
        else note?.Invoke($"{Variable}: {path} takes no ranges; the profile has none");
        return null;
    }

    /// <summary>Lets a profiler fill the tables; null where it does not want to, or takes no ranges.</summary>
    /// <param name="initialize">Its entry function, which gets a function that gives tables by number.</param>
    public static Nvtx? Attach(delegate* unmanaged<delegate* unmanaged<uint, void*>, int> initialize)
    {
        lock (gate)
        {
            for (int module = 1; module < moduleSizes.Length; module++) modules[module] = NewTable(moduleSizes[module]);
            *callbacks = new CallbackTable { Size = (nuint)sizeof(CallbackTable), GetModuleFunctionTable = &GetModuleFunctionTable };
            *version = new VersionTable { Size = (nuint)sizeof(VersionTable), Version = Version, SetInjectionVersion = &SetInjectionVersion };
            if (initialize(&GetExportTable) == 0) return null;
            nint push = *modules[CoreModule][PushSlot], pop = *modules[CoreModule][PopSlot];
            return push == 0 || pop == 0 ? null : new Nvtx(push, pop);
        }
    }

    /// <summary>Begins a range within those of this thread that are open.</summary>
    public void Push(string name)
    {
        if (!texts.TryGetValue(name, out nint text)) texts[name] = text = Marshal.StringToCoTaskMemUTF8(name);
        _ = push((byte*)text);
    }

    /// <summary>Ends this thread's innermost range.</summary>
    public void Pop() => _ = pop();

    /// <summary>
    /// An array of pointers to slots, one for each function, with one more that is null. The profiler keeps their addresses as
    /// long as the process lives, so they are never freed.
    /// </summary>
    static nint** NewTable(int size)
    {
        var slots = (nint*)NativeMemory.AllocZeroed((nuint)size, (nuint)sizeof(nint));
        var table = (nint**)NativeMemory.AllocZeroed((nuint)size + 1, (nuint)sizeof(nint));
        for (int i = 1; i < size; i++) table[i] = slots + i;
        return table;
    }

    [UnmanagedCallersOnly]
    static void* GetExportTable(uint id) => id switch
    {
        1 => callbacks,
        3 => version,
        _ => null,
    };

    [UnmanagedCallersOnly]
    static int GetModuleFunctionTable(int module, nint*** table, uint* size)
    {
        if (module < 1 || module >= moduleSizes.Length) return 0;
        if (table is not null) *table = modules[module];
        if (size is not null) *size = (uint)moduleSizes[module];
        return 1;
    }

    [UnmanagedCallersOnly]
    static void SetInjectionVersion(uint injected)
    {
        // said for a profiler's own use: no function that is called here has changed since the first version
    }
}
