namespace CommonCanvas.Data.Tests;

public sealed class MdsPictureReaderTests
{
    [Fact]
    public void SamplesComeFromTheUsualColumns()
    {
        using var temp = new TempFolder();
        var columns = new Dictionary<string, string> { ["jpg"] = "bytes", ["caption"] = "str", ["key"] = "str", ["licenseurl"] = "str", ["unickname"] = "str", ["width"] = "int32" };
        using (MdsWriter writer = MdsWriter.Create(temp.Path, columns, new MdsWriterOptions { SizeLimit = 400 }))
        {
            for (int i = 0; i < 9; i++)
                writer.Write(new Dictionary<string, object> { ["jpg"] = new byte[] { 1, (byte)i }, ["caption"] = $"caption {i}", ["key"] = i == 4 ? "" : $"k{i}", ["licenseurl"] = i == 5 ? "" : "https://creativecommons.org/licenses/by/4.0/", ["unickname"] = "Ann", ["width"] = i });
            writer.Finish();
        }
        IPictureSource source = PictureSource.Open(temp.Path, "CC0-1.0");
        Assert.Equal(9, source.Count());
        PictureSample[] samples = [.. source.Read(4)];
        Assert.Equal(["4", "k5", "k6", "k7", "k8"], samples.Select(s => s.Key));
        Assert.Equal("CC0-1.0", samples[1].Licence);
        Assert.Equal("https://creativecommons.org/licenses/by/4.0/", samples[2].Licence);
        Assert.Equal(("caption 8", "Ann"), (samples[4].Caption, samples[4].Attribution));
        Assert.Equal([1, 8], samples[4].ReadBytes());
    }

    [Fact]
    public void ShardsWithoutPicturesSaySo()
    {
        using var temp = new TempFolder();
        using (MdsWriter writer = MdsWriter.Create(temp.Path, new Dictionary<string, string> { ["caption"] = "str" }))
        {
            writer.Write(new Dictionary<string, object> { ["caption"] = "x" });
            writer.Finish();
        }
        Assert.Equal(SkipReason.NoPicture, PictureSource.Open(temp.Path).Read().Single().Refusal!.Reason);
    }
}
