using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Execution;

/// <summary>What a kernel did wrong, thrown by a handler; the launch adds kernel, line, block and thread.</summary>
internal sealed class KernelFault(CudaResult result, string message, int lane = -1, int at = -1, int register = -1) : Exception(message)
{
    /// <summary>The code that the driver would report.</summary>
    public CudaResult Result { get; } = result;

    /// <summary>The lane that did it; -1 where it is the whole warp.</summary>
    public int Lane { get; } = lane;

    /// <summary>Number of the register that it is about; -1 where there is none.</summary>
    public int Register { get; } = register;

    /// <summary>Index of the instruction in the kernel's PTX; -1 where there is none.</summary>
    public int Instruction { get; } = at;
}
