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
        Assert.Contains("no picture can be used", Assert.ThrowsAny<Exception>(() => Fill(broken, 0, 1)).ToString());
    }
}
