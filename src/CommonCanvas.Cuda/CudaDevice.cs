using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>
/// A device with its primary context, which whatever uses it makes the calling thread's first. Owns nothing but the context;
/// streams, modules and memory are freed by their own handles before it.
/// </summary>
public sealed unsafe class CudaDevice : IDisposable
{
    [ThreadStatic] static CudaDevice? current;

    readonly nint context;
    bool disposed;

    /// <summary>Retains device <paramref name="ordinal"/>'s primary context and makes it current.</summary>
    /// <exception cref="CudaException">There is no such device.</exception>
    public CudaDevice(CudaApi api, int ordinal)
    {
        Api = api;
        Ordinal = ordinal;
        int device;
        api.Check(api.Driver.cuDeviceGet(&device, ordinal), $"device {ordinal} of {api.DeviceCount}");
        Handle = device;
        byte* name = stackalloc byte[256];
        api.Check(api.Driver.cuDeviceGetName(name, 256, device));
        Name = Marshal.PtrToStringUTF8((nint)name)!;
        nuint total;
        api.Check(api.Driver.cuDeviceTotalMem(&total, device));
        TotalMemory = (long)total;
        ComputeCapability = Attribute(DeviceAttribute.ComputeCapabilityMajor) * 10 + Attribute(DeviceAttribute.ComputeCapabilityMinor);
        Multiprocessors = Attribute(DeviceAttribute.MultiprocessorCount);
        SharedMemoryPerBlock = Attribute(DeviceAttribute.MaxSharedMemoryPerBlockOptin);
        nint retained;
        api.Check(api.Driver.cuDevicePrimaryCtxRetain(&retained, device));
        context = retained;
        MakeCurrent();
    }

    /// <summary>The driver.</summary>
    public CudaApi Api { get; }

    /// <summary>The ordinal it was opened by.</summary>
    public int Ordinal { get; }

    /// <summary>The driver's handle.</summary>
    public int Handle { get; }

    /// <summary>Marketing name.</summary>
    public string Name { get; }

    /// <summary>Device memory, bytes.</summary>
    public long TotalMemory { get; }

    /// <summary>Compute capability times ten: 80 for 8.0.</summary>
    public int ComputeCapability { get; }

    /// <summary>Streaming multiprocessors.</summary>
    public int Multiprocessors { get; }

    /// <summary>Shared memory that a block can opt in to, bytes.</summary>
    public int SharedMemoryPerBlock { get; }

    /// <summary>Free and total device memory, bytes.</summary>
    public (long Free, long Total) Memory
    {
        get
        {
            MakeCurrent();
            nuint free, total;
            Api.Check(Api.Driver.cuMemGetInfo(&free, &total));
            return ((long)free, (long)total);
        }
    }

    /// <summary>Makes the context the calling thread's; costs nothing where it is already.</summary>
    public void MakeCurrent()
    {
        if (current == this) return;
        Api.Check(Api.Driver.cuCtxSetCurrent(context));
        current = this;
    }

    /// <summary>The same for what is destroyed: false, and nothing is thrown, where the context is gone with all that it held.</summary>
    internal bool TryMakeCurrent()
    {
        if (disposed || (current != this && Api.Driver.cuCtxSetCurrent(context) != CudaResult.Success)) return false;
        current = this;
        return true;
    }

    /// <summary>Waits for all streams.</summary>
    public void Synchronize()
    {
        MakeCurrent();
        Api.Check(Api.Driver.cuCtxSynchronize());
    }

    /// <summary>An attribute of the device.</summary>
    public int Attribute(DeviceAttribute attribute)
    {
        int value;
        Api.Check(Api.Driver.cuDeviceGetAttribute(&value, attribute, Handle), attribute.ToString());
        return value;
    }

    /// <summary>Allocates device memory.</summary>
    /// <exception cref="CudaException">With what is free, where memory is short.</exception>
    public nint Allocate(long bytes)
    {
        MakeCurrent();
        nint address;
        var result = Api.Driver.cuMemAlloc(&address, (nuint)bytes);
        if (result == CudaResult.OutOfMemory)
            Api.Check(result, $"{bytes / 1048576.0:F1} MiB asked for, {Memory.Free / 1048576.0:F1} MiB free of {TotalMemory / 1048576.0:F1} on {Name}", "cuMemAlloc(");
        Api.Check(result, $"{bytes} bytes", "cuMemAlloc(");
        return address;
    }

    /// <summary>Frees device memory.</summary>
    public void Free(nint address)
    {
        MakeCurrent();
        Api.Check(Api.Driver.cuMemFree(address));
    }

    /// <summary>Releases the context. The call's result is not checked: it may report an earlier kernel's error.</summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        if (current == this) current = null;
        Api.Driver.cuDevicePrimaryCtxRelease(Handle);
    }
}
