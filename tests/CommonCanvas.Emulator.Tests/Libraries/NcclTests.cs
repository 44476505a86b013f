using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Libraries;

namespace CommonCanvas.Emulator.Tests.Libraries;

/// <summary>Ranks with an emulated device each, one thread a rank: values, and what happens where ranks do not agree or do not come.</summary>
public sealed class NcclTests
{
    const int Ranks = 3, Count = 5;

    /// <summary>Long enough for a busy machine, for what is meant to succeed.</summary>
    static readonly TimeSpan Patient = TimeSpan.FromSeconds(60);

    sealed class Rank : IDisposable
    {
        readonly List<nint> allocations = [];

        public required CudaDevice Device { get; init; }

        public required CudaStream Stream { get; init; }

        public required NcclCommunicator Communicator { get; set; }

        public int Number => Communicator.Rank;

        public unsafe nint Upload<T>(T[] values) where T : unmanaged
        {
            nint address = Device.Allocate(values.Length * sizeof(T));
            allocations.Add(address);
            fixed (T* from = values) Stream.CopyToDevice((nint)from, address, values.Length * sizeof(T));
            return address;
        }

        public unsafe T[] Download<T>(nint address, int count) where T : unmanaged
        {
            var values = new T[count];
            fixed (T* to = values) Stream.CopyToHost(address, (nint)to, count * sizeof(T));
            return values;
        }

        public void Dispose()
        {
            Communicator?.Dispose();
            foreach (nint address in allocations) Device.Free(address);
            Stream.Dispose();
        }
    }

    /// <summary>Runs a rank on each of several devices; returns what each threw.</summary>
    static Exception?[] Run(Action<Rank> work, int present = Ranks, TimeSpan? patience = null)
    {
        var library = new Nccl(EmulatedNccl.Table, "emulated");
        var api = new CudaApi(EmulatedDriver.Create(new EmulatedDeviceOptions { Devices = Ranks, MemoryBytes = 1 << 20 }));
        CudaDevice[] devices = [.. Enumerable.Range(0, Ranks).Select(ordinal => new CudaDevice(api, ordinal))];
        var id = NcclUniqueId.From(library.CreateId().ToArray());
        var errors = new Exception?[present];
        Thread[] threads = [.. Enumerable.Range(0, present).Select(number => new Thread(() =>
        {
            try
            {
                var communicator = new NcclCommunicator(library, devices[number], id, number, Ranks, patience ?? Patient);
                using var rank = new Rank { Device = devices[number], Stream = new CudaStream(devices[number]), Communicator = communicator };
                work(rank);
            }
            catch (Exception e) { errors[number] = e; }
        }))];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        foreach (var device in devices) device.Dispose();
        return errors;
    }

    static void Succeed(Action<Rank> work)
    {
        foreach (var error in Run(work)) Assert.Null(error);
    }

    // thirds are no binary fractions, so the order of a sum shows in its bits
    static float[] Values(int rank, int count) => [.. Enumerable.Range(0, count).Select(i => (rank + 1) / 3f + i * 1e-3f)];

    static float Sum(int at, int count)
    {
        float sum = Values(0, count)[at];
        for (int rank = 1; rank < Ranks; rank++) sum += Values(rank, count)[at];
        return sum;
    }

    [Fact]
    public void AllReduce_adds_in_the_order_of_ranks() => Succeed(rank =>
    {
        nint data = rank.Upload(Values(rank.Number, Count)), largest = rank.Upload(Values(rank.Number, Count));
        rank.Communicator.AllReduce(rank.Stream, data, data, Count, NcclType.F32);
        rank.Communicator.AllReduce(rank.Stream, largest, largest, Count, NcclType.F32, NcclReduction.Max);
        rank.Communicator.Synchronize(rank.Stream);
        Assert.Equal(Enumerable.Range(0, Count).Select(i => Sum(i, Count)), rank.Download<float>(data, Count));
        Assert.Equal(Values(Ranks - 1, Count), rank.Download<float>(largest, Count));
    });

    [Fact]
    public void ReduceScatter_and_AllGather_are_the_halves_of_it() => Succeed(rank =>
    {
        nint whole = rank.Upload(Values(rank.Number, Ranks * Count)), part = whole + rank.Number * Count * sizeof(float);
        rank.Communicator.ReduceScatter(rank.Stream, whole, part, Count, NcclType.F32);
        rank.Communicator.AllGather(rank.Stream, part, whole, Count, NcclType.F32);
        rank.Communicator.Synchronize(rank.Stream);
        Assert.Equal(Enumerable.Range(0, Ranks * Count).Select(i => Sum(i, Ranks * Count)), rank.Download<float>(whole, Ranks * Count));
    });

    [Fact]
    public void Broadcast_copies_and_half_sums_are_rounded_once() => Succeed(rank =>
    {
        nint copied = rank.Upload([rank.Number * 10, rank.Number * 10 + 1]), half = rank.Upload(Values(rank.Number, Count).Select(value => (Half)value).ToArray());
        rank.Communicator.Broadcast(rank.Stream, copied, 2, NcclType.I32, root: 1);
        rank.Communicator.AllReduce(rank.Stream, half, half, Count, NcclType.F16);
        rank.Communicator.Synchronize(rank.Stream);
        Assert.Equal([10, 11], rank.Download<int>(copied, 2));
        var expected = Enumerable.Range(0, Count).Select(i => (Half)((float)(Half)Values(0, Count)[i] + (float)(Half)Values(1, Count)[i] + (float)(Half)Values(2, Count)[i]));
        Assert.Equal(expected, rank.Download<Half>(half, Count));
    });

    /// <summary>Operations follow the stream's work and events order them with another stream's, on every rank.</summary>
    [Fact]
    public void Operations_keep_their_place_among_streams_and_events() => Succeed(rank =>
    {
        using CudaStream second = new(rank.Device);
        using CudaEvent reduced = new(rank.Device), filled = new(rank.Device);
        nint data = rank.Upload(new float[Count]), copy = rank.Upload(new float[Count]);
        rank.Stream.Fill32(data, BitConverter.SingleToUInt32Bits(rank.Number + 1), Count);
        filled.Record(rank.Stream);
        second.Wait(filled);
        rank.Communicator.AllReduce(second, data, data, Count, NcclType.F32);
        reduced.Record(second);
        rank.Stream.Wait(reduced);
        rank.Stream.Copy(data, copy, Count * sizeof(float));
        rank.Stream.Fill32(data, 0, Count);
        rank.Stream.Synchronize();
        Assert.Equal([6f, 6, 6, 6, 6], rank.Download<float>(copy, Count));
    });

    /// <summary>A rank that waits gets the others' parts though their threads wait for nothing: they meet it on the host afterwards.</summary>
    [Fact]
    public void Streams_of_ranks_that_do_not_wait_move_on()
    {
        using var barrier = new Barrier(Ranks);
        Succeed(rank =>
        {
            nint data = rank.Upload(Values(rank.Number, Count));
            rank.Communicator.AllReduce(rank.Stream, data, data, Count, NcclType.F32);
            if (rank.Number == 0) rank.Communicator.Synchronize(rank.Stream);
            Assert.True(barrier.SignalAndWait(Patient));
            rank.Communicator.Synchronize(rank.Stream);
            Assert.Equal(Sum(0, Count), rank.Download<float>(data, 1)[0]);
        });
    }

    [Fact]
    public void A_recording_may_hold_operations() => Succeed(rank =>
    {
        nint data = rank.Upload(Enumerable.Repeat(1f, Count).ToArray());
        rank.Stream.Synchronize();
        using var graph = rank.Stream.Capture(() => rank.Communicator.AllReduce(rank.Stream, data, data, Count, NcclType.F32));
        for (int replay = 0; replay < 2; replay++) graph.Launch(rank.Stream);
        rank.Communicator.Synchronize(rank.Stream);
        Assert.Equal(9, rank.Download<float>(data, 1)[0]);
    });

    [Fact]
    public void Other_counts_end_in_an_error_on_every_rank()
    {
        foreach (var error in Run(rank =>
        {
            nint data = rank.Upload(new float[Count]);
            rank.Communicator.AllReduce(rank.Stream, data, data, rank.Number == 2 ? Count - 1 : Count, NcclType.F32);
            rank.Communicator.Synchronize(rank.Stream);
        }))
        {
            var refused = Assert.IsType<LibraryCallException>(error);
            Assert.Contains("another rank failed, is gone, or calls other operations or counts", refused.Message);
            Assert.Contains("ncclAllReduce of 4 F32, Sum", refused.Message);
            Assert.Contains("ncclAllReduce of 5 F32, Sum", refused.Message);
        }
    }

    [Fact]
    public void A_rank_that_does_not_join_is_missed()
    {
        var errors = Run(_ => { }, present: Ranks - 1, patience: TimeSpan.FromMilliseconds(200));
        Assert.All(errors, error => Assert.Contains($"of 3 waited 0 s for the others to join NCCL's communicator, and not all came.\n  1. ", Assert.IsType<TimeoutException>(error).Message));
    }

    [Fact]
    public void A_rank_that_leaves_is_missed_and_the_communicator_is_given_up()
    {
        var errors = Run(rank =>
        {
            if (rank.Number == 1) return;
            nint data = rank.Upload(new float[Count]);
            rank.Communicator.AllReduce(rank.Stream, data, data, Count, NcclType.F32);
            try { rank.Communicator.Synchronize(rank.Stream); }
            finally { Assert.Throws<ObjectDisposedException>(() => rank.Communicator.AllReduce(rank.Stream, data, data, Count, NcclType.F32)); }
        }, patience: TimeSpan.FromSeconds(2));
        Assert.Null(errors[1]);
        // the first to lose patience gives up, which the other may be told before its own patience ends
        foreach (var error in new[] { errors[0], errors[2] }) Assert.True(error is TimeoutException or LibraryCallException, $"{error}");
        Assert.Contains(errors, error => error is TimeoutException);
    }

    [Fact]
    public void Wrong_streams_roots_and_ids_are_refused()
    {
        var library = new Nccl(EmulatedNccl.Table, "emulated");
        Assert.Equal(new Version(2, 18, 5), library.Version);
        Assert.Throws<ArgumentException>(() => NcclUniqueId.From(new byte[127]));
        Succeed(rank =>
        {
            nint data = rank.Upload(new float[Count]);
            Assert.Contains("InvalidArgument (4)", Assert.Throws<LibraryCallException>(() => rank.Communicator.Broadcast(rank.Stream, data, Count, NcclType.F32, root: Ranks)).Message);
            Assert.Contains("do not lie within one allocation", Assert.Throws<LibraryCallException>(() => rank.Communicator.AllReduce(rank.Stream, data, data, 1000, NcclType.F32)).Message);
        });
        using var gpu = new EmulatedGpu();
        using var alone = new NcclCommunicator(library, gpu.Device, library.CreateId(), 0, 1);
        nint memory = gpu.Upload<float>([3]);
        alone.AllReduce(gpu.Stream, memory, memory, 1, NcclType.F32);
        alone.Synchronize(gpu.Stream);
        Assert.Equal(3, gpu.Download<float>(memory, 1)[0]);
        Assert.Throws<LibraryCallException>(() => new NcclCommunicator(library, gpu.Device, NcclUniqueId.From(new byte[128]), 0, 1));
    }
}
