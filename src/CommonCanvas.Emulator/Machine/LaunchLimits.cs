namespace CommonCanvas.Emulator.Machine;

/// <summary>Limits that all supported GPUs have in common (CUDA C++ Programming Guide, Technical Specifications per Compute Capability).</summary>
internal static class LaunchLimits
{
    public const int Threads = 1024, BlockZ = 64, GridX = int.MaxValue, GridYZ = 65535;
    public const int SharedWithoutOptIn = 48 * 1024, ThreadsPerMultiprocessor = 2048, BlocksPerMultiprocessor = 32, RegistersPerMultiprocessor = 65536;
}
