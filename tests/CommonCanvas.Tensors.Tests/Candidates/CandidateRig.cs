using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Emulator.Libraries;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>An emulated GPU with emulated libraries, and the notes that it made: one process of several that share a folder.</summary>
sealed class CandidateRig : IDisposable
{
    public CandidateRig(string folder)
    {
        Ops = CudaOps.Open(LaunchClock.Over(CountedDriver.Over(EmulatedDriver.Create(new EmulatedDeviceOptions { MemoryBytes = 1L << 30 }))), ptxOnly: true);
        Ops.UseLibraries(device => 
        [
            new CuBlasLtCandidates(new CuBlasLt(device, CountedCuBlasLt.Table, "emulated")),
            .. CuDnnCandidates.All(() => new CuDnn(device, EmulatedCuDnn.Table, "emulated"), Ops.WidenGradient),
        ], folder, Notes.Add);
    }

    public CudaOps Ops { get; }

    public List<string> Notes { get; } = [];

    /// <summary>y = x weight^T + bias of values that depend on the shape alone.</summary>
    public float[] Forward(int rows, int inputs, int outputs, DType type = DType.F16)
    {
        using var run = new OpRun(Ops, type);
        Ops.LinearForward(run.Input("x", rows, inputs), run.Input("weight", outputs, inputs), run.Input("bias", outputs), default, run.Output("y", rows, outputs));
        return run.Read("y");
    }

    public void Dispose() => Ops.Dispose();
}
