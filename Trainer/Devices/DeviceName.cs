using System.Globalization;

namespace CommonCanvas.Trainer.Devices;

/// <summary>What <c>--device</c> may say.</summary>
public static class DeviceName
{
    /// <summary>A GPU where there is one, else the processor.</summary>
    public const string Auto = "auto";

    /// <summary>The processor.</summary>
    public const string Cpu = "cpu";

    /// <summary>The first GPU; others are <c>cuda:1</c>, <c>cuda:2</c>...</summary>
    public const string Cuda = "cuda";

    /// <summary>A GPU made of software.</summary>
    public const string Emulator = "emulator";

    /// <summary>For help and errors.</summary>
    public const string Forms = "auto, cpu, cuda, cuda:N or emulator";

    /// <summary>Whether a name can be a device's; there need not be one.</summary>
    public static bool IsKnown(string name) => name is Auto or Cpu or Emulator || CudaOrdinal(name) >= 0;

    /// <summary>The GPU that a name means; -1 where it means none.</summary>
    public static int CudaOrdinal(string name) =>
        name == Cuda ? 0
        : name.StartsWith(Cuda + ":", StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(Cuda.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int ordinal) ? ordinal : -1;
}
