using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Decoding;

namespace CommonCanvas.Emulator.Machine;

/// <summary>A kernel of a loaded module.</summary>
internal sealed class EmulatedFunction(EmulatedDevice device, KernelCode code)
{
    /// <summary>Its device.</summary>
    public EmulatedDevice Device { get; } = device;

    /// <summary>What the driver's callers know it by while its module is loaded; 0 where nobody has asked for it.</summary>
    public nint Handle { get; set; }

    /// <summary>Its code.</summary>
    public KernelCode Code { get; } = code;

    /// <summary>Dynamic shared memory that a launch may ask for.</summary>
    public int MaxDynamicShared { get; set; } = Math.Max(0, LaunchLimits.SharedWithoutOptIn - code.Kernel.SharedBytes);

    /// <summary>Threads of a block at most.</summary>
    public int MaxThreads => Code.Kernel.MaxThreads > 0 ? Math.Min(Code.Kernel.MaxThreads, LaunchLimits.Threads) : LaunchLimits.Threads;

    /// <summary>Registers a thread, estimated: those that are live at once and a few for addresses and predicates.</summary>
    public int Registers => Math.Min(255, Code.Registers + 8);

    /// <summary>Refuses what a GPU refuses before it launches.</summary>
    /// <exception cref="DriverError">With what is beyond which limit.</exception>
    public void CheckLimits(uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes)
    {
        string name = Code.Kernel.Name;
        if (gridX == 0 || gridY == 0 || gridZ == 0 || gridX > LaunchLimits.GridX || gridY > LaunchLimits.GridYZ || gridZ > LaunchLimits.GridYZ)
            throw new DriverError(CudaResult.InvalidValue,
                $"{name}: a grid of ({gridX}, {gridY}, {gridZ}) blocks is beyond (1 to {LaunchLimits.GridX}, 1 to {LaunchLimits.GridYZ}, 1 to {LaunchLimits.GridYZ})");
        ulong threads = (ulong)blockX * blockY * blockZ;
        if (threads == 0 || threads > LaunchLimits.Threads || blockZ > LaunchLimits.BlockZ)
            throw new DriverError(CudaResult.InvalidValue,
                $"{name}: a block of ({blockX}, {blockY}, {blockZ}) threads is beyond 1 to {LaunchLimits.Threads}, {LaunchLimits.BlockZ} in z");
        if (threads > (ulong)MaxThreads)
            throw new DriverError(CudaResult.LaunchOutOfResources, $"{name} is compiled for at most {MaxThreads} threads a block, not {threads}");
        if (sharedBytes > MaxDynamicShared)
            throw new DriverError(CudaResult.InvalidValue, $"{name}: {sharedBytes} bytes of dynamic shared memory are more than the {MaxDynamicShared} that it may have");
    }

    /// <summary>Blocks that fit on a multiprocessor at once.</summary>
    public int Occupancy(int threads, long sharedBytes)
    {
        const int ReservedShared = 1024, RegisterUnit = 256;
        if (threads <= 0 || threads > MaxThreads) return 0;
        int warps = (threads + Execution.Warp.Lanes - 1) / Execution.Warp.Lanes;
        int registers = (Registers * Execution.Warp.Lanes + RegisterUnit - 1) / RegisterUnit * RegisterUnit * warps;
        long shared = Code.Kernel.SharedBytes + sharedBytes + (Device.Options.ComputeCapability >= 80 ? ReservedShared : 0);
        long blocks = Math.Min(LaunchLimits.BlocksPerMultiprocessor, LaunchLimits.ThreadsPerMultiprocessor / (warps * Execution.Warp.Lanes));
        blocks = Math.Min(blocks, LaunchLimits.RegistersPerMultiprocessor / registers);
        if (shared > 0) blocks = Math.Min(blocks, Device.Options.SharedMemoryPerMultiprocessor / shared);
        return (int)blocks;
    }
}
