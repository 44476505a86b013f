using System.Runtime.CompilerServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>Recording operations once and launching them together, which costs the host one call.</summary>
public sealed partial class CudaOps
{
    bool capturing;

    /// <summary>
    /// Records what <paramref name="work"/> queues, without running it. Every shape, address and number in it stays as it is:
    /// it must have run before, so that its kernels are loaded and its memory is taken from the device, and it can neither
    /// copy from or to the host nor wait. The memory that it rents and releases must not be trimmed while the graph lives.
    /// </summary>
    /// <exception cref="InvalidOperationException">The work copies to or from the host, waits, or needs new memory.</exception>
    public CudaGraph Capture(Action work)
    {
        capturing = true;
        try { return stream.Capture(work); }
        finally { capturing = false; }
    }

    /// <summary>Queues recorded work.</summary>
    public void Replay(CudaGraph graph) => graph.Launch(stream);

    void RefuseInCapture([CallerMemberName] string operation = "")
    {
        if (capturing)
            throw new InvalidOperationException($"{operation} cannot be part of a recorded step: it copies from or to the host, waits, or takes memory from the device. Do it before, and run the step once before it is recorded");
    }
}
