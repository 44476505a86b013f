using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>NCCL, which carries sums and copies between GPUs: the library's calls with the check of every result.</summary>
/// <param name="table">The installed library's, or an emulated one.</param>
/// <param name="path">Where it was loaded from.</param>
public sealed unsafe class Nccl(NcclTable table, string path)
{
    readonly NcclTable table = table;

    /// <summary>The calls.</summary>
    internal ref readonly NcclTable Table => ref table;

    /// <summary>Version of the library.</summary>
    public Version Version { get; } = VersionOf(table);

    /// <summary>Where it was loaded from.</summary>
    public string LibraryPath { get; } = path;

    /// <summary>Loads the installed library.</summary>
    /// <exception cref="LibraryMissingException">With numbered remedies.</exception>
    /// <exception cref="EntryPointNotFoundException">It is too old.</exception>
    public static Nccl Load()
    {
        var (table, path) = LibraryLoader.OpenTable<NcclTable>("NCCL, which joins several GPUs,", Names(), LibraryLoader.ToolkitFolders,
            "install NCCL 2.7 or newer for the CUDA of the driver (package libnccl2 of NVIDIA's repository); there is none for Windows",
            "set LD_LIBRARY_PATH to the folder that holds it",
            "do without: train on one GPU");
        return new Nccl(table, path);
    }

    /// <summary>File names.</summary>
    internal static string[] Names() => OperatingSystem.IsWindows() ? ["nccl.dll"] : ["libnccl.so.2"];

    /// <summary>The version of a library; 0.0 where it does not say.</summary>
    public static Version VersionOf(NcclTable table)
    {
        int version;
        return table.ncclGetVersion(&version) == NcclResult.Success ? OptionalLibraries.NcclVersion(version) : new Version(0, 0);
    }

    /// <summary>Makes what ranks find each other by. One rank calls it and sends it to the others before any of them joins.</summary>
    /// <exception cref="LibraryCallException">There is no network interface that ranks could meet at.</exception>
    public NcclUniqueId CreateId()
    {
        NcclUniqueId id;
        Check(table.ncclGetUniqueId(&id), "see NCCL_SOCKET_IFNAME, which names the network interface to use");
        return id;
    }

    /// <summary>Joins several calls of one thread: they are begun together, so that none waits for one that comes after it.</summary>
    /// <exception cref="LibraryCallException">One of them failed.</exception>
    public void Group(Action calls)
    {
        Check(table.ncclGroupStart(), "");
        try { calls(); }
        finally { Check(table.ncclGroupEnd(), "one of the calls of a group"); }
    }

    /// <summary>Throws where <paramref name="result"/> is an error.</summary>
    internal void Check(NcclResult result, string context, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result is NcclResult.Success or NcclResult.InProgress) return;
        int start = call.IndexOf("nccl", StringComparison.Ordinal), end = call.IndexOf('(', StringComparison.Ordinal);
        throw Error(result, context, start >= 0 && end > start ? call[start..end] : call);
    }

    /// <summary>What to throw for a code.</summary>
    internal LibraryCallException Error(NcclResult result, string context, string call)
    {
        string text = Marshal.PtrToStringUTF8((nint)table.ncclGetErrorString(result)) ?? result.ToString();
        string last = table.ncclGetLastError != null ? Marshal.PtrToStringUTF8((nint)table.ncclGetLastError(0)) ?? "" : "";
        return new($"NCCL {Version}", call, $"{text} ({(int)result})", last.Length == 0 ? context : $"{context}; {last.Trim()}");
    }
}
