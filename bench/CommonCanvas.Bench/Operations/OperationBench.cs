using BenchmarkDotNet.Attributes;
using CommonCanvas.Tensors;

namespace CommonCanvas.Bench.Operations;

/// <summary>
/// Benchmarks of single operations of the processor's device, as within a training step: workers spin between calls. Shapes
/// are those of latents of 32x32 in batches of 4. Operations and bytes are what <see cref="TimedOps"/> counts.
/// </summary>
public abstract class OperationBench : IMeasured, IDisposable
{
    /// <summary>Numbers of threads to measure with.</summary>
    public static IEnumerable<int> AllThreads => ThreadCounts.All;

    /// <summary>Threads of the device.</summary>
    [ParamsSource(nameof(AllThreads))]
    public int Threads { get; set; }

    /// <summary>The device.</summary>
    protected IOps Ops { get; private set; } = null!;

    /// <summary>Makes the device and the tensors.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Ops = OpsFactory.Create("cpu", Threads);
        Prepare();
        Ops.BeginStep();
    }

    /// <summary>Rents the tensors and computes what Backward needs of Forward.</summary>
    protected abstract void Prepare();

    /// <summary>A tensor of normal random numbers.</summary>
    protected Tensor Random(DType type, int d0, int d1 = -1, int d2 = -1, int d3 = -1)
    {
        var tensor = Ops.Arena.Rent(type, d0, d1, d2, d3);
        var keys = new RandomKey[d0];
        for (int i = 0; i < d0; i++) keys[i] = new RandomKey(1, RandomPurpose.Drawing, (ulong)i, 0);
        Ops.RandomNormal(keys, tensor);
        return tensor;
    }

    /// <summary>A tensor of ones.</summary>
    protected Tensor Ones(DType type, int d0, int d1 = -1)
    {
        var tensor = Ops.Arena.Rent(type, d0, d1);
        Ops.Fill(1, tensor);
        return tensor;
    }

    /// <summary>A gradient that is assigned, as by a step's first microbatch.</summary>
    protected static GradientTarget Assigned(Tensor tensor) => new(tensor, Accumulate: false);

    /// <inheritdoc/>
    public IEnumerable<Amount> Amounts(string method)
    {
        Setup();
        var timed = new TimedOps(Ops);
        Ops = timed;
        GetType().GetMethod(method)!.Invoke(this, null);
        var (flops, bytes) = (timed.Rows.Sum(row => row.Flops), timed.Rows.Sum(row => row.Bytes));
        Dispose();
        return [new("GFLOP/s", flops / 1e9), new("GB/s", bytes / 1e9)];
    }

    /// <summary>Frees tensors and threads.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        Ops.EndStep();
        Ops.Dispose();
        GC.SuppressFinalize(this);
    }
}
