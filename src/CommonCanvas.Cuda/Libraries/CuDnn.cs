using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>cuDNN on a device: NVIDIA's convolutions. One handle, used with one stream at a time.</summary>
public sealed unsafe class CuDnn : IDisposable
{
    readonly CuDnnTable table;
    readonly LibraryObject handle;

    /// <summary>Takes a filled table and opens the library on a device.</summary>
    /// <param name="device">Whose primary context it uses.</param>
    /// <param name="table">The installed library's, or an emulated one.</param>
    /// <param name="path">Where it was loaded from.</param>
    /// <exception cref="LibraryCallException">It does not start.</exception>
    public CuDnn(CudaDevice device, CuDnnTable table, string path)
    {
        (this.table, LibraryPath, Device) = (table, path, device);
        Version = VersionOf(table);
        device.MakeCurrent();
        nint created;
        Check(table.cudnnCreate(&created), $"{path} does not start on {device.Name} with a driver for CUDA {device.Api.DriverVersion}: install the cuDNN for a CUDA that the driver knows, with all of its libraries");
        handle = new LibraryObject(created, table.cudnnDestroy);
    }

    /// <summary>The device.</summary>
    public CudaDevice Device { get; }

    /// <summary>Version of the library.</summary>
    public Version Version { get; }

    /// <summary>Where it was loaded from.</summary>
    public string LibraryPath { get; }

    /// <summary>The calls.</summary>
    internal ref readonly CuDnnTable Table => ref table;

    /// <summary>The library's handle.</summary>
    internal nint Handle => handle.Value;

    /// <summary>Loads the installed library, of version 9 or 8.</summary>
    /// <exception cref="LibraryMissingException">With numbered remedies.</exception>
    /// <exception cref="EntryPointNotFoundException">It is not the library its name says.</exception>
    public static (CuDnnTable Table, string Path) Load() => LibraryLoader.OpenTable<CuDnnTable>(
        "cuDNN, NVIDIA's convolutions,", Names(), LibraryLoader.ToolkitFolders,
        "install cuDNN 8 or 9 for the CUDA of the driver, all of its libraries: it does not come with the CUDA toolkit",
        "set LD_LIBRARY_PATH to the folder that holds it (PATH on Windows)",
        "do without: convolutions run on the program's own kernels");

    /// <summary>File names, newest first.</summary>
    internal static string[] Names(bool? windows = null) =>
        [.. new[] { 9, 8 }.Select(major => windows ?? OperatingSystem.IsWindows() ? $"cudnn64_{major}.dll" : $"libcudnn.so.{major}")];

    /// <summary>The version of a library that need not have been started.</summary>
    public static Version VersionOf(CuDnnTable table) => OptionalLibraries.CuDnnVersion((int)table.cudnnGetVersion());

    /// <summary>Whether a code says that the library has no kernel for something: 9 in version 8, 3000 to 3999 in version 9.</summary>
    public static bool IsNotSupported(int status) => status is 9 or (>= 3000 and < 4000);

    /// <summary>Throws where <paramref name="status"/> is an error.</summary>
    internal void Check(int status, string context, [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status == 0) return;
        int start = call.IndexOf("cudnn", StringComparison.Ordinal), end = call.IndexOf('(', StringComparison.Ordinal);
        string text = Marshal.PtrToStringUTF8((nint)table.cudnnGetErrorString(status)) ?? "unknown code";
        throw new LibraryCallException($"cuDNN {Version}", start >= 0 && end > start ? call[start..end] : call, $"{text} ({status})", context);
    }

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();
}
