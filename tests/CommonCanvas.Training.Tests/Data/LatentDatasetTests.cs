using CommonCanvas.Data;

namespace CommonCanvas.Training.Tests;

public class LatentDatasetTests
{
    [Fact]
    public void Every_epoch_shows_each_training_sample_once_and_no_held_out_one()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 23);
        using var data = new LatentDataset(folder.Path, 32, seed: 3, heldOut: 0.2);
        Assert.Equal((19, 4), (data.TrainingCount, data.HeldOutCount));
        var epochs = Enumerable.Range(0, 3).Select(e => Ids(data, e * 19L, 19)).ToList();
        foreach (var epoch in epochs) Assert.Equal(19, epoch.Distinct().Count());
        Assert.NotEqual(epochs[0], epochs[1]);
        Assert.Equal(epochs[0].Order(), epochs[1].Order());
        var heldOut = data.NewBatch(4);
        data.FillHeldOut(heldOut, 0, 4);
        Assert.Empty(Enumerable.Range(0, 4).Select(b => (int)heldOut.LatentOf(b)[0]).Intersect(epochs[0]));
        using var other = new LatentDataset(folder.Path, 32, seed: 4, heldOut: 0.2);
        Assert.NotEqual(epochs[0], Ids(other, 0, 19));
        Assert.Equal(epochs[0].Order(), Ids(other, 0, 19).Order());
    }

    [Fact]
    public void Any_place_of_the_stream_can_be_resumed_at()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 10);
        using var data = new LatentDataset(folder.Path, 32, seed: 1);
        int[] whole = Ids(data, 0, 35);
        using var again = new LatentDataset(folder.Path, 32, seed: 1);
        Assert.Equal(whole[17..], Ids(again, 17, 18));
    }

    [Fact]
    public void Latents_come_as_NHWC()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 1);
        using var reader = new MdsReader(folder.Path);
        byte[] stored = reader.Read(0).Bytes("latents_32").ToArray();
        using var data = new LatentDataset(folder.Path, 32, seed: 1);
        var batch = data.NewBatch(1);
        data.Fill(batch, 0);
        for (int c = 0; c < 4; c++)
            for (int p = 0; p < 16; p++) Assert.Equal((float)BitConverter.ToHalf(stored, (c * 16 + p) * 2), batch.Latents[p * 4 + c]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Order_and_bits_do_not_depend_on_where_shards_are_held(bool moments)
    {
        using TempFolder plain = new(), packed = new(), disk = new();
        TinyModels.WriteCache(plain.Path, 23, moments);
        TinyModels.WriteCache(packed.Path, 23, moments, compression: "zstd");
        var notes = new List<string>();
        var spooled = LatentDataset.Reading with { CacheBytes = 0, SpoolFolder = disk.Path, Note = notes.Add };
        using var expected = new LatentDataset(plain.Path, 32, seed: 3, heldOut: 0.2);
        var want = expected.NewBatch(5);
        foreach (var reading in new[] { LatentDataset.Reading, spooled, spooled with { SpoolBytes = 5000 }, spooled with { SpoolBytes = 0 } })
        {
            using var data = new LatentDataset(packed.Path, 32, seed: 3, heldOut: 0.2, reading);
            var have = data.NewBatch(5);
            // Two epochs, then a place within the first: a resumed run.
            foreach (long at in Enumerable.Range(0, 8).Select(i => 5L * i).Append(13))
            {
                expected.Fill(want, at);
                data.Fill(have, at);
                Assert.Equal(want.Latents, have.Latents);
                Assert.Equal(want.Text, have.Text);
            }
            expected.FillHeldOut(want, 0, 5);
            data.FillHeldOut(have, 0, 5);
            Assert.Equal(want.Latents, have.Latents);
        }
        Assert.Equal(2, notes.Count);
        Assert.Empty(Directory.GetFileSystemEntries(disk.Path));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("zstd")]
    public void Every_half_becomes_the_float_that_it_is(string? compression)
    {
        using var folder = new TempFolder();
        const int Pixels = 64, Width = 1024 * 16, Samples = 5;
        var latents = new byte[Samples][];
        var texts = new byte[Samples][];
        Dictionary<string, string> columns = new() { ["latents_64"] = "bytes", ["caption_latents"] = "bytes", ["caption"] = "str" };
        using (var writer = MdsWriter.Create(folder.Path, columns, new MdsWriterOptions { Compression = compression, SizeLimit = 6 << 20 }))
        {
            for (int i = 0; i < Samples; i++)
            {
                latents[i] = Numbers(4 * Pixels, i * 1021);
                texts[i] = Numbers(77 * Width, i * 4093);
                writer.Write(new Dictionary<string, object> { ["latents_64"] = latents[i], ["caption_latents"] = texts[i], ["caption"] = new string('x', i % 3) });
            }
            writer.Finish();
        }
        using var data = new LatentDataset(folder.Path, 64, seed: 1);
        var batch = data.NewBatch(1);
        var seen = new HashSet<int>();
        for (int at = 0; at < Samples; at++)
        {
            data.Fill(batch, at);
            int i = Enumerable.Range(0, Samples).Single(s => Bits((float)BitConverter.ToHalf(latents[s], 0)) == Bits(batch.Latents[0]));
            seen.Add(i);
            for (int n = 0; n < 4 * Pixels; n++) Assert.Equal(Bits((float)BitConverter.ToHalf(latents[i], 2 * n)), Bits(batch.Latents[n % Pixels * 4 + n / Pixels]));
            for (int n = 0; n < 77 * Width; n++)
                if (Bits((float)BitConverter.ToHalf(texts[i], 2 * n)) != Bits(batch.Text[n])) Assert.Fail($"{BitConverter.ToUInt16(texts[i], 2 * n):X4} became {Bits(batch.Text[n]):X8}");
        }
        Assert.Equal(Samples, seen.Count);

        static uint Bits(float value) => BitConverter.SingleToUInt32Bits(value);

        // Consecutive bit patterns, round and round: zeros of both signs and subnormals among them. Infinities and NaNs are refused; numbers below 2 stand for them.
        static byte[] Numbers(int count, int first)
        {
            var bytes = new byte[2 * count];
            for (int i = 0; i < count; i++) BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (ushort)(((first + i) & 0x7C00) == 0x7C00 ? (first + i) & ~0x4000 : first + i));
            return bytes;
        }
    }

    [Fact]
    public void A_cache_of_another_model_names_each_difference()
    {
        var cache = TinyModels.Fingerprint();
        cache.RequireMatch(cache with { Moments = true, Seed = 9 }, "cache");
        string message = Assert.Throws<InvalidDataException>(() => cache.RequireMatch(cache with { Autoencoder = "b", Scale = 0.13 }, "cache")).Message;
        Assert.Contains("autoencoder: cache a, model b", message);
        Assert.Contains("scale: cache 0.18215, model 0.13", message);
        Assert.DoesNotContain("tokenizer", message);
        Assert.Equal(cache, CacheFingerprint.FromJson(cache.ToJson(), "x"));
        var broken = cache.ToJson();
        broken["resolution"] = "many";
        Assert.Contains("resolution", Assert.Throws<InvalidDataException>(() => CacheFingerprint.FromJson(broken, "x")).Message);
    }

    [Fact]
    public void A_wrong_resolution_and_a_missing_empty_caption_are_errors()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 3, emptyCaption: false);
        Assert.Contains("made at resolution 32, not 64", Assert.Throws<InvalidDataException>(() => new LatentDataset(folder.Path, 64, 1)).Message);
        using var data = new LatentDataset(folder.Path, 32, 1);
        Assert.Contains("caption_dropout", Assert.Throws<InvalidDataException>(() => data.EmptyText.Length).Message);
    }

    [Fact]
    public void A_cache_of_mosaicml_is_read_by_its_conventions()
    {
        using var folder = new TempFolder();
        using (var writer = MdsWriter.Create(folder.Path, [new("latents_32", "bytes"), new("caption_latents", "bytes")]))
        {
            writer.Write(new Dictionary<string, object> { ["latents_32"] = Array.Empty<byte>(), ["caption_latents"] = TinyModels.Halves(new float[77 * 8]) });
            writer.Write(new Dictionary<string, object> { ["latents_32"] = TinyModels.Halves(new float[4 * 4 * 4]), ["caption_latents"] = TinyModels.Halves(new float[77 * 8]) });
            writer.Finish();
        }
        using var data = new LatentDataset(folder.Path, 32, seed: 1);
        Assert.Equal((4, 4, 77, 8, false), (data.LatentChannels, data.LatentHeight, data.TextTokens, data.TextWidth, data.HoldsMoments));
        Assert.Null(data.Fingerprint);
        // The sample that was too small at this resolution is passed over.
        data.Fill(data.NewBatch(5), 0);
    }

    [Fact, Trait("Category", "Fuzz")]
    public void Damaged_caches_are_refused_or_read()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 3);
        string[] names = ["index.json", LatentDataset.EmptyCaptionFile, "shard.00000.mds"];
        byte[][] originals = [.. names.Select(n => File.ReadAllBytes(folder[n]))];
        Mutator.Run(originals, 300, (bytes, which) =>
        {
            for (int i = 0; i < names.Length; i++) File.WriteAllBytes(folder[names[i]], i == which ? bytes : originals[i]);
            using var data = new LatentDataset(folder.Path, 32, seed: 1, heldOut: 0.34);
            data.Fill(data.NewBatch(2), 0);
        }, e => e is InvalidDataException or NotSupportedException && e.Message.Length > 0);
    }

    [Fact]
    public void A_number_that_is_not_finite_names_its_sample()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 5, notFinite: 3);
        using var data = new LatentDataset(folder.Path, 32, seed: 1);
        string message = Assert.Throws<InvalidDataException>(() => data.Fill(data.NewBatch(5), 0)).Message;
        Assert.Contains($"{folder.Path}, sample 3, column latents_32: holds NaN", message, StringComparison.Ordinal);
        Assert.Contains("precompute again", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_batch_that_is_too_large_says_how_large_it_may_be()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 1);
        using var data = new LatentDataset(folder.Path, 32, seed: 1);
        Assert.Contains($"at most {Array.MaxLength / 64}", Assert.Throws<ArgumentException>(() => data.NewBatch(100_000_000)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Attribution_lists_what_was_seen()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 6);
        using var data = new LatentDataset(folder.Path, 32, seed: 1);
        var counts = Attribution.Write(folder["ATTRIBUTION.csv"], data.Attributions(100));
        Assert.Equal([new("CC-BY-4.0", 3L), new("CC0-1.0", 3L)], counts);
        string[] lines = File.ReadAllLines(folder["ATTRIBUTION.csv"]);
        Assert.Equal(7, lines.Length);
        Assert.Equal("0001.png,CC-BY-4.0,author 1", lines[2]);
        int[] first = Ids(data, 0, 2);
        Assert.Equal(first.Order().Select(i => $"{i:D4}.png"), data.Attributions(2).Select(a => a.Key));
    }

    [Fact]
    public void Attribution_quotes_fields_and_disarms_formulas()
    {
        using var folder = new TempFolder();
        Attribution.Write(folder["a.csv"], [new Attribution("=cmd()", "", "Jo \"J\" Doe, \nLeeds")]);
        Assert.Equal("key,licence,attribution\r\n'=cmd(),,\"Jo \"\"J\"\" Doe, \nLeeds\"\r\n", File.ReadAllText(folder["a.csv"]));
    }

    static int[] Ids(LatentDataset data, long position, int count)
    {
        var batch = data.NewBatch(count);
        data.Fill(batch, position);
        return [.. Enumerable.Range(0, count).Select(b => (int)batch.LatentOf(b)[0])];
    }
}
