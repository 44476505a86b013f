namespace CommonCanvas.Data.Tests;

/// <summary>Folders written by mosaicml-streaming: read to their rows, and written again byte for byte.</summary>
[Trait("Category", "Golden")]
public sealed class MdsGoldenTests
{
    /// <summary>The full folder, or the part of it that the repository carries.</summary>
    static readonly string Top = Path.Combine(Golden.Folder ?? Golden.Carried, "mds");

    public static TheoryData<string> Folders => [.. Directory.Exists(Top) ? Directory.GetDirectories(Top).Select(f => Path.GetFileName(f)).Order() : Enumerable.Empty<string>()];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Folders))]
    public void ReadsTheRows(string name)
    {
        string folder = Path.Combine(Top, name);
        using var reader = new MdsReader(folder);
        List<Dictionary<string, object>> rows = Rows(folder, reader);
        Assert.Equal(rows.Count, reader.Count);
        for (int i = 0; i < rows.Count; i++) MdsRows.AssertEqual(rows[i], reader.Read(i));
        reader.VerifyAll();
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Folders))]
    public void WritesTheSameBytes(string name)
    {
        string folder = Path.Combine(Top, name);
        using var reader = new MdsReader(folder);
        MdsShardInfo first = reader.Shards[0];
        using var temp = new TempFolder();
        using (MdsWriter writer = MdsWriter.Create(temp.Path, first.Columns.Select(c => KeyValuePair.Create(c.Name, c.Encoding.Text)),
            new MdsWriterOptions { SizeLimit = first.SizeLimit!.Value, Compression = first.Compression, Hashes = first.Hashes }))
        {
            foreach (Dictionary<string, object> row in Rows(folder, reader)) writer.Write(row);
            writer.Finish();
        }
        string[] files = [.. Directory.GetFiles(folder).Select(f => Path.GetFileName(f)).Order()];
        Assert.Equal(files, Directory.GetFiles(temp.Path).Select(f => Path.GetFileName(f)).Order());
        foreach (string file in files)
            Assert.True(File.ReadAllBytes(Path.Combine(folder, file)).AsSpan().SequenceEqual(File.ReadAllBytes(temp[file])), $"{file} differs");
    }

    /// <summary>A list does not tell its element type, so that one is taken from the stored array; the values are not.</summary>
    static List<Dictionary<string, object>> Rows(string folder, MdsReader reader) =>
        MdsRows.Golden(folder + ".rows.json", reader.Shards[0].Columns, (column, i) => reader.Read(i).Array(column).DType);
}
