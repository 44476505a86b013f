using System.Runtime.CompilerServices;

namespace CommonCanvas.Cuda;

/// <summary>
/// cuBLASLt on a device: NVIDIA's matrix products. One handle, which any stream of the device may be used with. Algorithms are
/// asked for that sum in fp32 and add split contractions in fp32, so that a result is rounded once, when it is stored, and is
/// the same each time.
/// </summary>
public sealed unsafe class CuBlasLt : IDisposable
{
    readonly CuBlasLtTable table;
    readonly LibraryObject handle;

    /// <summary>Takes a filled table and opens the library on a device.</summary>
    /// <param name="device">Whose primary context it uses.</param>
    /// <param name="table">The installed library's, or an emulated one.</param>
    /// <param name="path">Where it was loaded from.</param>
    /// <exception cref="LibraryCallException">It does not start.</exception>
    public CuBlasLt(CudaDevice device, CuBlasLtTable table, string path)
    {
        (this.table, LibraryPath, Device) = (table, path, device);
        Version = VersionOf(table);
        device.MakeCurrent();
        nint created;
        Check(table.cublasLtCreate(&created), $"{path} does not start on {device.Name} with a driver for CUDA {device.Api.DriverVersion}: install the cuBLAS of a CUDA that the driver knows");
        handle = new LibraryObject(created, (delegate* unmanaged<nint, int>)table.cublasLtDestroy);
    }

    /// <summary>The device.</summary>
    public CudaDevice Device { get; }

    /// <summary>Version of the library.</summary>
    public Version Version { get; }

    /// <summary>Where it was loaded from.</summary>
    public string LibraryPath { get; }

    /// <summary>The calls.</summary>
    internal ref readonly CuBlasLtTable Table => ref table;

    /// <summary>The library's handle.</summary>
    internal nint Handle => handle.Value;

    /// <summary>Loads the installed library: of the newest CUDA that the driver knows, 11 to 13.</summary>
    /// <param name="newest">The driver's CUDA version; null takes any.</param>
    /// <exception cref="LibraryMissingException">With numbered remedies.</exception>
    /// <exception cref="EntryPointNotFoundException">It is not the library its name says.</exception>
    public static (CuBlasLtTable Table, string Path) Load(Version? newest = null) => LibraryLoader.OpenTable<CuBlasLtTable>(
        "cuBLASLt, NVIDIA's matrix products,", Names(newest), LibraryLoader.ToolkitFolders,
        "install cuBLAS of CUDA 11.8, 12 or 13, no newer than the driver: it is part of the CUDA toolkit",
        "set CUDA_PATH to the toolkit, or LD_LIBRARY_PATH to the folder that holds it (PATH on Windows)",
        "do without: matrix products run on the program's own kernels");

    /// <summary>File names of the versions that a driver knows, newest first.</summary>
    internal static string[] Names(Version? newest, bool? windows = null)
    {
        var versions = new[] { 13, 12, 11 }.Where(major => newest is null || major <= newest.Major);
        return [.. versions.Select(major => windows ?? OperatingSystem.IsWindows() ? $"cublasLt64_{major}.dll" : $"libcublasLt.so.{major}")];
    }

    /// <summary>The version of a library that need not have been started: 110803 is 11.8.3.</summary>
    public static Version VersionOf(CuBlasLtTable table) => OptionalLibraries.CuBlasVersion((int)table.cublasLtGetVersion());

    /// <summary>Throws where <paramref name="status"/> is an error.</summary>
    internal void Check(CuBlasStatus status, string context, [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status == CuBlasStatus.Success) return;
        int start = call.IndexOf("cublas", StringComparison.Ordinal), end = call.IndexOf('(', StringComparison.Ordinal);
        throw new LibraryCallException($"cuBLASLt {Version}", start >= 0 && end > start ? call[start..end] : call, $"{status} ({(int)status})", context);
    }

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();
}
