using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Emulator.Libraries;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

/// <summary>
/// The same runs with emulated libraries as candidates, which share what they have chosen: products are tried in the first
/// step, later ones wait once, recorded steps and resumed runs have the same bits.
/// </summary>
[Collection("CountedDriver")]
public sealed class LibraryTrainingTests() : GpuTrainingTests(GpuDevices.NoEmulator, () => LaunchClock.Over(EmulatedDriver.Create()), ptxOnly: true), IDisposable
{
    readonly TempFolder choices = new();
    readonly List<CudaOps> equipped = [];

    protected override void Equip(CudaOps gpu)
    {
        gpu.UseLibraries(device =>
        [
            new CuBlasLtCandidates(new CuBlasLt(device, EmulatedCuBlasLt.Table, "emulated")),
            .. CuDnnCandidates.All(() => new CuDnn(device, EmulatedCuDnn.Table, "emulated"), gpu.WidenGradient),
        ], choices.Path, note => throw new InvalidOperationException(note));
        equipped.Add(gpu);
    }

    public new void Dispose()
    {
        // on this clock a library takes no time, so every product that one can compute is one's
        Assert.Contains(equipped, gpu => gpu.ProductMeasurements.Any(product => product.Best.StartsWith("cuBLASLt", StringComparison.Ordinal)));
        Assert.Contains(equipped, gpu => gpu.ProductMeasurements.Any(product => product.Best.StartsWith("cuDNN", StringComparison.Ordinal)));
        choices.Dispose();
        base.Dispose();
    }
}
