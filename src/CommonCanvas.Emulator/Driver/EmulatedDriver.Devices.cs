using System.Runtime.InteropServices;
using System.Text;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Machine;

namespace CommonCanvas.Emulator;

public static unsafe partial class EmulatedDriver
{
    /// <summary>A context's handle is its device's number plus this, so that 0 is no context.</summary>
    const int FirstContext = 1;

    [UnmanagedCallersOnly]
    static CudaResult cuDeviceGet(int* device, int ordinal) => Call(() =>
        *device = ordinal >= 0 && ordinal < Own.Length ? Own[ordinal].Ordinal
            : throw new DriverError(CudaResult.InvalidDevice, $"there is no emulated device {ordinal}, there are {Own.Length}"));

    [UnmanagedCallersOnly]
    static CudaResult cuDeviceGetCount(int* count) => Call(() => *count = Own.Length);

    [UnmanagedCallersOnly]
    static CudaResult cuDeviceGetName(byte* name, int length, int device) => Call(() =>
    {
        byte[] text = Encoding.UTF8.GetBytes($"Emulated GPU {Device(device).Options.ComputeCapability / 10.0:F1}\0");
        text.AsSpan(0, Math.Min(text.Length, length)).CopyTo(new Span<byte>(name, length));
    });

    [UnmanagedCallersOnly]
    static CudaResult cuDeviceTotalMem(nuint* bytes, int device) => Call(() => *bytes = (nuint)Device(device).Options.MemoryBytes);

    [UnmanagedCallersOnly]
    static CudaResult cuDeviceGetAttribute(int* value, DeviceAttribute attribute, int device) => Call(() =>
    {
        var options = Device(device).Options;
        *value = attribute switch
        {
            DeviceAttribute.MaxThreadsPerBlock => LaunchLimits.Threads,
            DeviceAttribute.MaxGridDimX => LaunchLimits.GridX,
            DeviceAttribute.MaxGridDimY or DeviceAttribute.MaxGridDimZ => LaunchLimits.GridYZ,
            DeviceAttribute.MaxSharedMemoryPerBlock => LaunchLimits.SharedWithoutOptIn,
            DeviceAttribute.WarpSize => Execution.Warp.Lanes,
            DeviceAttribute.ClockRate => 1_410_000,
            DeviceAttribute.MultiprocessorCount => options.Multiprocessors,
            DeviceAttribute.MemoryClockRate => 1_215_000,
            DeviceAttribute.GlobalMemoryBusWidth => 5120,
            DeviceAttribute.L2CacheSize => 40 << 20,
            DeviceAttribute.MaxThreadsPerMultiprocessor => LaunchLimits.ThreadsPerMultiprocessor,
            DeviceAttribute.ComputeCapabilityMajor => options.ComputeCapability / 10,
            DeviceAttribute.ComputeCapabilityMinor => options.ComputeCapability % 10,
            DeviceAttribute.MaxSharedMemoryPerMultiprocessor => options.SharedMemoryPerMultiprocessor,
            DeviceAttribute.MaxRegistersPerMultiprocessor => LaunchLimits.RegistersPerMultiprocessor,
            DeviceAttribute.MaxSharedMemoryPerBlockOptin => options.SharedMemoryPerBlock,
            _ => throw new DriverError(CudaResult.InvalidValue, $"the emulator does not know attribute {attribute}"),
        };
    });

    [UnmanagedCallersOnly]
    static CudaResult cuDevicePrimaryCtxRetain(nint* context, int device) => Call(() =>
    {
        Device(device).Retain();
        *context = device + FirstContext;
    });

    [UnmanagedCallersOnly]
    static CudaResult cuDevicePrimaryCtxRelease(int device) => Call(() => Device(device).Release());

    [UnmanagedCallersOnly]
    static CudaResult cuCtxSetCurrent(nint context) => Call(() => current = context == 0 ? null : Device((int)context - FirstContext));

    [UnmanagedCallersOnly]
    static CudaResult cuCtxGetCurrent(nint* context) => Call(() => *context = current is { } device ? device.Ordinal + FirstContext : 0);

    [UnmanagedCallersOnly]
    static CudaResult cuCtxSynchronize() => Call(() =>
    {
        Context().Synchronize();
        Context();
    });
}
