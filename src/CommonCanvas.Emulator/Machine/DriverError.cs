using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Machine;

/// <summary>Why a driver call fails; becomes its result and its report.</summary>
internal sealed class DriverError(CudaResult result, string message) : Exception(message)
{
    /// <summary>The code that the call returns.</summary>
    public CudaResult Result { get; } = result;
}
