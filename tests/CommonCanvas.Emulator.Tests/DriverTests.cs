using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests;

/// <summary>
/// What the driver promises of streams, events, graphs, page-locked memory and several devices; and that work which nobody has
/// waited for has not been done, so that host code which forgets to wait is found out.
/// </summary>
public class DriverTests
{
    const string Source = """
        extern "C" __global__ void Double(int* x, int n) { int i = threadIdx.x; if (i < n) x[i] *= 2; }
        extern "C" __global__ void Add(int* x, int v, int n) { int i = threadIdx.x; if (i < n) x[i] += v; }
        """;

    static unsafe void CopyOut(CudaStream stream, nint from, PinnedBuffer to) => stream.CopyToHost(from, to.Value, to.Bytes);

    [Fact]
    public void Work_of_a_stream_is_done_in_its_order_and_only_when_somebody_waits()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Source);
        using var host = new PinnedBuffer(gpu.Device, 16);
        host.Span<int>().Clear();
        nint x = gpu.Upload<int>([1, 2, 3, 4]);
        module["Add"].Launch(gpu.Stream, 1, 32, 0, [x, 10, 4]);
        module["Double"].Launch(gpu.Stream, 1, 32, 0, [x, 4]);
        module["Add"].Launch(gpu.Stream, 1, 32, 0, [x, 1, 4]);
        CopyOut(gpu.Stream, x, host);
        Assert.Equal(new int[4], host.Span<int>().ToArray());
        Assert.False(gpu.Stream.IsIdle);
        gpu.Stream.Synchronize();
        Assert.Equal([23, 25, 27, 29], host.Span<int>().ToArray());
        Assert.True(gpu.Stream.IsIdle);
    }

    /// <summary>Asking is not waiting, but somebody who asks again and again is answered in the end.</summary>
    [Fact]
    public void A_stream_that_is_asked_becomes_idle()
    {
        using var gpu = new EmulatedGpu();
        nint x = gpu.Upload<int>([1]);
        gpu.Stream.Synchronize();
        for (int i = 0; i < 3; i++) gpu.Stream.Fill32(x, 7, 1);
        int asked = 0;
        while (!gpu.Stream.IsIdle) asked++;
        Assert.Equal(3, asked);
    }

    [Fact]
    public void Work_of_another_stream_has_not_been_done_before_its_event_is_waited_for()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Source);
        using CudaStream second = new(gpu.Device);
        using CudaEvent written = new(gpu.Device);
        using PinnedBuffer early = new(gpu.Device, 4), late = new(gpu.Device, 4);
        nint x = gpu.Upload<int>([1]);
        gpu.Stream.Synchronize();
        module["Add"].Launch(gpu.Stream, 1, 32, 0, [x, 5, 1]);
        written.Record(gpu.Stream);
        CopyOut(second, x, early); // a wait is missing
        second.Wait(written);
        CopyOut(second, x, late);
        second.Synchronize();
        Assert.Equal((1, 6), (early.Span<int>()[0], late.Span<int>()[0]));
        Assert.True(written.HasCome);
    }

    /// <summary>What is queued behind an event is not part of it, and an event that is recorded again stands for the new place.</summary>
    [Fact]
    public void An_event_marks_what_was_queued_before_it()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Source);
        using CudaEvent mark = new(gpu.Device, timing: true), end = new(gpu.Device, timing: true);
        using PinnedBuffer first = new(gpu.Device, 4), second = new(gpu.Device, 4);
        Assert.True(mark.HasCome);
        second.Span<int>().Clear();
        nint x = gpu.Upload<int>([1]);
        module["Add"].Launch(gpu.Stream, 1, 32, 0, [x, 5, 1]);
        CopyOut(gpu.Stream, x, first);
        mark.Record(gpu.Stream);
        module["Double"].Launch(gpu.Stream, 1, 32, 0, [x, 1]);
        CopyOut(gpu.Stream, x, second);
        end.Record(gpu.Stream);
        Assert.Throws<CudaException>(() => mark.MillisecondsTo(end));
        mark.Synchronize();
        Assert.Equal((6, 0), (first.Span<int>()[0], second.Span<int>()[0]));
        Assert.True(mark.HasCome);
        end.Synchronize();
        Assert.Equal(12, second.Span<int>()[0]);
        Assert.True(mark.MillisecondsTo(end) >= 0);
    }

    [Fact]
    public void Page_locked_memory_is_read_when_the_copys_turn_comes_and_other_memory_at_once()
    {
        using var gpu = new EmulatedGpu();
        using var pinned = new PinnedBuffer(gpu.Device, 4);
        nint x = gpu.Allocate(4), y = gpu.Allocate(4);
        int pageable = 1;
        pinned.Span<int>()[0] = 1;
        unsafe { gpu.Stream.CopyToDevice((nint)(&pageable), x, 4); }
        gpu.Stream.CopyToDevice(pinned.Value, y, 4);
        (pageable, pinned.Span<int>()[0]) = (2, 2);
        Assert.Equal((1, 2), (gpu.Download<int>(x, 1)[0], gpu.Download<int>(y, 1)[0]));
    }

    /// <summary>A graph records instead of running; a launch of it runs what was recorded, with the arguments' values of then and the memory of now.</summary>
    [Fact]
    public void A_graph_is_recorded_and_replayed()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Source);
        nint x = gpu.Upload<int>([1, 2]);
        int value = 3;
        using var graph = gpu.Stream.Capture(() =>
        {
            module["Add"].Launch(gpu.Stream, 1, 32, 0, [x, value, 2]);
            module["Double"].Launch(gpu.Stream, 1, 32, 0, [x, 2]);
        });
        value = 100;
        Assert.Equal([1, 2], gpu.Download<int>(x, 2));
        for (int turn = 0; turn < 3; turn++) graph.Launch(gpu.Stream);
        Assert.Equal([((1 + 3) * 2 + 3) * 2 + 3 + ((1 + 3) * 2 + 3) * 2 + 3, 2 * (2 * (2 * (2 + 3) + 3) + 3)], gpu.Download<int>(x, 2));
    }

    /// <summary>A second stream that waits for an event of the recorded one is recorded too, until the capture ends.</summary>
    [Fact]
    public void A_graph_holds_the_streams_that_join_its_capture()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Source);
        using CudaStream second = new(gpu.Device);
        using CudaEvent fork = new(gpu.Device), join = new(gpu.Device);
        nint x = gpu.Upload<int>([1]);
        gpu.Stream.Synchronize();
        using var graph = gpu.Stream.Capture(() =>
        {
            module["Add"].Launch(gpu.Stream, 1, 32, 0, [x, 1, 1]);
            fork.Record(gpu.Stream);
            second.Wait(fork);
            module["Double"].Launch(second, 1, 32, 0, [x, 1]);
            join.Record(second);
            gpu.Stream.Wait(join);
            module["Add"].Launch(gpu.Stream, 1, 32, 0, [x, 5, 1]);
            Assert.Throws<CudaException>(second.Synchronize);
        });
        graph.Launch(gpu.Stream);
        Assert.Equal([9], gpu.Download<int>(x, 1));
        module["Add"].Launch(second, 1, 32, 0, [x, 1, 1]);
        second.Synchronize();
        Assert.Equal([10], gpu.Download<int>(x, 1));
    }

    [Fact]
    public void A_stream_that_is_recorded_cannot_be_waited_for()
    {
        using var gpu = new EmulatedGpu();
        nint x = gpu.Upload<int>([1]);
        Assert.Equal(CudaResult.StreamCaptureUnsupported, Assert.Throws<CudaException>(() => gpu.Stream.Capture(() =>
        {
            gpu.Stream.Fill32(x, 5, 1);
            gpu.Stream.Synchronize();
        })).Result);
        Assert.Equal([1], gpu.Download<int>(x, 1));
    }

    static (CudaApi Api, CudaDevice First, CudaDevice Second) Two()
    {
        var api = new CudaApi(EmulatedDriver.Create(new EmulatedDeviceOptions { Devices = 2 }));
        return (api, new CudaDevice(api, 0), new CudaDevice(api, 1));
    }

    [Fact]
    public void Each_device_has_memory_of_its_own()
    {
        var (api, first, second) = Two();
        using (first) using (second) using (CudaStream a = new(first), b = new(second))
        {
            Assert.Equal(2, api.DeviceCount);
            nint x = first.Allocate(16), y = second.Allocate(16);
            a.Fill32(x, 1, 4);
            b.Fill32(y, 2, 4);
            using PinnedBuffer host = new(first, 16);
            CopyOut(a, x, host);
            a.Synchronize();
            Assert.Equal([1, 1, 1, 1], host.Span<int>().ToArray());
            Assert.Contains("it is memory of another device", Assert.Throws<CudaException>(() => a.Fill32(y, 3, 4)).Message, StringComparison.Ordinal);
            Assert.Contains("it is memory of another device", Assert.Throws<CudaException>(() => CopyOut(b, x, host)).Message, StringComparison.Ordinal);
            Assert.Throws<CudaException>(() => second.Free(x));
            first.Free(x);
            second.Free(y);
        }
    }

    /// <summary>A thread that has no context gets the device's, whatever it uses first and even if it only disposes.</summary>
    [Fact]
    public void All_of_a_device_is_used_and_disposed_from_a_thread_that_has_no_context()
    {
        const int Shared = 100 << 10;
        using var gpu = new EmulatedGpu();
        nint x = gpu.Upload<int>([1, 2]);
        gpu.Stream.Synchronize();
        var module = gpu.Compile(Source);
        CudaStream stream = new(gpu.Device), second = new(gpu.Device);
        CudaEvent mark = new(gpu.Device, timing: true), end = new(gpu.Device, timing: true);
        var pinned = new PinnedBuffer(gpu.Device, 8);
        var add = module["Add"];
        var graph = stream.Capture(() => add.Launch(stream, 1, 32, 0, [x, 1, 2]));
        InThread(() => mark.Record(stream));
        InThread(mark.Synchronize);
        InThread(() => second.Wait(mark));
        InThread(() => add.Launch(stream, 1, 32, Shared, [x, 10, 2]));
        InThread(() => _ = module["Double"]);
        InThread(() => Assert.True(add.Occupancy(32, 0) > 0));
        InThread(() => graph.Launch(stream));
        InThread(() => CopyOut(stream, x, pinned));
        InThread(() => end.Record(stream));
        InThread(() => Assert.False(end.HasCome));
        InThread(end.Synchronize);
        InThread(() => Assert.True(mark.MillisecondsTo(end) >= 0));
        Assert.Equal([12, 13], pinned.Span<int>().ToArray());
        foreach (CudaHandle handle in new CudaHandle[] { graph, module, mark, end, pinned, second, stream })
        {
            nint value = handle.Value;
            InThread(handle.Dispose);
            Assert.True(IsGone(handle, value), $"{handle.GetType().Name} is still there");
        }

        static void InThread(Action action)
        {
            Exception? failure = null;
            var thread = new Thread(() =>
            {
                try { action(); }
                catch (Exception e) { failure = e; }
            });
            thread.Start();
            thread.Join();
            Assert.Null(failure);
        }

        unsafe bool IsGone(CudaHandle handle, nint value)
        {
            ref readonly var driver = ref gpu.Api.Driver;
            return handle switch
            {
                CudaGraph => driver.cuGraphExecDestroy(value),
                CudaModule => driver.cuModuleUnload(value),
                CudaEvent => driver.cuEventDestroy(value),
                PinnedBuffer => driver.cuMemFreeHost(value),
                _ => driver.cuStreamDestroy(value),
            } != CudaResult.Success;
        }
    }

    static int destroyed;

    [System.Runtime.InteropServices.UnmanagedCallersOnly]
    static CudaResult CountDestroyed(nint handle)
    {
        destroyed++;
        return CudaResult.Success;
    }

    /// <summary>The driver has freed it with the context, and what its address holds now is somebody else's.</summary>
    [Fact]
    public unsafe void What_outlives_its_device_is_not_destroyed_a_second_time()
    {
        var driver = EmulatedDriver.Create();
        driver.cuEventDestroy = &CountDestroyed;
        var device = new CudaDevice(new CudaApi(driver), 0);
        CudaEvent before = new(device), after = new(device);
        before.Dispose();
        Assert.Equal(1, destroyed);
        device.Dispose();
        after.Dispose();
        Assert.Equal(1, destroyed);
    }

    [Fact]
    public void A_kernel_that_reads_another_devices_memory_is_told()
    {
        using var compiled = new EmulatedGpu();
        var (_, first, second) = Two();
        using (first) using (second) using (CudaStream a = new(first), b = new(second))
        using (var module = new CudaModule(first, EmulatedGpu.Compiler.Compile(Source, "two.cu", [], ["-arch=compute_80", "-lineinfo", "-std=c++17"]), "two.cu"))
        {
            nint y = second.Allocate(16);
            b.Fill32(y, 2, 4);
            b.Synchronize();
            Assert.Contains("loaded on another device", Assert.Throws<CudaException>(() => module["Double"].Launch(b, 1, 32, 0, [y, 4])).Message, StringComparison.Ordinal);
            module["Double"].Launch(a, 1, 32, 0, [y, 4]);
            string message = Assert.Throws<CudaException>(a.Synchronize).Message;
            Assert.Contains("two.cu:1", message, StringComparison.Ordinal);
            Assert.Contains("it is memory of another device", message, StringComparison.Ordinal);
            // the fault is the first device's alone
            b.Fill32(y, 3, 4);
            b.Synchronize();
            EmulatedDriver.TakeFault();
            first.MakeCurrent();
            EmulatedDriver.TakeFault();
            second.Free(y);
        }
    }
}
