using CommonCanvas.Data;
using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

public sealed class PrecomputeTests : IDisposable
{
    readonly TempFolder folder = new();

    public PrecomputeTests()
    {
        TinyPictures.Write(folder["pictures"], 40);
        TinyPictures.WriteModel(folder["model"]);
    }

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Makes_a_cache_that_trains(bool moments)
    {
        var report = Run("cache", 4, moments: moments);
        Assert.Equal((40L, 35L, 5L), (report.Position, report.Written, report.Skipped));
        using var data = new LatentDataset(folder["cache"], TinyPictures.Resolution, seed: 1);
        Assert.Equal((35, moments, 8, 12), (data.TrainingCount, data.HoldsMoments, data.LatentHeight, data.TextTokens));
        data.Fingerprint!.RequireMatch(ModelFingerprint.Of(folder["model"], TinyPictures.Resolution, true, 3), "cache");
        Assert.Equal(12 * TinyModels.Width, data.EmptyText.Length);
        var batch = data.NewBatch(35);
        data.Fill(batch, 0);
        Assert.All(batch.Latents, value => Assert.True(float.IsFinite(value)));
        using var reader = new MdsReader(folder["cache"]);
        Assert.Equal("000.png", reader.Read(0).Text("key"));
        Assert.Equal("picture 0 of something", reader.Read(0).Text("caption"));
        Assert.Equal((16L, 17L), (reader.Read(0).Integer("width"), reader.Read(0).Integer("height")));
        Assert.Equal("CC0-1.0", reader.Read(0).Text("licence"));
        Assert.Equal(5, File.ReadAllLines(folder["cache", "skipped.jsonl"]).Length);
    }

    [Theory]
    [InlineData(1, "cpu")]
    [InlineData(3, "cpu")]
    [InlineData(7, "cpu-reference")]
    public void No_byte_depends_on_the_batch_size_or_the_number_of_threads(int batchSize, string device)
    {
        Run("whole", 16, device: device);
        Run("other", batchSize, device: device, threads: batchSize);
        AssertSame("whole", "other");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(20)]
    [InlineData(33)]
    public void Stopped_and_started_again_it_ends_with_the_same_bytes(int stopsAfter)
    {
        Run("whole", 4);
        using var stop = new CancellationTokenSource();
        Run("parts", 4, report: r => { if (r.Written >= stopsAfter) stop.Cancel(); }, stop: stop.Token);
        Assert.False(File.Exists(folder["parts", "index.json"]));
        Run("parts", 3);
        AssertSame("whole", "parts");
        Assert.Equal(35, Run("parts", 3).Written);
    }

    [Fact]
    public void Started_again_a_complete_cache_stays_as_it_is()
    {
        Run("whole", 4);
        Run("again", 4);
        var report = Run("again", 4);
        Assert.Equal((40L, 35L, 5L), (report.Position, report.Written, report.Skipped));
        AssertSame("whole", "again");
    }

    [Fact]
    public void A_lost_or_cut_embedding_of_the_empty_caption_comes_back()
    {
        Run("whole", 4);
        Run("damaged", 4);
        File.Delete(folder["damaged", LatentDataset.EmptyCaptionFile]);
        Run("damaged", 4);
        AssertSame("whole", "damaged");
        File.WriteAllBytes(folder["damaged", LatentDataset.EmptyCaptionFile], []);
        Run("damaged", 4);
        AssertSame("whole", "damaged");
    }

    // What kill -9 leaves: an error in the middle, nothing tidied, and a torn file under a temporary name.
    [Fact]
    public void Killed_and_started_again_it_ends_with_the_same_bytes()
    {
        Run("whole", 4);
        Assert.Throws<InvalidOperationException>(() => Run("parts", 2, report: r => { if (r.Written >= 14) throw new InvalidOperationException("killed"); }));
        File.WriteAllText(folder["parts", "shard.00002.mds.tmp"], "torn");
        Run("parts", 4);
        File.Delete(folder["parts", "shard.00002.mds.tmp"]);
        AssertSame("whole", "parts");
    }

    /// <summary>Else the pictures behind the position would be others: one would come twice, or be left out.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Pictures_that_were_added_or_removed_before_the_position_are_an_error(bool added)
    {
        using var stop = new CancellationTokenSource();
        Run("cache", 4, report: r => { if (r.Written >= 20) stop.Cancel(); }, stop: stop.Token);
        string first = folder["pictures", "000.png"];
        if (added) File.Copy(first, folder["pictures", "000a.png"]);
        else File.Delete(first);
        string journal = File.ReadAllText(folder["cache", "journal.jsonl"]), message = Assert.Throws<InvalidDataException>(() => Run("cache", 4)).Message;
        Assert.Contains("other pictures", message, StringComparison.Ordinal);
        Assert.Matches("the one at position [0-9]+ was '[0-9]+.png' and is '[0-9]+.png'", message);
        Assert.Equal(journal, File.ReadAllText(folder["cache", "journal.jsonl"]));
        if (added) File.Delete(folder["pictures", "000a.png"]);
        else File.Copy(folder["pictures", "005.png"], first);
        Assert.Equal(35, Run("cache", 4).Written);
    }

    /// <summary>The journal may end at the very end of the pictures, behind ones that were skipped, and the index be missing.</summary>
    [Fact]
    public void Killed_before_the_index_with_skipped_pictures_at_the_end_it_goes_on()
    {
        for (int i = 0; i < 3; i++) File.WriteAllText(folder["pictures", $"zz{i}.png"], "no");
        Run("whole", 4);
        Directory.CreateDirectory(folder["parts", "index.json.tmp"]);
        Assert.ThrowsAny<Exception>(() => Run("parts", 4));
        Directory.Delete(folder["parts", "index.json.tmp"]);
        Assert.True(File.Exists(folder["parts", "journal.jsonl"]));
        Run("parts", 4);
        AssertSame("whole", "parts");
    }

    [Fact]
    public void Pictures_skipped_after_the_last_batch_are_reported()
    {
        File.WriteAllText(folder["pictures", "zz.png"], "no");
        File.WriteAllText(folder["pictures", "zz.txt"], "not a picture");
        var report = Run("cache", 1);
        int pictures = Directory.GetFiles(folder["pictures"], "*.png").Length;
        Assert.Equal((pictures, pictures), ((int)report.Position, (int)(report.Written + report.Skipped)));
    }

    [Fact]
    public void A_folder_without_a_usable_picture_leaves_no_cache()
    {
        foreach (string file in Directory.GetFiles(folder["pictures"], "*.png")) File.WriteAllText(file, "no");
        var error = Assert.Throws<InvalidDataException>(() => Run("cache", 4));
        Assert.Contains("no picture can be used", error.Message, StringComparison.Ordinal);
        Assert.Contains("CannotDecode", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(folder["cache", "index.json"]));
    }

    [Fact]
    public void A_cache_of_another_seed_is_not_continued()
    {
        Run("cache", 4);
        Assert.Throws<InvalidDataException>(() => Run("cache", 4, seed: 99));
    }

    [Fact]
    public void The_posteriors_sample_agrees_with_its_moments()
    {
        var key = new RandomKey(1, RandomPurpose.Posterior, 4, 0);
        float[] moments = [0.5f, -1, -2, 0.3f, 0.25f, 2, 0, -40];
        byte[] stored = LatentCodec.Encode(moments, 2, 0.5, null), sampled = LatentCodec.Encode(moments, 2, 0.5, key);
        double Value(byte[] bytes, int i) => (double)BitConverter.ToHalf(bytes, i * 2);
        Assert.Equal([0.25, 0.125, -0.5, 1.0], Enumerable.Range(0, 4).Select(i => Value(stored, i)));
        var noise = new float[4];
        Philox.Normal(key, noise);
        for (int c = 0; c < 2; c++)
            for (int p = 0; p < 2; p++)
            {
                double mean = Value(stored, c * 2 + p), deviation = Math.Exp(Value(stored, 4 + c * 2 + p) / 2);
                Assert.Equal(mean + deviation * noise[p * 2 + c], Value(sampled, c * 2 + p), 2e-3);
            }
        Assert.Equal((float)Half.MaxValue, (float)BitConverter.ToHalf(LatentCodec.ToHalves([1e9f])));
    }

    PrecomputeReport Run(string name, int batchSize, bool moments = false, string device = "cpu", int threads = 2, ulong seed = 17, Action<PrecomputeReport>? report = null, CancellationToken stop = default)
    {
        var paths = new PipelineFolder(folder["model"]);
        using var ops = OpsFactory.Create(device, device == "cpu" ? threads : 0);
        using var autoencoder = AutoencoderKL.FromFolder(paths.Vae, ops, DType.F32, training: false);
        using var text = ClipTextModel.FromFolder(paths.TextEncoder, ops, DType.F32);
        var settings = new PrecomputeSettings { Folder = folder[name], Resolution = TinyPictures.Resolution, BatchSize = batchSize, Moments = moments, Threads = threads, Seed = seed, ShardBytes = 6000 };
        var precompute = new Precompute(ops, autoencoder, text, Tokenizers.Load(paths.Tokenizer), ModelFingerprint.Of(folder["model"], TinyPictures.Resolution, moments, seed), settings);
        return precompute.Run(PictureSource.Open(folder["pictures"], "CC0-1.0"), new PictureLoader(TinyPictures.Resolution), report, stop);
    }

    void AssertSame(string expected, string actual)
    {
        string[] Names(string name) => [.. Directory.GetFiles(folder[name]).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];
        Assert.Equal(Names(expected), Names(actual));
        Assert.Contains("shard.00003.mds", Names(expected));
        foreach (string file in Names(expected)) Assert.Equal(File.ReadAllBytes(folder[expected, file]), File.ReadAllBytes(folder[actual, file]));
    }
}
