using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>
/// Device memory. Blocks are reused in the order of one stream: what a released block's last reader has queued comes before
/// whatever its next owner queues, so no wait is needed.
/// </summary>
/// <param name="device">Where the memory lies.</param>
/// <param name="allocating">Called before memory is taken; throws where it must not be.</param>
sealed class CudaArena(CudaDevice device, Action allocating) : Arena
{
    protected override nint AllocateDevice(long bytes)
    {
        allocating();
        try
        {
            return device.Allocate(bytes);
        }
        catch (CudaException e) when (e.Result == CudaResult.OutOfMemory && Reserved > InUse)
        {
            Trim(); // blocks of other sizes, of shapes that may never come back
            return device.Allocate(bytes);
        }
    }

    protected override void FreeDevice(nint data, long bytes) => device.Free(data);
}
