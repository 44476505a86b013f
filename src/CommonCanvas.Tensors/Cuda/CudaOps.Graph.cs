using System.Runtime.CompilerServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>Recording operations once and launching them together, which costs the host one call.</summary>
public sealed partial class CudaOps
{
    bool capturing;

    /// <inheritdoc/>
    public bool Records => true;

    /// <inheritdoc/>
    public IRecording Record(Action work)
    {
        capturing = true;
        try { return new Recording(stream, stream.Capture(work)); }
        catch (CudaException e) { throw new RecordingException(e.Message, e); }
        finally { capturing = false; }
    }

    void RefuseInCapture([CallerMemberName] string operation = "")
    {
        if (capturing)
            throw new RecordingException($"{operation} cannot be part of a recorded step: it copies from or to the host, waits, or takes memory from the device. Do it before, and run the step once before it is recorded");
    }

    sealed class Recording(CudaStream stream, CudaGraph graph) : IRecording
    {
        public void Replay() => graph.Launch(stream);

        public void Dispose() => graph.Dispose();
    }
}
