namespace CommonCanvas.Cuda.Tests;

/// <summary>The installed NCCL between all GPUs of this machine, one is enough: that its calls are bound as it takes them.</summary>
[Trait("Device", "cuda")]
public sealed unsafe class InstalledNcclTests
{
    const int Count = 1000;

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Values that a rank sends: small whole numbers, whose sums are exact.</summary>
    static float[] Sent(int rank, int count) => [.. Enumerable.Range(0, count).Select(i => (float)((i * 7 + rank * 3) % 61))];

    [Fact]
    public void Sums_and_copies_reach_all_ranks()
    {
        var (api, library) = Installed();
        int ranks = api.DeviceCount;
        var id = NcclUniqueId.From(library.CreateId().ToArray());
        var errors = new Exception?[ranks];
        Thread[] threads = [.. Enumerable.Range(0, ranks).Select(rank => new Thread(() =>
        {
            try { Exchange(library, api, id, rank, ranks); }
            catch (Exception e) { errors[rank] = e; }
        }))];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        Assert.All(errors, Assert.Null);
    }

    static (CudaApi Api, Nccl Library) Installed()
    {
        try { return (new CudaApi(InstalledDriver.Load().Driver), Nccl.Load()); }
        catch (LibraryMissingException e)
        {
            Assert.Skip(e.Message);
            throw;
        }
    }

    static void Exchange(Nccl library, CudaApi api, NcclUniqueId id, int rank, int ranks)
    {
        using var device = new CudaDevice(api, rank);
        using var stream = new CudaStream(device);
        using var communicator = new NcclCommunicator(library, device, id, rank, ranks, Patience);
        float[][] all = [.. Enumerable.Range(0, ranks).Select(other => Sent(other, ranks * Count))];
        float[] sums = [.. Enumerable.Range(0, ranks * Count).Select(i => all.Sum(values => values[i]))];
        nint data = device.Allocate(ranks * Count * sizeof(float)), result = device.Allocate(ranks * Count * sizeof(float));
        try
        {
            Upload(all[rank]);
            communicator.AllReduce(stream, data, result, ranks * Count, NcclType.F32);
            Assert.Equal(sums, Download(ranks * Count));

            communicator.ReduceScatter(stream, data, result, Count, NcclType.F32);
            Assert.Equal(sums[(rank * Count)..((rank + 1) * Count)], Download(Count));

            communicator.AllGather(stream, data, result, Count, NcclType.F32);
            Assert.Equal(all.SelectMany(values => values[..Count]), Download(ranks * Count));

            communicator.AllReduce(stream, data, result, Count, NcclType.F32, NcclReduction.Max);
            Assert.Equal(Enumerable.Range(0, Count).Select(i => all.Max(values => values[i])), Download(Count));

            communicator.AllGather(stream, data, result, Count, NcclType.F32);
            communicator.Broadcast(stream, result, Count, NcclType.F32, root: ranks - 1);
            Assert.Equal(all[ranks - 1][..Count], Download(Count));
        }
        finally
        {
            device.Free(data);
            device.Free(result);
        }

        void Upload(float[] values)
        {
            fixed (float* from = values) stream.CopyToDevice((nint)from, data, values.Length * sizeof(float));
            communicator.Synchronize(stream);
        }

        float[] Download(int count)
        {
            var values = new float[count];
            fixed (float* to = values)
            {
                stream.CopyToHost(result, (nint)to, count * sizeof(float));
                communicator.Synchronize(stream);
            }
            return values;
        }
    }
}
