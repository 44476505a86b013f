namespace CommonCanvas.Cuda;

/// <summary>A library of NVIDIA's that may be installed and that a run can do without.</summary>
/// <param name="Role">What it is.</param>
/// <param name="Version">Its version; null where it is missing.</param>
/// <param name="Path">Where it lies; empty where it is missing.</param>
/// <param name="Use">What it is used for here.</param>
/// <param name="Missing">Where it was looked for, with numbered remedies; null where it is there.</param>
public sealed record LibraryFinding(string Role, Version? Version, string Path, string Use, string? Missing);

/// <summary>Looks for the libraries that a run can do without.</summary>
public static class OptionalLibraries
{
    /// <summary>cuBLASLt.</summary>
    /// <param name="driver">CUDA version of the driver, beyond which a library does not start; null for no driver.</param>
    public static LibraryFinding CuBlasLt(Version? driver = null) => Find("cuBLASLt", () =>
    {
        var (table, path) = Cuda.CuBlasLt.Load(driver);
        return (Cuda.CuBlasLt.VersionOf(table), path);
    }, "for matrix products where it is faster than the program's own kernels, and right");

    /// <summary>cuDNN.</summary>
    public static LibraryFinding CuDnn() => Find("cuDNN", () =>
    {
        var (table, path) = Cuda.CuDnn.Load();
        return (Cuda.CuDnn.VersionOf(table), path);
    }, "for convolutions where it is faster than the program's own kernels, and right");

    /// <summary>NCCL.</summary>
    public static LibraryFinding Nccl() => Find("NCCL", () =>
    {
        var library = Cuda.Nccl.Load();
        return (library.Version, library.LibraryPath);
    }, "for sums between GPUs; a run has one device");

    /// <summary>110803 is 11.8.3.</summary>
    internal static Version CuBlasVersion(int number) => new(number / 10000, number % 10000 / 100, number % 100);

    /// <summary>8907 is 8.9.7, 90100 is 9.1.0: from version 9 on each part has two digits more.</summary>
    internal static Version CuDnnVersion(int number) => number < 90000
        ? new Version(number / 1000, number % 1000 / 100, number % 100)
        : new Version(number / 10000, number % 10000 / 100, number % 100);

    /// <summary>2708 is 2.7.8, 21805 is 2.18.5: since 2.9 the minor version has two digits.</summary>
    internal static Version NcclVersion(int number) => number < 10000
        ? new Version(number / 1000, number % 1000 / 100, number % 100)
        : new Version(number / 10000, number % 10000 / 100, number % 100);

    internal static LibraryFinding Find(string role, Func<(Version Version, string Path)> load, string use)
    {
        try
        {
            var (version, path) = load();
            return new LibraryFinding(role, version, path, use, null);
        }
        catch (Exception e) when (e is LibraryMissingException or EntryPointNotFoundException)
        {
            return new LibraryFinding(role, null, "", use, e.Message);
        }
    }
}
