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
    static int refuseAfter, captured;
    static bool capturing;

    [ThreadStatic] static nint current;

    /// <summary>Calls so far that made the host wait for the device.</summary>
    public static int Waits { get; private set; }

    /// <summary>Calls so far that launched a kernel, or recorded its launch.</summary>
    public static int Launches { get; private set; }

    /// <summary>Calls so far that launched a graph.</summary>
    public static int Replays { get; private set; }

    /// <summary>Calls so far that queue work: kernels, graphs, copies, fills and events.</summary>
    public static int Queued { get; private set; }

    /// <summary>Graphs made so far.</summary>
    public static int Graphs { get; private set; }

    /// <summary>Puts the counters before a driver.</summary>
    public static CudaDriver Over(CudaDriver driver)
    {
        inner = driver;
        Waits = Launches = Replays = Queued = Graphs = 0;
        driver.cuLaunchKernel = &CountLaunch;
        driver.cuGraphLaunch = &CountReplay;
        driver.cuGraphInstantiateWithFlags = &CountGraph;
        driver.cuMemcpyHtoDAsync = &CountCopyIn;
        driver.cuMemcpyDtoHAsync = &CountCopyOut;
        driver.cuMemcpyDtoDAsync = &CountCopy;
        driver.cuMemsetD16Async = &CountFill16;
        driver.cuMemsetD32Async = &CountFill32;
        driver.cuEventRecord = &CountRecord;
        driver.cuStreamSynchronize = &StreamSynchronize;
        driver.cuEventSynchronize = &EventSynchronize;
        driver.cuCtxSynchronize = &ContextSynchronize;
        return driver;
    }

    /// <summary>A driver that has no memory for a graph.</summary>
    public static CudaDriver WithoutGraphs(CudaDriver driver)
    {
        driver.cuGraphInstantiateWithFlags = &RefuseGraph;
        return driver;
    }

    /// <summary>A driver that refuses the launch of a kernel while a stream is captured, from the <paramref name="after"/>th on.</summary>
    public static CudaDriver WithoutCapturedLaunches(CudaDriver driver, int after)
    {
        (inner, refuseAfter, capturing) = (driver, after, false);
        driver.cuStreamBeginCapture = &BeginCapture;
        driver.cuStreamEndCapture = &EndCapture;
        driver.cuLaunchKernel = &LaunchUnlessCaptured;
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

    [UnmanagedCallersOnly]
    static CudaResult CountLaunch(nint function, uint x, uint y, uint z, uint bx, uint by, uint bz, uint shared, nint stream, void** arguments, void** extra)
    {
        Launches++;
        Queued++;
        return inner.cuLaunchKernel(function, x, y, z, bx, by, bz, shared, stream, arguments, extra);
    }

    [UnmanagedCallersOnly]
    static CudaResult CountReplay(nint graph, nint stream)
    {
        Replays++;
        Queued++;
        return inner.cuGraphLaunch(graph, stream);
    }

    [UnmanagedCallersOnly]
    static CudaResult CountGraph(nint* executable, nint graph, ulong flags)
    {
        Graphs++;
        return inner.cuGraphInstantiateWithFlags(executable, graph, flags);
    }

    [UnmanagedCallersOnly]
    static CudaResult CountCopyIn(nint to, void* from, nuint bytes, nint stream)
    {
        Queued++;
        return inner.cuMemcpyHtoDAsync(to, from, bytes, stream);
    }

    [UnmanagedCallersOnly]
    static CudaResult CountCopyOut(void* to, nint from, nuint bytes, nint stream)
    {
        Queued++;
        return inner.cuMemcpyDtoHAsync(to, from, bytes, stream);
    }

    [UnmanagedCallersOnly]
    static CudaResult CountCopy(nint to, nint from, nuint bytes, nint stream)
    {
        Queued++;
        return inner.cuMemcpyDtoDAsync(to, from, bytes, stream);
    }

    [UnmanagedCallersOnly]
    static CudaResult CountFill16(nint to, ushort value, nuint count, nint stream)
    {
        Queued++;
        return inner.cuMemsetD16Async(to, value, count, stream);
    }

    [UnmanagedCallersOnly]
    static CudaResult CountFill32(nint to, uint value, nuint count, nint stream)
    {
        Queued++;
        return inner.cuMemsetD32Async(to, value, count, stream);
    }

    [UnmanagedCallersOnly]
    static CudaResult CountRecord(nint handle, nint stream)
    {
        Queued++;
        return inner.cuEventRecord(handle, stream);
    }

    [UnmanagedCallersOnly] static CudaResult RefuseGraph(nint* executable, nint graph, ulong flags) => CudaResult.OutOfMemory;

    [UnmanagedCallersOnly]
    static CudaResult BeginCapture(nint stream, int mode)
    {
        (capturing, captured) = (true, 0);
        return inner.cuStreamBeginCapture(stream, mode);
    }

    [UnmanagedCallersOnly]
    static CudaResult EndCapture(nint stream, nint* graph)
    {
        capturing = false;
        return inner.cuStreamEndCapture(stream, graph);
    }

    [UnmanagedCallersOnly]
    static CudaResult LaunchUnlessCaptured(nint function, uint x, uint y, uint z, uint bx, uint by, uint bz, uint shared, nint stream, void** arguments, void** extra) =>
        capturing && ++captured > refuseAfter ? CudaResult.StreamCaptureUnsupported
            : inner.cuLaunchKernel(function, x, y, z, bx, by, bz, shared, stream, arguments, extra);

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
