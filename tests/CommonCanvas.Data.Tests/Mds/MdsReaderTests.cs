using System.Buffers.Binary;
using System.Text;

namespace CommonCanvas.Data.Tests;

/// <summary>Damaged and hostile folders: every one is an error that names the file, and none costs memory.</summary>
public sealed class MdsReaderTests
{
    const int Rows = 12;

    [Theory]
    [InlineData("cut")]
    [InlineData("longer")]
    [InlineData("flipped")]
    [InlineData("missing")]
    public void ADamagedShardIsNamed(string how)
    {
        using TempFolder temp = Made(null);
        string shard = temp["shard.00001.mds"];
        byte[] bytes = File.ReadAllBytes(shard);
        if (how == "cut") File.WriteAllBytes(shard, bytes[..^1]);
        if (how == "longer") File.WriteAllBytes(shard, [.. bytes, 0]);
        if (how == "missing") File.Delete(shard);
        bytes[^3] ^= 1;
        if (how == "flipped") File.WriteAllBytes(shard, bytes);
        using var reader = new MdsReader(temp.Path);
        _ = reader.Read(0);
        for (int twice = 0; twice < 2; twice++)
            Assert.Contains("shard.00001.mds", Assert.Throws<InvalidDataException>(() => reader.Read(reader.Shards[0].Samples)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(reader.VerifyAll);
    }

    [Theory]
    [InlineData(0, 0xFFFFFFFF)]
    [InlineData(4, 0xFFFFFFFF)]
    [InlineData(8, 0xFFFFFFFF)]
    [InlineData(8, 0)]
    public void FalseNumbersInTheHeadAreRefusedWithoutDigests(int at, uint value)
    {
        using TempFolder temp = Made(null);
        string shard = temp["shard.00000.mds"];
        byte[] bytes = File.ReadAllBytes(shard);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), value);
        File.WriteAllBytes(shard, bytes);
        using var reader = new MdsReader(temp.Path, new MdsReaderOptions { VerifyHashes = false });
        Assert.Contains("shard.00000.mds", Assert.Throws<InvalidDataException>(() => reader.Read(0)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"version\": 2}", "\"version\": 3}", "version")]
    [InlineData("shard.00000.mds", "../hard.00000.mds", "leads out")]
    [InlineData("\"bytes\"", "\"pkl\"", "pkl")]
    [InlineData("\"samples\": ", "\"samples\": 99999999999", "samples")]
    [InlineData("\"samples\": ", "\"samples\": -", "samples")]
    [InlineData("[{", "[{[", "JSON")]
    [InlineData("\"format\": \"mds\"", "\"format\": \"csv\"", "csv")]
    [InlineData("\"column_sizes\": [24", "\"column_sizes\": [25", "size")]
    public void AFalseIndexIsRefused(string from, string to, string says)
    {
        using TempFolder temp = Made(null);
        string index = File.ReadAllText(temp["index.json"]).Replace("[null,", "[24,", StringComparison.Ordinal);
        index = from.Contains("24", StringComparison.Ordinal) ? index : File.ReadAllText(temp["index.json"]);
        File.WriteAllText(temp["index.json"], index.Replace(from, to, StringComparison.Ordinal));
        var error = Assert.Throws<InvalidDataException>(() => new MdsReader(temp.Path).Dispose());
        Assert.Contains("index.json", error.Message, StringComparison.Ordinal);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ABombUnpacksNoFurtherThanTheIndexSays()
    {
        using TempFolder temp = Made("zstd");
        string index = File.ReadAllText(temp["index.json"]);
        using (var reader = new MdsReader(temp.Path))
        {
            byte[] bomb = MdsCompression.Compress(new byte[200_000_000], 3);
            File.WriteAllBytes(temp["shard.00000.mds.zstd"], bomb);
            index = index.Replace($"\"bytes\": {reader.Shards[0].Zip!.Bytes}", $"\"bytes\": {bomb.Length}", StringComparison.Ordinal);
            File.WriteAllText(temp["index.json"], index);
        }
        long before = GC.GetTotalAllocatedBytes();
        using var hostile = new MdsReader(temp.Path, new MdsReaderOptions { VerifyHashes = false });
        var error = Assert.Throws<InvalidDataException>(() => hostile.Read(0));
        Assert.Contains("shard.00000.mds.zstd", error.Message, StringComparison.Ordinal);
        Assert.True(GC.GetTotalAllocatedBytes() - before < 50_000_000);
    }

    [Fact]
    public void AMissingIndexSaysSo()
    {
        using var temp = new TempFolder();
        Assert.Contains("index.json", Assert.Throws<InvalidDataException>(() => new MdsReader(temp.Path).Dispose()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TextInJsonIsChecked()
    {
        var json = MdsEncoding.Parse("json");
        foreach (byte[] bytes in new byte[][] { [.. "{\"a\": 1"u8], [.. "{\""u8, 0xE3, .. "\": 1}"u8], [.. "[\""u8, 0xFF, .. "\"]"u8], [.. "{\"\\ud800\": 1}"u8] })
            Assert.Throws<FormatException>(() => json.Decode(bytes));
        Assert.Equal(DBNull.Value, json.Decode("null"u8.ToArray()));
    }

    [Fact]
    public void EncodingsAreChecked()
    {
        foreach (string bad in new[] { "pkl", "ndarray:float8", "ndarray:uint8:0", "ndarray:uint8:99999,99999,99999", "int128", "", "str:3", "ndarray:uint8:1:1" })
            Assert.Throws<FormatException>(() => MdsEncoding.Parse(bad));
        Assert.Equal(24, MdsEncoding.Parse("ndarray:float16:4,3").FixedSize);
    }

    [Fact, Trait("Category", "Fuzz")]
    public void DamagedShardsAreRefusedOrReadRight()
    {
        // With digests every byte of a shard is covered: a damaged one is refused, an undamaged one reads right.
        foreach ((string? compression, bool spooled) in new[] { (null, false), ("zstd", false), ("zstd", true) })
        {
            using TempFolder temp = Made(compression), disk = new();
            MdsReaderOptions options = spooled ? new() { CacheBytes = 0, SpoolBytes = 1 << 20, SpoolFolder = disk.Path } : new();
            string shard = Directory.GetFiles(temp.Path, "shard.00000*")[0];
            byte[] original = File.ReadAllBytes(shard);
            Mutator.Run([original], 300, (bytes, _) =>
            {
                File.WriteAllBytes(shard, bytes);
                using var reader = new MdsReader(temp.Path, options);
                for (int i = 0; i < Rows; i++) MdsRows.AssertEqual(MdsRows.Random(i), reader.Read(i));
            }, e => IsNamed(e, "shard.00000"));
        }
    }

    [Fact, Trait("Category", "Fuzz")]
    public void DamagedShardsWithoutDigestsNeverCrash()
    {
        foreach (string? compression in new[] { null, "zstd" })
        {
            using TempFolder temp = Made(compression);
            string shard = Directory.GetFiles(temp.Path, "shard.00000*")[0];
            string index = File.ReadAllText(temp["index.json"]);
            byte[] original = File.ReadAllBytes(shard);
            Mutator.Run([original], 300, (bytes, _) =>
            {
                File.WriteAllBytes(shard, bytes);
                File.WriteAllText(temp["index.json"], index.Replace($"\"bytes\": {original.Length},", $"\"bytes\": {bytes.Length},", StringComparison.Ordinal));
                ReadAll(temp.Path);
            }, e => IsNamed(e, "shard.00000") || IsNamed(e, "index.json"));
        }
    }

    [Fact, Trait("Category", "Fuzz")]
    public void DamagedIndexesNeverCrash()
    {
        using TempFolder temp = Made(null);
        Mutator.Run([File.ReadAllBytes(temp["index.json"])], 500, (bytes, _) =>
        {
            File.WriteAllBytes(temp["index.json"], bytes);
            ReadAll(temp.Path);
        }, e => IsNamed(e, "index.json") || IsNamed(e, "shard.") || IsNamed(e, temp.Path));
    }

    [Fact, Trait("Category", "Fuzz")]
    public void DamagedJournalsNeverCrash()
    {
        using TempFolder temp = new();
        var options = new MdsWriterOptions { SizeLimit = 6000 };
        using (MdsWriter writer = MdsWriter.Create(temp.Path, MdsRows.Columns, options))
            for (int i = 0; i < Rows; i++) writer.Write(MdsRows.Random(i), i);
        byte[] original = File.ReadAllBytes(temp["journal.jsonl"]);
        Mutator.Run([original], 200, (bytes, _) =>
        {
            File.WriteAllBytes(temp["journal.jsonl"], bytes);
            MdsWriter.Resume(temp.Path, MdsRows.Columns, options).Dispose();
        }, e => IsNamed(e, "journal.jsonl") || IsNamed(e, "shard.") || IsNamed(e, temp.Path));
    }

    static TempFolder Made(string? compression)
    {
        var temp = new TempFolder();
        using MdsWriter writer = MdsWriter.Create(temp.Path, MdsRows.Columns, new MdsWriterOptions { SizeLimit = 6000, Compression = compression });
        for (int i = 0; i < Rows; i++) writer.Write(MdsRows.Random(i));
        writer.Finish();
        return temp;
    }

    static void ReadAll(string folder)
    {
        using var reader = new MdsReader(folder, new MdsReaderOptions { VerifyHashes = false });
        for (int i = 0; i < Math.Min(reader.Count, 100); i++)
        {
            MdsSample sample = reader.Read(i);
            foreach (MdsColumn column in sample.Columns) _ = MdsRows.Shown(sample.Value(column.Name));
        }
    }

    static bool IsNamed(Exception e, string file) => e is InvalidDataException && e.Message.Contains(file, StringComparison.Ordinal);
}
