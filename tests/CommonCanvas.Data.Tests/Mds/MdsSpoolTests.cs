using System.Collections.Concurrent;

namespace CommonCanvas.Data.Tests;

/// <summary>Compressed shards that memory cannot hold: unpacked once, to a temporary file that never outlives its use.</summary>
public sealed class MdsSpoolTests : IDisposable
{
    const int Rows = 40;
    readonly TempFolder data = new(), disk = new();
    readonly ConcurrentQueue<string> notes = new();

    public void Dispose()
    {
        data.Dispose();
        disk.Dispose();
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(4, 1)]
    [InlineData(4, 64)]
    public void EveryShardIsUnpackedOnce(int threads, int openShards)
    {
        Write("zstd");
        using (MdsReader reader = Open(Options with { OpenShards = openShards }))
        {
            Assert.True(reader.Shards.Count > 5);
            ReadShuffled(reader, threads);
            foreach (string packed in Directory.GetFiles(data.Path, "*.zstd")) File.Delete(packed);
            ReadShuffled(reader, threads);
            Assert.Contains("temporary file in " + disk.Path, Assert.Single(notes), StringComparison.Ordinal);
            // Without a name it is gone whenever the process is; Windows keeps the name and removes it as reliably.
            Assert.Equal(OperatingSystem.IsWindows() ? 1 : 0, Directory.GetFileSystemEntries(disk.Path).Length);
        }
        Assert.Empty(Directory.GetFileSystemEntries(disk.Path));
    }

    [Fact]
    public void WhatFitsIntoMemoryStaysThere()
    {
        Write("zstd");
        using MdsReader reader = Open(Options with { CacheBytes = 1 << 20, OpenShards = 2 });
        ReadShuffled(reader, 1);
        foreach (string packed in Directory.GetFiles(data.Path, "*.zstd")) File.Delete(packed);
        ReadShuffled(reader, 1);
        Assert.Empty(notes);
    }

    [Fact]
    public void LeftoversAreRemovedAndFilesInUseAreNot()
    {
        Write("zstd");
        string left = disk["commoncanvas-0.shards.tmp"], used = disk["commoncanvas-1.shards.tmp"], other = disk["commoncanvas-2.tmp"];
        foreach (string path in new[] { left, used, other }) File.WriteAllBytes(path, new byte[100]);
        using (new FileStream(used, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            Open(Options).Dispose();
            Assert.Equal([used, other], Directory.GetFiles(disk.Path).Order(StringComparer.Ordinal));
        }
        Open(Options).Dispose();
        Assert.Equal([other], Directory.GetFiles(disk.Path));
    }

    [Fact]
    public void TheBudgetIsKeptAndTheRestIsReadAllTheSame()
    {
        Write("zstd");
        long budget;
        using (MdsReader sizes = Open(Options with { SpoolBytes = 0 })) budget = sizes.Shards[0].Raw.Bytes + sizes.Shards[1].Raw.Bytes;
        using MdsReader reader = Open(Options with { SpoolBytes = budget });
        for (int epoch = 0; epoch < 2; epoch++)
            for (int i = 0; i < Rows; i++) MdsRows.AssertEqual(MdsRows.Random(i), reader.Read(i));
        string note = Assert.Single(notes);
        Assert.Contains("zstd -d", note, StringComparison.Ordinal);
        foreach (string packed in Directory.GetFiles(data.Path, "*.zstd")) File.Delete(packed);
        long held = reader.Shards[0].Samples + reader.Shards[1].Samples;
        for (int i = 0; i < held; i++) MdsRows.AssertEqual(MdsRows.Random(i), reader.Read(i));
        Assert.Contains("shard.00002.mds.zstd", Assert.Throws<InvalidDataException>(() => reader.Read(held)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void AFullDiskCostsTimeAndNoSample(int threads)
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "needs /dev/full, a disk that is always full");
        Write("zstd");
        var full = new FileStream("/dev/full", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
        using var reader = new MdsReader(data.Path, Options, MdsSpool.Over(disk.Path, full));
        ReadShuffled(reader, threads);
        ReadShuffled(reader, threads);
        Assert.Contains("No space left on device", Assert.Single(notes), StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutAFolderSamplesAreReadAllTheSame()
    {
        Write("zstd");
        using MdsReader reader = Open(Options with { SpoolFolder = disk["missing"] });
        ReadShuffled(reader, 2);
        Assert.Contains("no folder", Assert.Single(notes), StringComparison.Ordinal);
    }

    [Fact]
    public void PartsThatAreGivenBackFreeTheDisk()
    {
        string path = disk["file"];
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
        using MdsSpool spool = MdsSpool.Over(disk.Path, file);
        MdsSpool.Part[] parts = [.. Enumerable.Range(0, 4).Select(_ => spool.TryReserve(1000)!)];
        Assert.Equal([0, 1000, 2000, 3000], parts.Select(p => p.Start));
        foreach (MdsSpool.Part part in parts) part.Write(0, new byte[1000]);
        parts[0].Keep();
        foreach (int i in new[] { 0, 1, 2 }) parts[i].Dispose();
        Assert.Equal(4000, new FileInfo(path).Length);
        parts[3].Dispose();
        Assert.Equal(1000, new FileInfo(path).Length);
        Assert.Equal(1000, spool.TryReserve(10)!.Start);
        Assert.Null(spool.TryReserve(1L << 60));
    }

    [Theory]
    [InlineData("flipped")]
    [InlineData("digest")]
    public void ADamagedShardIsNeverSpooled(string how)
    {
        Write("zstd");
        string shard = data["shard.00001.mds.zstd"], digest;
        using (MdsReader sizes = Open(Options with { SpoolBytes = 0 })) digest = sizes.Shards[1].Raw.Hashes[0].Value;
        byte[] bytes = File.ReadAllBytes(shard);
        bytes[^20] ^= 1;
        if (how == "flipped") File.WriteAllBytes(shard, bytes);
        else File.WriteAllText(data["index.json"], File.ReadAllText(data["index.json"]).Replace(digest, new string('0', digest.Length), StringComparison.Ordinal));
        using MdsReader reader = Open(Options);
        long first = reader.Shards[0].Samples;
        for (int twice = 0; twice < 2; twice++)
        {
            MdsRows.AssertEqual(MdsRows.Random(0), reader.Read(0));
            Assert.Contains("shard.00001.mds.zstd: its sha1", Assert.Throws<InvalidDataException>(() => reader.Read(first)).Message, StringComparison.Ordinal);
            MdsRows.AssertEqual(MdsRows.Random(Rows - 1), reader.Read(Rows - 1));
        }
    }

    [Fact]
    public void DisposingWhileThreadsReadHurtsNobody()
    {
        Write("zstd");
        for (int round = 0; round < 20; round++)
        {
            MdsReader reader = Open(Options);
            using var started = new CountdownEvent(3);
            Thread[] threads = [.. Enumerable.Range(0, 3).Select(t => new Thread(() =>
            {
                started.Signal();
                try { for (int i = t; ; i++) MdsRows.AssertEqual(MdsRows.Random(i * 7 % Rows), reader.Read(i * 7 % Rows)); }
                catch (ObjectDisposedException) { /* As it should be. */ }
                catch (Exception cause) { notes.Enqueue(cause.ToString()); }
            }))];
            foreach (Thread thread in threads) thread.Start();
            started.Wait(TestContext.Current.CancellationToken);
            Thread.Sleep(round / 2);
            reader.Dispose();
            foreach (Thread thread in threads) thread.Join();
            Assert.All(notes, n => Assert.Contains("temporary file in", n, StringComparison.Ordinal));
        }
        Assert.Empty(Directory.GetFileSystemEntries(disk.Path));
    }

    [Fact]
    public void ARamDiskIsNoPlaceForWhatMemoryCannotHold()
    {
        Assert.SkipUnless(Directory.Exists("/dev/shm"), "needs a RAM disk");
        Assert.False(MdsSpool.OnDisk("/dev/shm"));
        Assert.False(MdsSpool.OnDisk(disk["missing"]));
    }

    [Fact]
    public void AnUnpackedFileBesideAShardIsRead()
    {
        Write("zstd");
        using (MdsReader reader = Open(Options with { SpoolBytes = 0 }))
            foreach (MdsShardInfo shard in reader.Shards)
            {
                using FileStream packed = File.OpenRead(data[shard.Stored.Basename]);
                File.WriteAllBytes(data[shard.Raw.Basename], MdsCompression.Decompress("zstd", packed, shard.Raw.Bytes));
            }
        File.Delete(data["shard.00000.mds.zstd"]);
        // One that is not whole is passed over, one that is damaged is named.
        File.WriteAllBytes(data["shard.00001.mds"], File.ReadAllBytes(data["shard.00001.mds"])[..^1]);
        byte[] damaged = File.ReadAllBytes(data["shard.00002.mds"]);
        damaged[^1] ^= 1;
        using (MdsReader reader = Open(Options with { SpoolBytes = 0, OpenShards = 2 }))
        {
            ReadShuffled(reader, 2);
            reader.VerifyAll();
        }
        File.WriteAllBytes(data["shard.00002.mds"], damaged);
        using (MdsReader reader = Open(Options))
            Assert.Contains("shard.00002.mds: its sha1", Assert.Throws<InvalidDataException>(() => ReadShuffled(reader, 1)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, 0)]
    [InlineData("zstd", 0)]
    [InlineData("zstd", 1 << 20)]
    public void MemoryIsUsedAgain(string? compression, long cacheBytes)
    {
        Write(compression);
        using MdsReader reader = Open(Options with { CacheBytes = cacheBytes });
        byte[] buffer = new byte[100_000], same = buffer;
        for (int i = 0; i < Rows; i++) MdsRows.AssertEqual(MdsRows.Random(i), reader.Read(i, ref buffer));
        Assert.Same(same, buffer);
        buffer = new byte[1];
        MdsRows.AssertEqual(MdsRows.Random(3), reader.Read(3, ref buffer));
    }

    MdsReaderOptions Options => new() { CacheBytes = 0, SpoolBytes = long.MaxValue, SpoolFolder = disk.Path, Note = notes.Enqueue };

    MdsReader Open(MdsReaderOptions options) => new(data.Path, options);

    void Write(string? compression)
    {
        using MdsWriter writer = MdsWriter.Create(data.Path, MdsRows.Columns, new MdsWriterOptions { SizeLimit = 3000, Compression = compression, Hashes = ["xxh64", "sha1"] });
        for (int i = 0; i < Rows; i++) writer.Write(MdsRows.Random(i));
        writer.Finish();
    }

    static void ReadShuffled(MdsReader reader, int threads)
    {
        int[] order = [.. Enumerable.Range(0, Rows)];
        new Random(1).Shuffle(order);
        if (threads == 1) foreach (int i in order) MdsRows.AssertEqual(MdsRows.Random(i), reader.Read(i));
        else Parallel.ForEach(order, new ParallelOptions { MaxDegreeOfParallelism = threads }, i => MdsRows.AssertEqual(MdsRows.Random(i), reader.Read(i)));
    }
}
