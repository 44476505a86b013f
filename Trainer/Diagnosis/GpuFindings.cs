using System.Globalization;
using CommonCanvas.Cuda;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Devices;

namespace CommonCanvas.Trainer.Diagnosis;

/// <summary>Driver, GPUs and NVIDIA's libraries: what is there, where, and what its absence costs.</summary>
public static class GpuFindings
{
    /// <summary>Looks at the driver, its devices and the libraries.</summary>
    public static IReadOnlyList<Finding> All()
    {
        var driver = DriverVersion();
        return
        [
            .. Driver(),
            Compiler(),
            new("kernel cache", KernelCacheText()),
            new("kernels ahead of time", AheadOfTimeText()),
            Optional(OptionalLibraries.CuBlasLt(driver), driver is not null),
            Optional(OptionalLibraries.CuDnn(), driver is not null),
            Optional(OptionalLibraries.Nccl(), driver is not null),
            Choices(CudaOps.ChoicesFolder),
        ];
    }

    static IReadOnlyList<Finding> Driver()
    {
        try
        {
            var (driver, path) = InstalledDriver.Load();
            var api = new CudaApi(driver);
            var findings = new List<Finding> { new("GPU driver", $"CUDA {api.DriverVersion}, {path}") };
            for (int i = 0; i < api.DeviceCount; i++) findings.Add(Device(api, i));
            return findings;
        }
        catch (Exception e) when (e is LibraryMissingException or CudaException or EntryPointNotFoundException)
        {
            return [new("GPU driver", "none that works", $"no --device cuda; the processor computes. {e.Message}")];
        }
    }

    static Finding Device(CudaApi api, int ordinal)
    {
        using var device = new CudaDevice(api, ordinal);
        using var stream = new CudaStream(device);
        return new($"cuda:{ordinal}", string.Create(CultureInfo.InvariantCulture,
            $"{device.Name}, compute capability {device.ComputeCapability / 10.0:F1}, {device.Multiprocessors} multiprocessors, {HostFindings.Size(device.Memory.Free)} of {HostFindings.Size(device.TotalMemory)} free, {CopyRate(device, stream):F0} GB/s memory measured"));
    }

    /// <summary>Bytes read and written by a copy within the device, 1e9 a second; the best of a few.</summary>
    internal static double CopyRate(CudaDevice device, CudaStream stream, long bytes = 256 << 20)
    {
        const int Attempts = 5;
        nint from = device.Allocate(bytes), to = device.Allocate(bytes);
        using CudaEvent begin = new(device, timing: true), end = new(device, timing: true);
        double best = 0;
        try
        {
            stream.Fill8(from, 0, bytes);
            for (int i = 0; i < Attempts; i++)
            {
                begin.Record(stream);
                stream.Copy(from, to, bytes);
                end.Record(stream);
                end.Synchronize();
                best = Math.Max(best, 2e-6 * bytes / begin.MillisecondsTo(end));
            }
        }
        finally
        {
            device.Free(from);
            device.Free(to);
        }
        return best;
    }

    static Finding Compiler()
    {
        try
        {
            var compiler = Nvrtc.Load();
            return new("NVRTC", string.Create(CultureInfo.InvariantCulture,
                $"{compiler.Version}, {compiler.LibraryPath}, compiles for {compiler.Architectures[0] / 10.0:F1} to {compiler.Architectures[^1] / 10.0:F1}"));
        }
        catch (LibraryMissingException e)
        {
            string cost = DeviceFactory.HasAllKernels() ? "no --device emulator; --device cuda has its kernels compiled ahead of time" : "no GPU kernels, neither --device cuda nor --device emulator";
            return new("NVRTC", "not found", $"{cost}. {e.Message}");
        }
    }

    static string AheadOfTimeText()
    {
        if (AheadOfTimeKernels.Find() is not { } kernels) return "none: they are compiled when first used; where nvcc is, cmake -B build/native && cmake --build build/native makes them";
        int fresh = KernelSources.Files.Sum(file => KernelSources.Storages.Count(storage => kernels.IsFresh(file, storage)));
        return $"{fresh} of {KernelSources.Files.Count * KernelSources.Storages.Count} are of the program's sources, {kernels.Folder}";
    }

    static string KernelCacheText()
    {
        string folder = KernelCache.DefaultFolder;
        if (!Directory.Exists(folder)) return $"empty, {folder}";
        var entries = new DirectoryInfo(folder).GetFiles("*.bin");
        return string.Create(CultureInfo.InvariantCulture, $"{entries.Length} programs, {entries.Sum(entry => entry.Length) / 1048576.0:F1} MiB, {folder}");
    }

    static Version? DriverVersion()
    {
        try { return new CudaApi(InstalledDriver.Load().Driver).DriverVersion; }
        catch (Exception e) when (e is LibraryMissingException or CudaException or EntryPointNotFoundException) { return null; }
    }

    /// <summary>A library with its version and path, or what to do to have it where there is a GPU; without one it would be of no use.</summary>
    internal static Finding Optional(LibraryFinding library, bool gpu = true) => library.Version is { } version
        ? new(library.Role, $"{version}, {library.Path}; {library.Use}")
        : new(library.Role, $"not found; {library.Use}", gpu ? library.Missing : null);

    /// <summary>What is remembered about which library computes what, and of which none is used any more.</summary>
    internal static Finding Choices(string folder)
    {
        string[] lines = Directory.Exists(folder) ? [.. Directory.GetFiles(folder, "*.txt").SelectMany(File.ReadLines)] : [];
        int products = lines.Count(line => line.StartsWith("use\t", StringComparison.Ordinal));
        string[] wrong = [.. lines.Select(line => line.Split('\t')).Where(parts => parts is ["never", _, _]).Select(parts => parts[2]).Distinct()];
        string value = $"{products} products tried, {folder}" + (CudaOps.LibrariesAreOff ? $"; libraries are switched off by {CudaOps.LibrariesVariable}" : "");
        return new("candidates", value, wrong.Length == 0 ? null : $"left out, for wrong answers: {string.Join("; ", wrong)}. Remove the files of that folder to try again");
    }
}
