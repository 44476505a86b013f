using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tests;

/// <summary>
/// A driver table whose calls that wait are counted, and whose work can be thrown away instead of queued. One at a time:
/// tests that use it belong to one collection.
/// </summary>
public static unsafe class CountedDriver
{
    static CudaDriver inner;

    [ThreadStatic] static nint current;

    /// <summary>Calls so far that made the host wait for the device.</summary>
    public static int Waits { get; private set; }

    /// <summary>Puts the counters before a driver.</summary>
    public static CudaDriver Over(CudaDriver driver)
    {
        (inner, Waits) = (driver, 0);
        driver.cuStreamSynchronize = &StreamSynchronize;
        driver.cuEventSynchronize = &EventSynchronize;
        driver.cuCtxSynchronize = &ContextSynchronize;
        return driver;
    }

    /// <summary>A driver that accepts launches, copies and events and does nothing: what is left is the caller's own cost.</summary>
    public static CudaDriver Idle(CudaDriver driver)
    {
        inner = driver;
        driver.cuLaunchKernel = &Launch;
        driver.cuMemcpyHtoDAsync = &CopyIn;
        driver.cuMemcpyDtoHAsync = &CopyOut;
        driver.cuMemcpyDtoDAsync = &Copy;
        driver.cuMemsetD8Async = &Fill8;
        driver.cuMemsetD16Async = &Fill16;
        driver.cuMemsetD32Async = &Fill32;
        driver.cuEventRecord = &Record;
        driver.cuEventQuery = &Done;
        driver.cuStreamSynchronize = &Done;
        driver.cuCtxSetCurrent = &SetCurrent;
        return driver;
    }

    [UnmanagedCallersOnly]
    static CudaResult StreamSynchronize(nint stream)
    {
        Waits++;
        return inner.cuStreamSynchronize(stream);
    }

    [UnmanagedCallersOnly]
    static CudaResult EventSynchronize(nint handle)
    {
        Waits++;
        return inner.cuEventSynchronize(handle);
    }

    [UnmanagedCallersOnly]
    static CudaResult ContextSynchronize()
    {
        Waits++;
        return inner.cuCtxSynchronize();
    }

    // the emulator's own call allocates, so it is made where the context changes only
    [UnmanagedCallersOnly]
    static CudaResult SetCurrent(nint context)
    {
        if (context == current) return CudaResult.Success;
        current = context;
        return inner.cuCtxSetCurrent(context);
    }

    [UnmanagedCallersOnly] static CudaResult Launch(nint function, uint x, uint y, uint z, uint bx, uint by, uint bz, uint shared, nint stream, void** arguments, void** extra) => CudaResult.Success;
    [UnmanagedCallersOnly] static CudaResult CopyIn(nint to, void* from, nuint bytes, nint stream) => CudaResult.Success;
    [UnmanagedCallersOnly] static CudaResult CopyOut(void* to, nint from, nuint bytes, nint stream) => CudaResult.Success;
    [UnmanagedCallersOnly] static CudaResult Copy(nint to, nint from, nuint bytes, nint stream) => CudaResult.Success;
    [UnmanagedCallersOnly] static CudaResult Fill8(nint to, byte value, nuint count, nint stream) => CudaResult.Success;
    [UnmanagedCallersOnly] static CudaResult Fill16(nint to, ushort value, nuint count, nint stream) => CudaResult.Success;
    [UnmanagedCallersOnly] static CudaResult Fill32(nint to, uint value, nuint count, nint stream) => CudaResult.Success;
    [UnmanagedCallersOnly] static CudaResult Record(nint handle, nint stream) => CudaResult.Success;
    [UnmanagedCallersOnly] static CudaResult Done(nint handle) => CudaResult.Success;
}
