using BenchmarkDotNet.Attributes;
using CommonCanvas.Data;
using CommonCanvas.Tensors;
using CommonCanvas.Tests;
using CommonCanvas.Training;

namespace CommonCanvas.Bench.Data;

/// <summary>
/// Reading shuffled batches of latents and text embeddings of Stable Diffusion 2's sizes (32x32 latents, 77 tokens of 1024
/// numbers: 166 KB a sample) from MDS shards. Values are random and hardly shrink, as latents do. Files are in the page cache.
/// </summary>
[MemoryDiagnoser(false)]
public class ShardBench : IMeasured, IDisposable
{
    const int Samples = 512, BatchSize = 16, Resolution = 256, Latent = 4 * 32 * 32, Text = 77 * 1024;
    const double MegabytesOfSample = 2e-6 * (Latent + Text);

    TempFolder folder = null!;
    LatentDataset data = null!;
    LatentDataset beyond = null!;
    MdsReader forgetful = null!;
    LatentBatch batch = null!;
    SampleOrder order = null!;
    long position;

    /// <summary>Compression of the shards, each of 16 MiB unpacked.</summary>
    [Params("none", "zstd")]
    public string Compression { get; set; } = "";

    /// <summary>Writes the shards.</summary>
    [GlobalSetup]
    public void Setup()
    {
        folder = new TempFolder();
        var options = new MdsWriterOptions { SizeLimit = 1 << 24, Compression = Compression == "none" ? null : Compression };
        using (var writer = MdsWriter.Create(folder.Path, [new($"latents_{Resolution}", "bytes"), new(LatentDataset.TextColumn, "bytes")], options))
        {
            for (int i = 0; i < Samples; i++)
                writer.Write(new Dictionary<string, object> { [$"latents_{Resolution}"] = Halves(i, Latent), [LatentDataset.TextColumn] = Halves(i, Text) });
            writer.Finish();
        }
        data = new LatentDataset(folder.Path, Resolution, seed: 1);
        batch = data.NewBatch(BatchSize);
        beyond = new LatentDataset(folder.Path, Resolution, seed: 1, reading: LatentDataset.Reading with { CacheBytes = 0 });
        forgetful = new MdsReader(folder.Path, new MdsReaderOptions { CacheBytes = 0, VerifyHashes = false });
        order = new SampleOrder(Samples, 0, seed: 1);
    }

    /// <summary>A batch of shards that are open, and unpacked where they were compressed.</summary>
    [Benchmark]
    public void Batch() => data.Fill(batch, position += BatchSize);

    /// <summary>The first epoch: every shard is opened, its digest compared, and unpacked where it was compressed.</summary>
    [Benchmark]
    public void FirstEpoch()
    {
        using var fresh = new LatentDataset(folder.Path, Resolution, seed: 1);
        for (int at = 0; at < Samples; at += BatchSize) fresh.Fill(batch, at);
    }

    /// <summary>A batch of a data set that memory does not hold: from the temporary file of unpacked shards where they were compressed.</summary>
    [Benchmark]
    public void BatchBeyondMemory() => beyond.Fill(batch, position += BatchSize);

    /// <summary>Its first epoch.</summary>
    [Benchmark]
    public void FirstEpochBeyondMemory()
    {
        using var fresh = new LatentDataset(folder.Path, Resolution, seed: 1, reading: LatentDataset.Reading with { CacheBytes = 0 });
        for (int at = 0; at < Samples; at += BatchSize) fresh.Fill(batch, at);
    }

    /// <summary>Samples of a data set that neither memory nor disk holds: hardly any finds its shard unpacked.</summary>
    [Benchmark]
    public int SamplesBeyondDisk()
    {
        int bytes = 0;
        for (int i = 0; i < BatchSize; i++) bytes += forgetful.Read(order.At(position++)).Bytes(LatentDataset.TextColumn).Length;
        return bytes;
    }

    /// <inheritdoc/>
    public IEnumerable<Amount> Amounts(string method)
    {
        int samples = method is nameof(FirstEpoch) or nameof(FirstEpochBeyondMemory) ? Samples : BatchSize;
        return [new("samples/s", samples), new("MB/s", samples * MegabytesOfSample)];
    }

    /// <summary>Closes and removes the shards.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        data.Dispose();
        beyond.Dispose();
        forgetful.Dispose();
        folder.Dispose();
        GC.SuppressFinalize(this);
    }

    static byte[] Halves(int sample, int count)
    {
        var values = new float[count];
        Philox.Normal(new RandomKey(1, RandomPurpose.Drawing, (ulong)sample, (uint)count), values);
        var bytes = new byte[2 * count];
        for (int i = 0; i < count; i++) BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (Half)values[i]);
        return bytes;
    }
}
