using BenchmarkDotNet.Attributes;
using CommonCanvas.Models;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Commands;
using CommonCanvas.Trainer.Profiling;

namespace CommonCanvas.Bench.Steps;

/// <summary>
/// A training step of a whole U-Net on the processor: forward, loss, backward and AdamW of 4 latents of 32x32 with 77 tokens.
/// <c>Trainer profile</c> takes the same step apart.
/// </summary>
[MemoryDiagnoser(false)]
public class StepBench : IMeasured, IDisposable
{
    const int Batch = 4, Latent = 32;
    IOps ops = null!;
    ProfiledStep step = null!;

    /// <summary>Numbers of threads to measure with.</summary>
    public static IEnumerable<int> AllThreads => ThreadCounts.All;

    /// <summary>Threads of the device.</summary>
    [ParamsSource(nameof(AllThreads))]
    public int Threads { get; set; }

    /// <summary>Size of the U-Net.</summary>
    [Params("tiny", "small")]
    public string Shape { get; set; } = "";

    /// <summary>Storage of activations and weights.</summary>
    [Params(DType.F32, DType.BF16)]
    public DType Type { get; set; }

    /// <summary>Makes the model.</summary>
    [GlobalSetup]
    public void Setup()
    {
        ops = OpsFactory.Create("cpu", Threads);
        step = new ProfiledStep(ops, ProfileCommand.Shape(Shape), Type, Latent, Batch, forwardOnly: false);
    }

    /// <summary>A step, with the drawing of its random inputs.</summary>
    [Benchmark]
    public double Step() => step.Run();

    /// <inheritdoc/>
    public IEnumerable<Amount> Amounts(string method) =>
        [new("images/s", Batch), new("GFLOP/s", 3e-9 * UNet.ForwardFlops(ProfileCommand.Shape(Shape), Batch, Latent, Latent, ProfiledStep.TextTokens))];

    /// <summary>Frees the model.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        step.Dispose();
        ops.Dispose();
        GC.SuppressFinalize(this);
    }
}
