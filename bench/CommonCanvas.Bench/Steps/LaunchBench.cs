using BenchmarkDotNet.Attributes;
using CommonCanvas.Emulator;
using CommonCanvas.Models;
using CommonCanvas.Tensors;
using CommonCanvas.Tests;
using CommonCanvas.Trainer.Profiling;

namespace CommonCanvas.Bench.Steps;

/// <summary>
/// What a training step on CUDA costs the host where kernels are launched one by one: the driver accepts launches, copies and
/// events and does nothing. Of the <c>small</c> U-Net, which has as many layers as Stable Diffusion 2's. Needs NVRTC.
/// </summary>
[MemoryDiagnoser(false)]
public class LaunchBench : IMeasured, IDisposable
{
    const int Batch = 1, Latent = 32;
    IOps ops = null!;
    ProfiledStep step = null!;

    /// <summary>Storage of activations and weights.</summary>
    [Params(DType.F32, DType.F16)]
    public DType Type { get; set; }

    /// <summary>Makes the model.</summary>
    [GlobalSetup]
    public void Setup()
    {
        ops = CudaOps.Open(CountedDriver.Idle(EmulatedDriver.Create()), ptxOnly: true);
        Build();
    }

    void Build() => step = new ProfiledStep(ops, UNetConfig.Small, Type, Latent, Batch, forwardOnly: false);

    /// <summary>A step without its kernels.</summary>
    [Benchmark]
    public double Step() => step.Run();

    /// <inheritdoc/>
    public IEnumerable<Amount> Amounts(string method)
    {
        Setup();
        step.Dispose();
        var timed = new TimedOps(ops);
        ops = timed;
        Build();
        timed.Reset();
        Step();
        long calls = timed.Rows.Sum(row => row.Calls);
        Dispose();
        return [new("operations/s", calls)];
    }

    /// <summary>Frees the model.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        step.Dispose();
        ops.Dispose();
        GC.SuppressFinalize(this);
    }
}
