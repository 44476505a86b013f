using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Profiling;
using CommonCanvas.Trainer.Runs;

namespace CommonCanvas.Trainer.Diagnosis;

/// <summary>The program, the system, processors, memory, disk and MPI.</summary>
public static class HostFindings
{
    /// <summary>Memory that the quickstart needs.</summary>
    const long QuickstartMemory = 2L << 30;

    /// <summary>Room on the disk that the quickstart needs.</summary>
    const long QuickstartDisk = 256L << 20;

    /// <summary>Looks at everything but GPUs.</summary>
    /// <param name="threads">Threads that commands compute with.</param>
    public static IEnumerable<Finding> All(int threads)
    {
        yield return new("program", $"CommonCanvas {typeof(App).Assembly.GetName().Version?.ToString(3)}");
        yield return new(".NET", RuntimeInformation.FrameworkDescription);
        yield return new("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}");
        yield return new("processors", $"{Environment.ProcessorCount}; commands compute with {threads} threads");
        yield return new("instruction sets", InstructionSets());
        yield return new("bf16 products", CpuFeatures.UnusedBf16(CpuFeatures.Selected) is { } reason ? $"in fp32 on bf16 storage: {reason}" : "by bf16 instructions (AVX512-BF16)");
        var peaks = Peaks.Measure(threads);
        yield return new("measured peak", string.Create(CultureInfo.InvariantCulture, $"{peaks.Gigaflops:F0} GFLOP/s fp32, {peaks.Gigabytes:F1} GB/s memory"));
        yield return Memory();
        foreach (var finding in Disk(Directory.GetCurrentDirectory())) yield return finding;
        yield return Mpi();
    }

    /// <summary>Bytes for people.</summary>
    public static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):F1} GiB");

    static Finding Memory()
    {
        long memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return memory >= QuickstartMemory ? new("memory", Size(memory))
            : new("memory", Size(memory), $"the quickstart needs {Size(QuickstartMemory)} of memory and {Size(memory)} are there; close other programs or lift the container's limit", Blocks: true);
    }

    static IEnumerable<Finding> Disk(string folder)
    {
        long room = new DriveInfo(folder).AvailableFreeSpace;
        string? little = room >= QuickstartDisk ? null : $"the quickstart needs {Size(QuickstartDisk)} of room and {folder} has {Size(room)}; free some or start in another folder";
        yield return new("room on disk", $"{Size(room)} in {folder}", little, little is not null);
        if (OutputFolder.Problem(folder) is { } problem) yield return new("folder", folder, $"{folder} {problem}; start in another folder", Blocks: true);
    }

    static Finding Mpi()
    {
        string[] names = OperatingSystem.IsWindows() ? ["msmpi.dll"] : ["libmpi.so.40", "libmpi.so.12", "libmpi.so"];
        string? found = names.FirstOrDefault(name => NativeLibrary.TryLoad(name, out _));
        return new("MPI", (found ?? "not installed") + "; not used: a run has one process");
    }

    static string InstructionSets()
    {
        (string Name, bool There)[] sets =
        [
            ("AVX-512", Avx512F.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported),
            ("AVX512-BW", Avx512BW.IsSupported), ("NEON", AdvSimd.IsSupported),
        ];
        var there = sets.Where(s => s.There).Select(s => s.Name).ToArray();
        int width = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0;
        return (there.Length == 0 ? "none beyond the base" : string.Join(", ", there)) + (width > 0 ? $"; vectors of {width} bits" : "; no vectors");
    }
}
