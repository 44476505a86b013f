using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>
/// Device memory. Blocks are reused in the order of one stream: what a released block's last reader has queued comes before
/// whatever its next owner queues, so no wait is needed.
/// </summary>
sealed class CudaArena(CudaDevice device) : Arena
{
    protected override nint AllocateDevice(long bytes) => device.Allocate(bytes);

    protected override void FreeDevice(nint data, long bytes) => device.Free(data);
}
