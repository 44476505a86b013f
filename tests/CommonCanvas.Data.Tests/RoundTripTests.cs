using System.Formats.Tar;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;

namespace CommonCanvas.Data.Tests;

/// <summary>What is written comes back, for any content: shards, tables, archives, paths.</summary>
public sealed class RoundTripTests
{
    /// <summary>Text without halves of surrogate pairs, which UTF-8 does not have.</summary>
    static readonly Gen<string> Text = Gen.String.Select(s => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(s)));

    [Fact]
    public void Shards()
    {
        Gen<Dictionary<string, object>> rows = Gen.Select(Text, Gen.Byte.Array[0, 200], Gen.Long, Gen.Double, Gen.Select(Gen.Int[1, 4], Gen.Int[1, 5]), Text, Gen.SByte)
            .Select((key, bytes, n, real, shape, json, small) => new Dictionary<string, object>
            {
                ["key"] = key, ["bytes"] = (ReadOnlyMemory<byte>)bytes, ["n"] = n, ["real"] = real, ["small"] = small,
                ["array"] = new NdArray("int16", [shape.Item1, shape.Item2], new byte[shape.Item1 * shape.Item2 * 2]), ["json"] = new JsonObject { [json] = json },
            });
        var columns = new Dictionary<string, string> { ["key"] = "str", ["bytes"] = "bytes", ["n"] = "int64", ["real"] = "float64", ["small"] = "int8", ["array"] = "ndarray", ["json"] = "json" };
        Gen.Select(rows.Array[0, 12], Gen.Int[1, 3000], Gen.Bool).Sample((all, limit, zip) =>
        {
            using var temp = new TempFolder();
            using (MdsWriter writer = MdsWriter.Create(temp.Path, columns, new MdsWriterOptions { SizeLimit = limit, Compression = zip ? "zstd" : null, Hashes = ["xxh3_64"] }))
            {
                foreach (Dictionary<string, object> row in all) writer.Write(row);
                writer.Finish();
            }
            using var reader = new MdsReader(temp.Path);
            Assert.Equal(all.Length, reader.Count);
            for (int i = 0; i < all.Length; i++) MdsRows.AssertEqual(all[i], reader.Read(i));
        }, iter: 60);
    }

    [Fact]
    public void Tables() => Text.Array[1, 5].Array[1, 6].Sample(rows =>
    {
        // A table has rows of one length; a carriage return survives only inside quotes.
        string csv = string.Join("\r\n", rows.Select(r => string.Join(',', r.Select(f => $"\"{f.Replace("\"", "\"\"", StringComparison.Ordinal)}\""))));
        var reader = new CsvReader("table.csv", new StringReader(csv));
        foreach (string[] row in rows) Assert.Equal(row, reader.Next());
        Assert.Null(reader.Next());
    }, iter: 300);

    [Fact]
    public void Archives() => Gen.Select(Gen.Char["abcdefghij-_ é画"].Array[1, 260], Gen.Byte.Array[0, 1500]).Array[1, 5].Sample(files =>
    {
        using var temp = new TempFolder();
        using (var writer = new TarWriter(File.Create(temp["a.tar"]), TarEntryFormat.Pax))
            for (int i = 0; i < files.Length; i++)
                writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"{i}{new string(files[i].Item1)}.png") { DataStream = new MemoryStream(files[i].Item2) });
        PictureSample[] samples = [.. PictureSource.Open(temp["a.tar"]).Read()];
        Assert.Equal(files.Select((f, i) => $"a.tar/{i}{new string(f.Item1)}"), samples.Select(s => s.Key));
        for (int i = 0; i < files.Length; i++) Assert.Equal(files[i].Item2, samples[i].ReadBytes());
    }, iter: 60);

    [Fact]
    public void NoPathLeadsOut() => Gen.OneOf(Gen.String, Gen.Char["./\\ab:"].Array[0, 12].Select(c => new string(c))).Sample(path =>
    {
        if (!SafePath.IsInside(path)) return;
        string full = Path.GetFullPath(Path.Combine("/data/folder", path));
        Assert.StartsWith("/data/folder", full, StringComparison.Ordinal);
    }, iter: 2000);

    [Fact]
    public void AnyPathHasACaptionOrNone() => Gen.String.Sample(path => PathCaption.From(path) is not "", iter: 2000);
}
