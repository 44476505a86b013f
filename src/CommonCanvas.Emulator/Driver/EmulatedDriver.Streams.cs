using System.Diagnostics;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Machine;

namespace CommonCanvas.Emulator;

public static unsafe partial class EmulatedDriver
{
    [UnmanagedCallersOnly]
    static CudaResult cuStreamCreate(nint* stream, uint flags) => Call(() => *stream = Handles.Add(Context().NewStream()));

    [UnmanagedCallersOnly]
    static CudaResult cuStreamWaitEvent(nint stream, nint @event, uint flags) => Call(() => InContext<WorkEvent>(@event).Delay(Stream(stream)));

    [UnmanagedCallersOnly]
    static CudaResult cuStreamSynchronize(nint stream) => Call(() =>
    {
        Stream(stream).Drain();
        Context();
    });

    [UnmanagedCallersOnly]
    static CudaResult cuStreamQuery(nint stream) => Call(() =>
    {
        Context();
        if (Stream(stream) is not { IsIdle: false } busy) return;
        // somebody who asks again and again gets an answer in the end
        busy.DrainOne();
        throw new DriverError(CudaResult.NotReady, "the stream has work left");
    });

    [UnmanagedCallersOnly]
    static CudaResult cuStreamDestroy(nint stream) => Call(() =>
    {
        RequireContext();
        var queue = Handles.Remove<WorkQueue>(stream);
        queue.Device.Remove(queue);
    });

    [UnmanagedCallersOnly]
    static CudaResult cuStreamBeginCapture(nint stream, int mode) => Call(() =>
    {
        Context();
        var queue = Stream(stream);
        if (stream == 0 || queue.Capture is not null) throw new DriverError(CudaResult.StreamCaptureUnsupported, "the stream cannot be captured, or is already");
        queue.Capture = new WorkGraph { Origin = queue };
    });

    [UnmanagedCallersOnly]
    static CudaResult cuStreamEndCapture(nint stream, nint* graph) => Call(() =>
    {
        var queue = Stream(stream);
        if (queue.Capture is not { } captured || captured.Origin != queue) throw new DriverError(CudaResult.StreamCaptureInvalidated, "the stream's capture was not begun here");
        queue.Device.EndCapture(captured);
        *graph = Handles.Add(captured);
    });

    [UnmanagedCallersOnly]
    static CudaResult cuEventCreate(nint* @event, uint flags) => Call(() =>
    {
        Context();
        *@event = Handles.Add(new WorkEvent());
    });

    [UnmanagedCallersOnly]
    static CudaResult cuEventRecord(nint @event, nint stream) => Call(() => InContext<WorkEvent>(@event).Record(Stream(stream)));

    [UnmanagedCallersOnly]
    static CudaResult cuEventQuery(nint @event) => Call(() =>
    {
        var asked = Handles.Get<WorkEvent>(@event);
        if (asked.IsDone) return;
        asked.DrainOne();
        throw new DriverError(CudaResult.NotReady, "the work before the event is not done");
    });

    [UnmanagedCallersOnly]
    static CudaResult cuEventSynchronize(nint @event) => Call(() =>
    {
        InContext<WorkEvent>(@event).Synchronize();
        Context();
    });

    [UnmanagedCallersOnly]
    static CudaResult cuEventDestroy(nint @event) => Call(() =>
    {
        RequireContext();
        Handles.Remove<WorkEvent>(@event);
    });

    [UnmanagedCallersOnly]
    static CudaResult cuEventElapsedTime(float* milliseconds, nint start, nint end) => Call(() =>
    {
        WorkEvent from = Handles.Get<WorkEvent>(start), to = Handles.Get<WorkEvent>(end);
        if (from.Time == 0 || to.Time == 0) throw new DriverError(CudaResult.NotReady, "an event has not been reached");
        *milliseconds = (float)((to.Time - from.Time) * 1000.0 / Stopwatch.Frequency);
    });

    [UnmanagedCallersOnly]
    static CudaResult cuGraphInstantiateWithFlags(nint* executable, nint graph, ulong flags) => Call(() =>
        *executable = Handles.Add(new WorkGraph { Origin = Handles.Get<WorkGraph>(graph).Origin, Work = [.. Handles.Get<WorkGraph>(graph).Work] }));

    [UnmanagedCallersOnly]
    static CudaResult cuGraphLaunch(nint executable, nint stream) => Call(() =>
    {
        Context();
        var queue = Stream(stream);
        foreach (var item in Handles.Get<WorkGraph>(executable).Work) queue.Add(item);
    });

    [UnmanagedCallersOnly]
    static CudaResult cuGraphExecDestroy(nint executable) => Call(() => Handles.Remove<WorkGraph>(executable));

    [UnmanagedCallersOnly]
    static CudaResult cuGraphDestroy(nint graph) => Call(() => Handles.Remove<WorkGraph>(graph));
}
