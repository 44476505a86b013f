using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>A library of NVIDIA's that may be installed and that a run can do without.</summary>
/// <param name="Role">What it is.</param>
/// <param name="Version">Its version; null where it is missing.</param>
/// <param name="Path">Where it lies; empty where it is missing.</param>
/// <param name="Use">What it is used for here.</param>
public sealed record LibraryFinding(string Role, Version? Version, string Path, string Use);

/// <summary>Looks for the libraries that a run can do without.</summary>
public static unsafe class OptionalLibraries
{
    /// <summary>cuBLASLt.</summary>
    public static LibraryFinding CuBlasLt() => Find<CuBlasLtTable>("cuBLASLt", Cuda.CuBlasLt.Names(null),
        Cuda.CuBlasLt.VersionOf, "for matrix products where it is faster than the program's own kernels, and right");

    /// <summary>cuDNN.</summary>
    public static LibraryFinding CuDnn() => Find<CuDnnTable>("cuDNN", Cuda.CuDnn.Names(),
        Cuda.CuDnn.VersionOf, "for convolutions where it is faster than the program's own kernels, and right");

    /// <summary>NCCL.</summary>
    public static LibraryFinding Nccl() => Find<NcclTable>("NCCL", Cuda.Nccl.Names(), Cuda.Nccl.VersionOf, "not used: a run has one device");

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

    internal static LibraryFinding Find<T>(string role, string[] names, Func<T, Version> version, string use) where T : unmanaged
    {
        try
        {
            var (table, path) = LibraryLoader.OpenTable<T>(role, names, LibraryLoader.ToolkitFolders);
            return new LibraryFinding(role, version(table), path, use);
        }
        catch (Exception e) when (e is LibraryMissingException or EntryPointNotFoundException)
        {
            return new LibraryFinding(role, null, "", use);
        }
    }
}
