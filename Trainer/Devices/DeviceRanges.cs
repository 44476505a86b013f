using CommonCanvas.Cuda;
using CommonCanvas.Tensors;

namespace CommonCanvas.Trainer.Devices;

/// <summary>Shows a profiler which layer the device works on.</summary>
public static class DeviceRanges
{
    /// <summary>Environment variable that asks for ranges in every command: <c>on</c>.</summary>
    public const string Variable = "COMMONCANVAS_NVTX";

    /// <summary>The device, with ranges where they are asked for and a profiler has started this process; else as it is.</summary>
    /// <param name="device">Owned by what is returned.</param>
    /// <param name="profiled">Whether ranges are asked for already.</param>
    /// <param name="note">Told why a profiler gets none.</param>
    public static IOps Over(IOps device, bool profiled, Action<string>? note = null)
    {
        if (!profiled && Environment.GetEnvironmentVariable(Variable) != "on") return device;
        return Nvtx.Attach(note) is { } profiler ? new RangedOps(device, profiler) : device;
    }
}
