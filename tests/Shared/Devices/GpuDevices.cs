using System.Collections.Concurrent;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Tensors;

namespace CommonCanvas.Tests;

/// <summary>A device for one test.</summary>
public sealed class DeviceLease(IOps ops, Action<IOps>? giveBack = null) : IDisposable
{
    /// <summary>The device.</summary>
    public IOps Ops => ops;

    /// <summary>Closes the device, or gives it back to where it was borrowed.</summary>
    public void Dispose()
    {
        if (giveBack is null) ops.Dispose();
        else giveBack(ops);
    }
}

/// <summary>
/// The emulated GPU and, where there is one, a real one, for tests. Opened devices are kept with the kernels that they have
/// loaded and lent to one test at a time.
/// </summary>
public static class GpuDevices
{
    static readonly ConcurrentDictionary<string, ConcurrentBag<CudaOps>> idle = new();
    static readonly Lazy<string?> noCompiler = new(() => Missing(() => Nvrtc.Load()));
    static readonly Lazy<string?> noGpu = new(() => Missing(() =>
    {
        if (new CudaApi(InstalledDriver.Load().Driver).DeviceCount == 0) throw new CudaException(CudaResult.NoDevice, "the NVIDIA driver shows no GPU");
    }));

    [ThreadStatic] static Func<int, DeviceLease>? substitute;

    /// <summary>Why there is no emulated GPU; null where there is.</summary>
    public static string? NoEmulator => noCompiler.Value;

    /// <summary>Why there is no real GPU; null where there is.</summary>
    public static string? NoCuda => noGpu.Value ?? noCompiler.Value;

    /// <summary>The schedule that stands for a GPU of one multiprocessor, on which grids are small and threads take several turns.</summary>
    public const int OneMultiprocessor = -1;

    /// <summary>
    /// An emulated GPU. Schedule 0 takes blocks and warps as they are numbered, on two threads; positive ones permute them, on one
    /// thread and on three.
    /// </summary>
    public static DeviceLease Emulator(int schedule = 0) => substitute is { } other ? other(schedule)
        : Lend($"emulator {schedule}", () => CudaOps.Open(EmulatedDriver.Create(Options(schedule)), ptxOnly: true));

    /// <summary>What the emulated GPU of a schedule is like.</summary>
    public static EmulatedDeviceOptions Options(int schedule)
    {
        var options = new EmulatedDeviceOptions { MemoryBytes = 4L << 30 };
        return schedule == OneMultiprocessor ? options with { Threads = 2, Multiprocessors = 1 }
            : options with { Threads = schedule == 0 ? 2 : schedule % 2 * 2 + 1, Schedule = (ulong)schedule };
    }

    /// <summary>
    /// An emulated GPU of compute capability 7.5, as a T4 is: matrix instructions for fp16 alone and half as deep, no copies that run
    /// beside, no instruction that rounds to bf16, 64 KiB of shared memory.
    /// </summary>
    public static DeviceLease OldEmulator() => Lend("emulator 7.5", () => CudaOps.Open(EmulatedDriver.Create(new EmulatedDeviceOptions
    {
        ComputeCapability = 75, Multiprocessors = 40, SharedMemoryPerBlock = 64 << 10, SharedMemoryPerMultiprocessor = 64 << 10, MemoryBytes = 4L << 30, Threads = 2,
    }), ptxOnly: true));

    /// <summary>Runs <paramref name="action"/> with other devices, by schedule, in place of <see cref="Emulator"/> on this thread.</summary>
    public static void Substitute(Func<int, DeviceLease> devices, Action action)
    {
        substitute = devices;
        try { action(); }
        finally { substitute = null; }
    }

    /// <summary>The first real GPU.</summary>
    public static DeviceLease Cuda() => Lend("cuda", () => CudaOps.Open(InstalledDriver.Load().Driver));

    static DeviceLease Lend(string kind, Func<CudaOps> open)
    {
        var bag = idle.GetOrAdd(kind, _ => []);
        return new DeviceLease(bag.TryTake(out var ops) ? ops : open(), used => TakeBack((CudaOps)used, bag));
    }

    // A kernel's late error surfaces here; a device on which a test has left memory rented is closed.
    static void TakeBack(CudaOps ops, ConcurrentBag<CudaOps> bag)
    {
        ops.Synchronize();
        ops.Arena.Trim();
        if (ops.Arena.LiveBlocks == 0) bag.Add(ops);
        else ops.Dispose();
    }

    static string? Missing(Action look)
    {
        try
        {
            look();
            return null;
        }
        catch (Exception e) when (e is LibraryMissingException or CudaException or EntryPointNotFoundException)
        {
            return e.Message.Split('\n')[0];
        }
    }
}
