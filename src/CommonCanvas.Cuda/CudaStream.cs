using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>
/// A handle that a driver call destroys, on whatever thread. The result of that call is not checked: it may report an earlier
/// kernel's error. With its device the context goes and all that it holds, so that nothing is destroyed after it.
/// </summary>
public abstract class CudaHandle(CudaDevice device, nint handle) : SafeHandle(handle, ownsHandle: true)
{
    /// <summary>The device that it belongs to.</summary>
    public CudaDevice Device { get; } = device;

    /// <summary>The driver.</summary>
    protected CudaApi Api => Device.Api;

    /// <summary>The driver's handle.</summary>
    public nint Value => IsInvalid || IsClosed ? throw new ObjectDisposedException(GetType().Name) : handle;

    /// <summary>The handle, with the device's context the calling thread's.</summary>
    protected nint Current
    {
        get
        {
            Device.MakeCurrent();
            return Value;
        }
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The driver's call.</summary>
    protected abstract CudaResult Destroy();

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => !Device.TryMakeCurrent() || Destroy() == CudaResult.Success;
}

/// <summary>A queue of work. Work of one stream happens in order; streams are independent unless an event orders them.</summary>
public sealed unsafe class CudaStream : CudaHandle
{
    const uint NonBlocking = 1;
    const int CaptureThreadLocal = 1;

    /// <summary>Creates a stream that does not wait for the default stream.</summary>
    public CudaStream(CudaDevice device) : base(device, Create(device))
    {
    }

    /// <summary>Waits until all work has been done; kernels' errors surface here.</summary>
    public void Synchronize() => Api.Check(Api.Driver.cuStreamSynchronize(Current));

    /// <summary>Waits until all work has been done, or until a kernel's fault has ended the context: then false, and nothing is thrown.</summary>
    public bool TrySynchronize() => Api.Driver.cuStreamSynchronize(Current) == CudaResult.Success;

    /// <summary>Whether all work has been done.</summary>
    public bool IsIdle
    {
        get
        {
            var result = Api.Driver.cuStreamQuery(Current);
            if (result == CudaResult.NotReady) return false;
            Api.Check(result, null, "cuStreamQuery(");
            return true;
        }
    }

    /// <summary>Work queued from now on waits for the event.</summary>
    public void Wait(CudaEvent @event) => Api.Check(Api.Driver.cuStreamWaitEvent(Current, @event.Value, 0));

    /// <summary>Copies from host memory, which stays untouched until the copy has been done (pinned memory copies asynchronously).</summary>
    public void CopyToDevice(nint source, nint destination, long bytes) =>
        Copied(Api.Driver.cuMemcpyHtoDAsync(destination, (void*)source, (nuint)bytes, Current), bytes, "cuMemcpyHtoDAsync(");

    /// <summary>Copies to host memory.</summary>
    public void CopyToHost(nint source, nint destination, long bytes) =>
        Copied(Api.Driver.cuMemcpyDtoHAsync((void*)destination, source, (nuint)bytes, Current), bytes, "cuMemcpyDtoHAsync(");

    /// <summary>Copies within the device.</summary>
    public void Copy(nint source, nint destination, long bytes) =>
        Copied(Api.Driver.cuMemcpyDtoDAsync(destination, source, (nuint)bytes, Current), bytes, "cuMemcpyDtoDAsync(");

    // The text is made only where it is needed: a copy must not allocate.
    void Copied(CudaResult result, long bytes, string call)
    {
        if (result != CudaResult.Success) Api.Check(result, $"{bytes} bytes", call);
    }

    /// <summary>Sets <paramref name="count"/> bytes.</summary>
    public void Fill8(nint destination, byte value, long count) => Api.Check(Api.Driver.cuMemsetD8Async(destination, value, (nuint)count, Current));

    /// <summary>Sets <paramref name="count"/> 16-bit words.</summary>
    public void Fill16(nint destination, ushort value, long count) => Api.Check(Api.Driver.cuMemsetD16Async(destination, value, (nuint)count, Current));

    /// <summary>Sets <paramref name="count"/> 32-bit words.</summary>
    public void Fill32(nint destination, uint value, long count) => Api.Check(Api.Driver.cuMemsetD32Async(destination, value, (nuint)count, Current));

    /// <summary>Records what <paramref name="work"/> queues on this stream, instead of running it.</summary>
    public CudaGraph Capture(Action work)
    {
        Api.Check(Api.Driver.cuStreamBeginCapture(Current, CaptureThreadLocal));
        nint graph = 0;
        CudaResult ended;
        try
        {
            try { work(); }
            finally { ended = Api.Driver.cuStreamEndCapture(Current, &graph); }
            Api.Check(ended, null, "cuStreamEndCapture(");
            nint executable;
            Api.Check(Api.Driver.cuGraphInstantiateWithFlags(&executable, graph, 0));
            return new CudaGraph(Device, executable);
        }
        finally
        {
            // what made the work fail is reported, not this
            if (graph != 0) _ = Api.Driver.cuGraphDestroy(graph);
        }
    }

    static nint Create(CudaDevice device)
    {
        device.MakeCurrent();
        nint stream;
        device.Api.Check(device.Api.Driver.cuStreamCreate(&stream, NonBlocking));
        return stream;
    }

    /// <inheritdoc/>
    protected override CudaResult Destroy() => Api.Driver.cuStreamDestroy(handle);
}

/// <summary>A mark in a stream.</summary>
public sealed unsafe class CudaEvent : CudaHandle
{
    const uint DisableTiming = 2;

    /// <summary>Creates an event; without timing it costs less.</summary>
    public CudaEvent(CudaDevice device, bool timing = false) : base(device, Create(device, timing))
    {
    }

    /// <summary>Marks the work queued so far.</summary>
    public void Record(CudaStream stream) => Api.Check(Api.Driver.cuEventRecord(Current, stream.Value));

    /// <summary>Waits until the marked work has been done.</summary>
    public void Synchronize() => Api.Check(Api.Driver.cuEventSynchronize(Current));

    /// <summary>Whether the marked work has been done.</summary>
    public bool HasCome
    {
        get
        {
            var result = Api.Driver.cuEventQuery(Current);
            if (result == CudaResult.NotReady) return false;
            Api.Check(result, null, "cuEventQuery(");
            return true;
        }
    }

    /// <summary>Milliseconds from this event to a later one; both with timing and done.</summary>
    public float MillisecondsTo(CudaEvent later)
    {
        float milliseconds;
        Api.Check(Api.Driver.cuEventElapsedTime(&milliseconds, Current, later.Value));
        return milliseconds;
    }

    static nint Create(CudaDevice device, bool timing)
    {
        device.MakeCurrent();
        nint handle;
        device.Api.Check(device.Api.Driver.cuEventCreate(&handle, timing ? 0 : DisableTiming));
        return handle;
    }

    /// <inheritdoc/>
    protected override CudaResult Destroy() => Api.Driver.cuEventDestroy(handle);
}

/// <summary>A recorded sequence of work that one call launches.</summary>
public sealed unsafe class CudaGraph : CudaHandle
{
    internal CudaGraph(CudaDevice device, nint executable) : base(device, executable)
    {
    }

    /// <summary>Queues the recorded work.</summary>
    public void Launch(CudaStream stream)
    {
        Api.Check(Api.Driver.cuGraphLaunch(Current, stream.Value));
    }

    /// <inheritdoc/>
    protected override CudaResult Destroy() => Api.Driver.cuGraphExecDestroy(handle);
}

/// <summary>Page-locked host memory, which copies without a detour and asynchronously.</summary>
public sealed unsafe class PinnedBuffer : CudaHandle
{
    /// <summary>Allocates <paramref name="bytes"/>.</summary>
    public PinnedBuffer(CudaDevice device, long bytes) : base(device, Create(device, bytes)) => Bytes = bytes;

    /// <summary>Size.</summary>
    public long Bytes { get; }

    /// <summary>The memory.</summary>
    public Span<T> Span<T>() where T : unmanaged => new((void*)Value, checked((int)(Bytes / sizeof(T))));

    static nint Create(CudaDevice device, long bytes)
    {
        device.MakeCurrent();
        nint address;
        device.Api.Check(device.Api.Driver.cuMemHostAlloc(&address, (nuint)bytes, 0), $"{bytes} bytes of pinned memory");
        return address;
    }

    /// <inheritdoc/>
    protected override CudaResult Destroy() => Api.Driver.cuMemFreeHost(handle);
}
