using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>A handle that a driver call destroys. The result of that call is not checked: it may report an earlier kernel's error.</summary>
public abstract class CudaHandle(CudaApi api, nint handle) : SafeHandle(handle, ownsHandle: true)
{
    /// <summary>The driver.</summary>
    protected CudaApi Api { get; } = api;

    /// <summary>The driver's handle.</summary>
    public nint Value => IsInvalid || IsClosed ? throw new ObjectDisposedException(GetType().Name) : handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;
}

/// <summary>A queue of work. Work of one stream happens in order; streams are independent unless an event orders them.</summary>
public sealed unsafe class CudaStream : CudaHandle
{
    const uint NonBlocking = 1;
    const int CaptureThreadLocal = 1;

    /// <summary>Creates a stream that does not wait for the default stream.</summary>
    public CudaStream(CudaDevice device) : base(device.Api, Create(device.Api)) => Device = device;

    /// <summary>The device that it belongs to.</summary>
    public CudaDevice Device { get; }

    /// <summary>Waits until all work has been done; kernels' errors surface here.</summary>
    public void Synchronize() => Api.Check(Api.Driver.cuStreamSynchronize(Value));

    /// <summary>Whether all work has been done.</summary>
    public bool IsIdle
    {
        get
        {
            var result = Api.Driver.cuStreamQuery(Value);
            if (result == CudaResult.NotReady) return false;
            Api.Check(result, null, "cuStreamQuery(");
            return true;
        }
    }

    /// <summary>Work queued from now on waits for the event.</summary>
    public void Wait(CudaEvent @event) => Api.Check(Api.Driver.cuStreamWaitEvent(Value, @event.Value, 0));

    /// <summary>Copies from host memory, which stays untouched until the copy has been done (pinned memory copies asynchronously).</summary>
    public void CopyToDevice(nint source, nint destination, long bytes) =>
        Api.Check(Api.Driver.cuMemcpyHtoDAsync(destination, (void*)source, (nuint)bytes, Value), $"{bytes} bytes");

    /// <summary>Copies to host memory.</summary>
    public void CopyToHost(nint source, nint destination, long bytes) =>
        Api.Check(Api.Driver.cuMemcpyDtoHAsync((void*)destination, source, (nuint)bytes, Value), $"{bytes} bytes");

    /// <summary>Copies within the device.</summary>
    public void Copy(nint source, nint destination, long bytes) =>
        Api.Check(Api.Driver.cuMemcpyDtoDAsync(destination, source, (nuint)bytes, Value), $"{bytes} bytes");

    /// <summary>Sets <paramref name="count"/> bytes.</summary>
    public void Fill8(nint destination, byte value, long count) => Api.Check(Api.Driver.cuMemsetD8Async(destination, value, (nuint)count, Value));

    /// <summary>Sets <paramref name="count"/> 16-bit words.</summary>
    public void Fill16(nint destination, ushort value, long count) => Api.Check(Api.Driver.cuMemsetD16Async(destination, value, (nuint)count, Value));

    /// <summary>Sets <paramref name="count"/> 32-bit words.</summary>
    public void Fill32(nint destination, uint value, long count) => Api.Check(Api.Driver.cuMemsetD32Async(destination, value, (nuint)count, Value));

    /// <summary>Records what <paramref name="work"/> queues on this stream, instead of running it.</summary>
    public CudaGraph Capture(Action work)
    {
        Api.Check(Api.Driver.cuStreamBeginCapture(Value, CaptureThreadLocal));
        nint graph;
        CudaResult ended;
        try { work(); }
        finally { ended = Api.Driver.cuStreamEndCapture(Value, &graph); }
        Api.Check(ended, null, "cuStreamEndCapture(");
        try
        {
            nint executable;
            Api.Check(Api.Driver.cuGraphInstantiateWithFlags(&executable, graph, 0));
            return new CudaGraph(Api, executable);
        }
        finally { Api.Check(Api.Driver.cuGraphDestroy(graph)); }
    }

    static nint Create(CudaApi api)
    {
        nint stream;
        api.Check(api.Driver.cuStreamCreate(&stream, NonBlocking));
        return stream;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Api.Driver.cuStreamDestroy(handle) == CudaResult.Success;
}

/// <summary>A mark in a stream.</summary>
public sealed unsafe class CudaEvent : CudaHandle
{
    const uint DisableTiming = 2;

    /// <summary>Creates an event; without timing it costs less.</summary>
    public CudaEvent(CudaDevice device, bool timing = false) : base(device.Api, Create(device.Api, timing))
    {
    }

    /// <summary>Marks the work queued so far.</summary>
    public void Record(CudaStream stream) => Api.Check(Api.Driver.cuEventRecord(Value, stream.Value));

    /// <summary>Waits until the marked work has been done.</summary>
    public void Synchronize() => Api.Check(Api.Driver.cuEventSynchronize(Value));

    /// <summary>Milliseconds from this event to a later one; both with timing and done.</summary>
    public float MillisecondsTo(CudaEvent later)
    {
        float milliseconds;
        Api.Check(Api.Driver.cuEventElapsedTime(&milliseconds, Value, later.Value));
        return milliseconds;
    }

    static nint Create(CudaApi api, bool timing)
    {
        nint handle;
        api.Check(api.Driver.cuEventCreate(&handle, timing ? 0 : DisableTiming));
        return handle;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Api.Driver.cuEventDestroy(handle) == CudaResult.Success;
}

/// <summary>A recorded sequence of work that one call launches.</summary>
public sealed unsafe class CudaGraph : CudaHandle
{
    internal CudaGraph(CudaApi api, nint executable) : base(api, executable)
    {
    }

    /// <summary>Queues the recorded work.</summary>
    public void Launch(CudaStream stream) => Api.Check(Api.Driver.cuGraphLaunch(Value, stream.Value));

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Api.Driver.cuGraphExecDestroy(handle) == CudaResult.Success;
}

/// <summary>Page-locked host memory, which copies without a detour and asynchronously.</summary>
public sealed unsafe class PinnedBuffer : CudaHandle
{
    /// <summary>Allocates <paramref name="bytes"/>.</summary>
    public PinnedBuffer(CudaDevice device, long bytes) : base(device.Api, Create(device.Api, bytes)) => Bytes = bytes;

    /// <summary>Size.</summary>
    public long Bytes { get; }

    /// <summary>The memory.</summary>
    public Span<T> Span<T>() where T : unmanaged => new((void*)Value, checked((int)(Bytes / sizeof(T))));

    static nint Create(CudaApi api, long bytes)
    {
        nint address;
        api.Check(api.Driver.cuMemHostAlloc(&address, (nuint)bytes, 0), $"{bytes} bytes of pinned memory");
        return address;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Api.Driver.cuMemFreeHost(handle) == CudaResult.Success;
}
