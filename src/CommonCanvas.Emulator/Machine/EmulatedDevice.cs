using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Machine;

/// <summary>A device: its memory while its context lives, its streams, and the fault that its context died of.</summary>
internal sealed class EmulatedDevice(int ordinal, EmulatedDeviceOptions options) : IDisposable
{
    readonly List<WorkQueue> streams = [];
    readonly SampledLaunches sampled = new();
    int retained;
    DeviceMemory? memory;

    /// <summary>Handle: its number among all emulated devices of the process.</summary>
    public int Ordinal { get; } = ordinal;

    /// <summary>What it is like.</summary>
    public EmulatedDeviceOptions Options { get; } = options;

    /// <summary>Its memory.</summary>
    public DeviceMemory Memory => memory ?? throw new DriverError(CudaResult.InvalidContext, "the device's primary context is not retained");

    /// <summary>What launches did since they were last taken.</summary>
    public List<LaunchCount> Counts { get; } = [];

    /// <summary>A kernel's fault, after which every call of the context fails with the same code.</summary>
    public (CudaResult Result, string Report)? Fault { get; set; }

    /// <summary>The stream that handle 0 stands for.</summary>
    public WorkQueue DefaultStream { get; private set; } = null!;

    /// <summary>Retains the primary context.</summary>
    public void Retain()
    {
        if (retained++ > 0) return;
        memory = new DeviceMemory(AddressMapOf(Ordinal), Options.MemoryBytes, Options is { Checked: true, Counted: false });
        Fault = null;
        DefaultStream = NewStream();
    }

    /// <summary>Releases it; the last release ends all that it holds.</summary>
    public void Release()
    {
        if (retained == 0) throw new DriverError(CudaResult.InvalidContext, "the device's primary context is not retained");
        if (--retained > 0) return;
        streams.Clear();
        memory?.Dispose();
        memory = null;
    }

    /// <inheritdoc/>
    public void Dispose() => memory?.Dispose();

    /// <summary>Adds a stream.</summary>
    public WorkQueue NewStream()
    {
        var stream = new WorkQueue(this);
        streams.Add(stream);
        return stream;
    }

    /// <summary>Removes a stream when its work has been done.</summary>
    public void Remove(WorkQueue stream)
    {
        stream.Drain();
        streams.Remove(stream);
    }

    /// <summary>Ends a capture in all streams that joined it.</summary>
    public void EndCapture(WorkGraph graph)
    {
        foreach (var stream in streams.Where(stream => stream.Capture == graph)) stream.Capture = null;
    }

    /// <summary>Does all work of all streams.</summary>
    public void Synchronize()
    {
        foreach (var stream in streams.ToArray())
            if (stream.Capture is null) stream.Drain();
    }

    /// <summary>Runs a launch now; a fault of the kernel stays with the device.</summary>
    public void Run(Launch launch)
    {
        if (Fault is not null) return;
        try
        {
            if (!Options.Counted) Run(launch, null, null);
            else Counts.Add(Options.SampledBlocks > 0 ? sampled.Get(launch, Memory, Count) : Count(launch));
        }
        catch (LaunchFault fault) { Fault = (fault.Result, fault.Message); }
    }

    /// <summary>
    /// Copies or fills within device memory. Counted as a kernel that does nothing else; where only some blocks of kernels are
    /// run, values do not matter and nothing is moved.
    /// </summary>
    public void Move(string name, long read, long written, Action move)
    {
        if (Options.SampledBlocks == 0) move();
        if (!Options.Counted) return;
        Counts.Add(new LaunchCount
        {
            Kernel = name, Grid = Options.Multiprocessors, Block = LaunchLimits.Threads, SharedBytes = 0, BlocksRun = Options.Multiprocessors,
            PtxInstructions = 0, DramRead = read, DramWritten = written, Sectors = (read + written) / 32.0, SectorsNeeded = (read + written) / 32.0,
        });
    }

    void Run(Launch launch, IReadOnlyList<long>? chosen, List<WorkCounter>? counters) =>
        GridRunner.Run(launch, Memory.View, Options.Threads, Options.InstructionBudget, Options.Schedule, chosen, counters, Memory.Shadow?.Begin(launch.Grid.Count, launch.Code.HasDeviceFence));

    LaunchCount Count(Launch launch)
    {
        var samples = BlockSample.Of(launch.Grid.Count, Options.SampledBlocks);
        var parts = new List<LaunchTally.Part>();
        foreach (var (blocks, weight) in samples) parts.Add(Part(blocks, weight));
        if (samples.Count == 0) parts.Add(Part(null, 1));
        return LaunchTally.Of(launch, parts, samples.Count == 0 ? launch.Grid.Count : samples.Sum(sample => sample.Blocks.Count), Memory);

        LaunchTally.Part Part(IReadOnlyList<long>? blocks, double weight)
        {
            var counters = new List<WorkCounter>();
            Run(launch, blocks, counters);
            return new LaunchTally.Part(counters, weight);
        }
    }

    static ulong AddressMapOf(int ordinal) => Operations.AddressMap.Global + (ulong)ordinal * Operations.AddressMap.DeviceStride;
}
