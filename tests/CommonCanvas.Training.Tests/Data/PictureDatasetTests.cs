using CommonCanvas.Data;

namespace CommonCanvas.Training.Tests;

public sealed class PictureDatasetTests : IDisposable
{
    readonly TempFolder folder = new();

    public PictureDatasetTests() => TinyPictures.Write(folder["pictures"], 20);

    public void Dispose() => folder.Dispose();

    PictureDataset Open(int threads = 1, bool flip = false, SkipLog? log = null) =>
        new(PictureSource.Open(folder["pictures"], "CC0-1.0"), new PictureLoader(TinyPictures.Resolution), seed: 4, heldOut: 0.2, flip, log, threads);

    static float[] Fill(PictureDataset data, long position, int count)
    {
        var batch = data.NewBatch(count);
        data.Fill(batch, position);
        return batch.Pixels;
    }

    [Fact]
    public void A_batch_depends_on_its_place_alone()
    {
        float[] whole = Fill(Open(), 0, 40);
        int size = whole.Length / 40;
        Assert.Equal(whole, Fill(Open(threads: 4), 0, 40));
        Assert.Equal(whole[(23 * size)..(30 * size)], Fill(Open(), 23, 7));
    }

    [Fact]
    public void What_cannot_be_used_is_noted_once_and_replaced()
    {
        using var log = SkipLog.Open(folder["run"]);
        var data = Open(log: log);
        Fill(data, 0, 60);
        var held = data.NewBatch(data.HeldOutCount);
        data.FillHeldOut(held, 0, data.HeldOutCount);
        Assert.Equal(2, log.Total);
        Assert.All(held.Pixels, value => Assert.InRange(value, -1f, 1f));
        Assert.DoesNotContain(data.Attributions(1000), a => a.Key is "006.png" or "013.png");
    }

    [Fact]
    public void Neighbours_that_cannot_be_used_are_replaced_by_different_pictures()
    {
        for (int i = 5; i < 12; i++) File.WriteAllText(folder["pictures", $"{i:D3}.png"], "no");
        var data = Open();
        var batch = data.NewBatch(data.TrainingCount);
        data.Fill(batch, 0);
        var uses = batch.Pixels.Chunk(batch.PictureSize).GroupBy(p => p[0] + 256 * p[100] + 65536 * p[400]).Select(g => g.Count());
        Assert.All(uses, n => Assert.InRange(n, 1, 3));
    }

    [Fact]
    public void The_attribution_names_exactly_what_was_used()
    {
        for (int i = 4; i < 9; i++) File.WriteAllText(folder["pictures", $"{i:D3}.png"], "no");
        var data = Open();
        Fill(data, 0, 10);
        var used = data.Attributions(10).Select(a => a.Key).ToArray();
        Assert.Equal(used.Distinct().Order(StringComparer.Ordinal), used);
        float[] pixels = Fill(data, 0, 10);
        var loader = new PictureLoader(TinyPictures.Resolution);
        var byKey = PictureSource.Open(folder["pictures"], "CC0-1.0").Read().Where(s => used.Contains(s.Key)).Select(s =>
        {
            var crop = new float[pixels.Length / 10];
            loader.Load(s, crop);
            return crop;
        }).ToArray();
        Assert.All(pixels.Chunk(pixels.Length / 10), p => Assert.Contains(byKey, crop => crop.AsSpan().SequenceEqual(p)));
    }

    [Fact]
    public void A_resumed_run_knows_what_was_skipped_before()
    {
        File.WriteAllText(folder["pictures", "005.png"], "no");
        File.WriteAllText(folder["pictures", "007.png"], "no");
        using (var log = SkipLog.Open(folder["run"])) Fill(Open(log: log), 0, 60);
        using var again = SkipLog.Open(folder["run"], long.MaxValue);
        long before = again.Total;
        var data = Open(log: again);
        Assert.True(before > 0);
        Assert.DoesNotContain(data.Attributions(1000), a => a.Key is "005.png" or "007.png");
        Fill(data, 0, 60);
        Assert.Equal(before, again.Total);
    }

    [Fact]
    public void A_kept_crop_has_the_bits_of_a_decoded_one()
    {
        var data = Open();
        float[] decoded = Fill(data, 0, 40);
        foreach (string file in Directory.GetFiles(folder["pictures"], "*.png")) File.Delete(file);
        Assert.Equal(decoded, Fill(data, 0, 40));
    }

    [Fact]
    public void Half_of_the_pictures_are_mirrored_where_asked_for()
    {
        float[] plain = Fill(Open(), 0, 16), flipped = Fill(Open(flip: true), 0, 16);
        const int side = TinyPictures.Resolution;
        int size = plain.Length / 16, mirrored = 0;
        for (int b = 0; b < 16; b++)
        {
            var one = plain.AsSpan(b * size, size);
            var other = flipped.AsSpan(b * size, size);
            if (one.SequenceEqual(other)) continue;
            mirrored++;
            for (int p = 0; p < side * side; p++)
                for (int c = 0; c < 3; c++) Assert.Equal(one[p * 3 + c], other[(p / side * side + side - 1 - p % side) * 3 + c]);
        }
        Assert.InRange(mirrored, 3, 13);
    }

    [Fact]
    public void A_folder_without_a_usable_picture_is_an_error()
    {
        Directory.CreateDirectory(folder["empty"]);
        Assert.Throws<InvalidDataException>(() => new PictureDataset(new ImageFolderReader(folder["empty"]), new PictureLoader(16), 1));
        Directory.CreateDirectory(folder["broken"]);
        File.WriteAllText(folder["broken", "a.png"], "no");
        var broken = new PictureDataset(new ImageFolderReader(folder["broken"]), new PictureLoader(16), 1);
        Assert.Contains("no picture can be used", Assert.Throws<InvalidDataException>(() => Fill(broken, 0, 4)).Message, StringComparison.Ordinal);
    }
}
