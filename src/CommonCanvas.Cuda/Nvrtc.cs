using System.Runtime.InteropServices;
using System.Text;

namespace CommonCanvas.Cuda;

/// <summary>NVRTC's calls, one field each.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct NvrtcTable
{
#pragma warning disable CS1591, IDE1006 // the names are NVRTC's, and so is their documentation
    public delegate* unmanaged<int*, int*, int> nvrtcVersion;
    public delegate* unmanaged<int, byte*> nvrtcGetErrorString;
    public delegate* unmanaged<int*, int> nvrtcGetNumSupportedArchs;
    public delegate* unmanaged<int*, int> nvrtcGetSupportedArchs;
    public delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> nvrtcCreateProgram;
    public delegate* unmanaged<nint*, int> nvrtcDestroyProgram;
    public delegate* unmanaged<nint, int, byte**, int> nvrtcCompileProgram;
    public delegate* unmanaged<nint, nuint*, int> nvrtcGetPTXSize;
    public delegate* unmanaged<nint, byte*, int> nvrtcGetPTX;
    public delegate* unmanaged<nint, nuint*, int> nvrtcGetCUBINSize;
    public delegate* unmanaged<nint, byte*, int> nvrtcGetCUBIN;
    public delegate* unmanaged<nint, nuint*, int> nvrtcGetProgramLogSize;
    public delegate* unmanaged<nint, byte*, int> nvrtcGetProgramLog;
#pragma warning restore CS1591, IDE1006
}

/// <summary>What NVRTC made of a program: PTX, machine code where a real architecture was asked for, and its log.</summary>
/// <param name="Ptx">PTX text.</param>
/// <param name="Cubin">ELF image for the architecture; empty for a virtual one.</param>
/// <param name="Log">Warnings, and registers and spills where <c>--ptxas-options=-v</c> was given.</param>
public sealed record NvrtcProgram(string Ptx, byte[] Cubin, string Log);

/// <summary>A kernel does not compile: the message has the file, the line and the compiler's log.</summary>
public sealed class KernelCompilationException(string file, string log)
    : Exception($"{file} does not compile:\n{log}")
{
    /// <summary>The compiler's log.</summary>
    public string Log { get; } = log;
}

/// <summary>
/// The run-time compiler of CUDA C++. Needs no driver and no GPU. Compilations run one at a time, as the library has a lock.
/// </summary>
public sealed unsafe class Nvrtc
{
    /// <summary>Environment variable that names a folder with the library.</summary>
    public const string FolderVariable = "COMMONCANVAS_NVRTC";

    readonly NvrtcTable table;

    Nvrtc(NvrtcTable table, string path)
    {
        (this.table, LibraryPath) = (table, path);
        int major, minor;
        Check(table.nvrtcVersion(&major, &minor), "nvrtcVersion");
        Version = new Version(major, minor);
        int count;
        Check(table.nvrtcGetNumSupportedArchs(&count), "nvrtcGetNumSupportedArchs");
        var known = new int[count];
        fixed (int* p = known) Check(table.nvrtcGetSupportedArchs(p), "nvrtcGetSupportedArchs");
        Architectures = known;
    }

    /// <summary>Compute capabilities that it compiles for, times ten, ascending.</summary>
    public IReadOnlyList<int> Architectures { get; }

    /// <summary>
    /// What to compile for on a device: its own machine code, or, where it is newer than this library, PTX of the newest
    /// architecture known, which the driver compiles.
    /// </summary>
    /// <param name="computeCapability">Of the device, times ten.</param>
    /// <exception cref="NotSupportedException">The device is older than all that this library knows.</exception>
    public string ArchitectureFor(int computeCapability)
    {
        int best = Architectures.LastOrDefault(known => known <= computeCapability);
        if (best == 0)
            throw new NotSupportedException($"NVRTC {Version} ({LibraryPath}) compiles for compute capability {Architectures[0] / 10.0:F1} and newer, the device has {computeCapability / 10.0:F1}.\n  1. install an older CUDA toolkit (11.8 knows 3.5 to 9.0) and set {FolderVariable} to its folder\n  2. train without a GPU: --device cpu");
        return best == computeCapability ? $"sm_{best}" : $"compute_{best}";
    }

    /// <summary>Version of the library, such as 11.8.</summary>
    public Version Version { get; }

    /// <summary>Where it was loaded from.</summary>
    public string LibraryPath { get; }

    /// <summary>
    /// Opens NVRTC of CUDA 11.8 to 13: from <see cref="FolderVariable"/>, from the build folder that
    /// <c>native/fetch-nvrtc.sh</c> fills, from an installed toolkit, or by the system's search path.
    /// </summary>
    /// <exception cref="LibraryMissingException">With numbered remedies.</exception>
    public static Nvrtc Load()
    {
        string[] names = OperatingSystem.IsWindows()
            ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"]
            : ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"];
        var (table, path) = LibraryLoader.OpenTable<NvrtcTable>("NVRTC, the CUDA run-time compiler,", names, [.. Folders(), .. LibraryLoader.ToolkitFolders],
            "run ./build.sh nvrtc, which fetches it (17 MB) into build/nvrtc without touching the system",
            "install the CUDA toolkit 11.8, 12 or 13",
            $"set {FolderVariable} to the folder that holds it");
        LoadBuiltins(path);
        return new Nvrtc(table, path);
    }

    // NVRTC opens its builtins by name alone, which finds them beside it only once they are loaded.
    static void LoadBuiltins(string path)
    {
        if (Path.GetDirectoryName(path) is not { Length: > 0 } folder) return;
        foreach (string builtins in Directory.EnumerateFiles(folder, OperatingSystem.IsWindows() ? "nvrtc-builtins*.dll" : "libnvrtc-builtins.so*"))
            NativeLibrary.TryLoad(builtins, out _);
    }

    static IEnumerable<string> Folders()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } named) yield return named;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "CommonCanvas.sln"))) yield return Path.Combine(folder.FullName, "build", "nvrtc");
    }

    /// <summary>Compiles a source with its headers.</summary>
    /// <param name="source">CUDA C++.</param>
    /// <param name="file">Name of the source, for messages and line information.</param>
    /// <param name="headers">Name and text of what the source may include.</param>
    /// <param name="options">Compiler options, such as <c>-arch=sm_80</c>.</param>
    /// <exception cref="KernelCompilationException">With the compiler's log.</exception>
    public NvrtcProgram Compile(string source, string file, IReadOnlyList<(string Name, string Text)> headers, IReadOnlyList<string> options)
    {
        using var text = new NativeStrings([source, file, .. headers.Select(h => h.Text), .. headers.Select(h => h.Name), .. options]);
        byte** strings = text.Pointers;
        nint program;
        Check(table.nvrtcCreateProgram(&program, strings[0], strings[1], headers.Count, strings + 2, strings + 2 + headers.Count), "nvrtcCreateProgram");
        try
        {
            int result = table.nvrtcCompileProgram(program, options.Count, strings + 2 + 2 * headers.Count);
            string log = Text(program, table.nvrtcGetProgramLogSize, table.nvrtcGetProgramLog);
            if (result != 0) throw new KernelCompilationException(file, log.Length > 0 ? log : ErrorText(result));
            return new NvrtcProgram(Text(program, table.nvrtcGetPTXSize, table.nvrtcGetPTX),
                Bytes(program, table.nvrtcGetCUBINSize, table.nvrtcGetCUBIN), log);
        }
        finally
        {
            Check(table.nvrtcDestroyProgram(&program), "nvrtcDestroyProgram");
        }
    }

    string Text(nint program, delegate* unmanaged<nint, nuint*, int> size, delegate* unmanaged<nint, byte*, int> get) =>
        Encoding.UTF8.GetString(Bytes(program, size, get)).TrimEnd('\0');

    byte[] Bytes(nint program, delegate* unmanaged<nint, nuint*, int> size, delegate* unmanaged<nint, byte*, int> get)
    {
        nuint length;
        Check(size(program, &length), "size of a result");
        var bytes = new byte[checked((int)length)];
        if (bytes.Length == 0) return bytes;
        fixed (byte* p = bytes) Check(get(program, p), "copy of a result");
        return bytes;
    }

    void Check(int result, string call)
    {
        if (result != 0) throw new InvalidOperationException($"NVRTC {call} failed: {ErrorText(result)}");
    }

    string ErrorText(int result) => Marshal.PtrToStringUTF8((nint)table.nvrtcGetErrorString(result)) ?? $"code {result}";

    /// <summary>Strings as an array of pointers to their zero-terminated UTF-8.</summary>
    sealed class NativeStrings : IDisposable
    {
        readonly int count;

        public NativeStrings(IReadOnlyList<string> strings)
        {
            count = strings.Count;
            Pointers = (byte**)NativeMemory.AllocZeroed((nuint)count + 1, (nuint)sizeof(nint));
            for (int i = 0; i < count; i++) Pointers[i] = (byte*)Marshal.StringToCoTaskMemUTF8(strings[i]);
        }

        public byte** Pointers { get; }

        public void Dispose()
        {
            for (int i = 0; i < count; i++) Marshal.FreeCoTaskMem((nint)Pointers[i]);
            NativeMemory.Free(Pointers);
        }
    }
}
