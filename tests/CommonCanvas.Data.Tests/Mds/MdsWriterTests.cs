using System.Text;
using System.Text.Json.Nodes;

namespace CommonCanvas.Data.Tests;

public sealed class MdsWriterTests
{
    static readonly MdsWriterOptions Small = new() { SizeLimit = 6000, Hashes = ["xxh64", "sha1"], Metadata = new JsonObject { ["encoder"] = "abc" } };

    [Theory]
    [InlineData(null)]
    [InlineData("zstd")]
    [InlineData("zstd:1")]
    public void RowsComeBack(string? compression)
    {
        using var temp = new TempFolder();
        Write(temp.Path, 0, 40, Small with { Compression = compression }, finish: true);
        using var reader = new MdsReader(temp.Path, new MdsReaderOptions { OpenShards = 2, CacheBytes = 10_000 });
        Assert.Equal(40, reader.Count);
        Assert.True(reader.Shards.Count > 3);
        Assert.Equal("abc", (string?)reader.Metadata!["encoder"]);
        Parallel.For(0, 400, i => MdsRows.AssertEqual(MdsRows.Random(i * 7 % 40), reader.Read(i * 7 % 40)));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("zstd:3")]
    public void AnInterruptedRunEndsWithTheSameBytes(string? compression)
    {
        using TempFolder whole = new(), broken = new();
        MdsWriterOptions options = Small with { Compression = compression };
        Write(whole.Path, 0, 60, options, finish: true);
        var random = new Random(5);
        for (int at = 0; at < 60;)
        {
            // Each round writes some samples and is then dropped without a word, like a killed process.
            int stop = at + random.Next(1, 25);
            at = Write(broken.Path, null, Math.Min(stop, 60), options, finish: stop >= 60);
            if (stop >= 60) break;
            File.WriteAllText(broken["shard.00099.mds.tmp"], "half a shard");
        }
        AssertSameFolder(whole.Path, broken.Path);
        // Once more over a complete folder: nothing to do.
        using MdsWriter again = MdsWriter.Resume(broken.Path, MdsRows.Columns, options);
        Assert.True(again.IsComplete);
        Assert.Equal(60, again.SamplesWritten);
    }

    [Fact]
    public void AKillAtAnyByteOfTheJournalIsSurvived()
    {
        using TempFolder whole = new(), broken = new();
        Write(whole.Path, 0, 25, Small, finish: true);
        Write(broken.Path, 0, 25, Small, finish: false);
        byte[] journal = File.ReadAllBytes(broken["journal.jsonl"]);
        foreach (int length in Enumerable.Range(0, 40).Select(i => i * journal.Length / 40).Append(journal.Length - 1))
        {
            using var copy = new TempFolder();
            foreach (string file in Directory.GetFiles(broken.Path)) File.Copy(file, copy[Path.GetFileName(file)]);
            File.WriteAllBytes(copy["journal.jsonl"], journal[..length]);
            Write(copy.Path, null, 25, Small, finish: true);
            AssertSameFolder(whole.Path, copy.Path);
        }
    }

    [Fact]
    public void TheCursorIsThatOfTheLastCompleteShard()
    {
        using var temp = new TempFolder();
        using (MdsWriter writer = MdsWriter.Create(temp.Path, MdsRows.Columns, Small))
            for (int i = 0; i < 30; i++) writer.Write(MdsRows.Random(i), next: i * 10 + 1);
        using MdsWriter resumed = MdsWriter.Resume(temp.Path, MdsRows.Columns, Small);
        Assert.InRange(resumed.SamplesWritten, 1, 29);
        Assert.Equal((resumed.SamplesWritten - 1) * 10 + 1, resumed.Cursor);
    }

    [Fact]
    public void OtherSettingsAreRefusedByName()
    {
        using var temp = new TempFolder();
        Write(temp.Path, 0, 25, Small, finish: false);
        var error = Assert.Throws<InvalidDataException>(() => MdsWriter.Resume(temp.Path, MdsRows.Columns, Small with { Metadata = new JsonObject { ["encoder"] = "other" }, SizeLimit = 7000 }));
        Assert.Contains("journal.jsonl", error.Message, StringComparison.Ordinal);
        Assert.Contains("size_limit is 6000 there and 7000 now", error.Message, StringComparison.Ordinal);
        Assert.Contains("abc", error.Message, StringComparison.Ordinal);
        Assert.Throws<IOException>(() => MdsWriter.Create(temp.Path, MdsRows.Columns, Small));
    }

    [Fact]
    public void ASecondWriterIsRefusedAndTouchesNothingOfTheFirst()
    {
        using var temp = new TempFolder();
        using MdsWriter first = MdsWriter.Create(temp.Path, MdsRows.Columns, Small);
        File.WriteAllText(temp["shard.00000.mds.tmp"], "what the first is writing");
        var error = Assert.Throws<IOException>(() => MdsWriter.Resume(temp.Path, MdsRows.Columns, Small));
        Assert.Contains("another run", error.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(temp["shard.00000.mds.tmp"]));
    }

    [Fact]
    public void AMissingShardIsNamedOnResume()
    {
        using var temp = new TempFolder();
        Write(temp.Path, 0, 25, Small, finish: false);
        File.Delete(temp["shard.00001.mds"]);
        var error = Assert.Throws<InvalidDataException>(() => MdsWriter.Resume(temp.Path, MdsRows.Columns, Small));
        Assert.Contains("shard.00001.mds", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AWrongRowAddsNothing()
    {
        using var temp = new TempFolder();
        using MdsWriter writer = MdsWriter.Create(temp.Path, new Dictionary<string, string> { ["n"] = "uint8", ["s"] = "str" });
        Assert.Contains("'n'", Assert.Throws<ArgumentException>(() => writer.Write(new Dictionary<string, object> { ["n"] = 256, ["s"] = "" })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => writer.Write(new Dictionary<string, object> { ["n"] = 1 }));
        Assert.Throws<ArgumentException>(() => writer.Write(new Dictionary<string, object> { ["n"] = 1, ["s"] = "\ud800" }));
        writer.Write(new Dictionary<string, object> { ["n"] = 255, ["s"] = "ok" });
        writer.Finish();
        using var reader = new MdsReader(temp.Path);
        Assert.Equal(1, reader.Count);
        Assert.Equal(255, reader.Read(0).Integer("n"));
    }

    [Fact]
    public void AnOversizedFirstSampleFollowsAnEmptyShard()
    {
        // The reference writer does so too, and readers have to step over it.
        using var temp = new TempFolder();
        using (MdsWriter writer = MdsWriter.Create(temp.Path, new Dictionary<string, string> { ["b"] = "bytes" }, new MdsWriterOptions { SizeLimit = 500 }))
        {
            for (int i = 0; i < 3; i++) writer.Write(new Dictionary<string, object> { ["b"] = new byte[1000 + i] });
            writer.Finish();
        }
        using var reader = new MdsReader(temp.Path);
        Assert.Equal([0L, 1, 1, 1], reader.Shards.Select(s => s.Samples));
        for (int i = 0; i < 3; i++) Assert.Equal(1000 + i, reader.Read(i).Bytes("b").Length);
    }

    [Fact]
    public void AnEmptyFolderHasAnIndex()
    {
        using var temp = new TempFolder();
        Write(temp.Path, 0, 0, new MdsWriterOptions(), finish: true);
        Assert.Equal("""{"shards": [], "version": 2}""", Encoding.UTF8.GetString(File.ReadAllBytes(temp["index.json"])));
        using var reader = new MdsReader(temp.Path);
        Assert.Equal(0, reader.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read(0));
    }

    /// <summary>Writes rows up to <paramref name="stop"/>, from <paramref name="start"/> or from where the folder stands.</summary>
    static int Write(string folder, int? start, int stop, MdsWriterOptions options, bool finish)
    {
        using MdsWriter writer = start is null ? MdsWriter.Resume(folder, MdsRows.Columns, options) : MdsWriter.Create(folder, MdsRows.Columns, options);
        for (int i = (int)writer.SamplesWritten; i < stop; i++) writer.Write(MdsRows.Random(i), i + 1);
        if (finish) writer.Finish();
        return (int)writer.SamplesWritten;
    }

    static void AssertSameFolder(string expected, string actual)
    {
        string[] files = [.. Directory.GetFiles(expected).Select(f => Path.GetFileName(f)).Order()];
        Assert.Equal(files, Directory.GetFiles(actual).Select(f => Path.GetFileName(f)).Where(f => f != "shard.00099.mds.tmp").Order());
        foreach (string file in files) Assert.Equal(File.ReadAllBytes(Path.Combine(expected, file)), File.ReadAllBytes(Path.Combine(actual, file)));
    }
}
