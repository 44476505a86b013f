using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Execution;

/// <summary>What a launch did wrong, with kernel, line, block and thread.</summary>
internal sealed class LaunchFault(Launch launch, KernelFault fault, Dim3 block, int warp) : Exception(Describe(launch, fault, block, warp))
{
    /// <summary>The code that the driver would report.</summary>
    public CudaResult Result { get; } = fault.Result;

    static string Describe(Launch launch, KernelFault fault, Dim3 block, int warp)
    {
        string who = fault.Lane < 0 ? $"warp {warp}" : $"thread {Place(launch.ThreadAt((long)warp * Warp.Lanes + fault.Lane))}";
        string register = fault.Register < 0 ? "" : $" ({launch.Code.Kernel.Registers[fault.Register].Name})";
        return $"{launch.Code.Kernel.Name}, {launch.Code.Where(fault.Instruction)}: {fault.Message}{register}{CudaApi.FaultPlace}{Place(block)}, {who}";
    }

    static string Place(Dim3 place) => $"({place.X}, {place.Y}, {place.Z})";
}
