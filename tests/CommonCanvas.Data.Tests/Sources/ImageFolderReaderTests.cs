using System.Text;
using SkiaSharp;

namespace CommonCanvas.Data.Tests;

public sealed class ImageFolderReaderTests
{
    static readonly byte[] Png = TestPictures.Encoded(SKEncodedImageFormat.Png);

    [Fact]
    public void CaptionsComeFromMetadataThenTextThenPath()
    {
        using TempFolder temp = Made("a/one.png", "a/two.png", "a/b/three.png", "four_leaves.PNG", "a/.hidden.png");
        Write(temp, "a/metadata.jsonl", """
            {"file_name": "one.png", "text": "a first", "license": "http://creativecommons.org/licenses/by/2.0/", "author": "Ann", "title": "One"}

            {"file_name": "./b/three.png", "caption": "a third", "attribution": "B. Three", "width": 40}
            """);
        Write(temp, "a/two.txt", "  a second\n");
        Write(temp, "notes.txt", "no picture");
        IPictureSource source = PictureSource.Open(temp.Path, "CC0-1.0");
        string[] read = [.. source.Read().Select(s => $"{s.Key}|{s.Caption}|{s.Licence}|{s.Attribution}")];
        Assert.Equal(
        [
            "four_leaves.PNG|four leaves|CC0-1.0|",
            "a/one.png|a first|http://creativecommons.org/licenses/by/2.0/|\"One\" by Ann",
            "a/two.png|a second|CC0-1.0|",
            "a/b/three.png|a third|CC0-1.0|B. Three",
        ], read);
        Assert.Equal(4, source.Count());
        for (int i = 0; i <= 4; i++) Assert.Equal(read[i..], source.Read(i).Select(s => $"{s.Key}|{s.Caption}|{s.Licence}|{s.Attribution}"));
        Assert.Equal(Png, source.Read(2).First().ReadBytes());
    }

    [Fact]
    public void CsvMetadataIsRead()
    {
        using TempFolder temp = Made("x.png", "y.png");
        Write(temp, "metadata.csv", "\uFEFFfile_name,text,licence\r\nx.png,\"a \"\"quoted\"\", long\r\ncaption\",CC-BY-4.0\r\ny.png,,\r\n");
        PictureSample[] samples = [.. PictureSource.Open(temp.Path).Read()];
        Assert.Equal("a \"quoted\", long\r\ncaption", samples[0].Caption);
        Assert.Equal("CC-BY-4.0", samples[0].Licence);
        Assert.Equal("", samples[1].Caption);
        Assert.Null(samples[1].Licence);
        Assert.Equal(SkipReason.NoCaption, Assert.Throws<PictureException>(() => new PictureLoader(8).Load(samples[1], new float[8 * 8 * 3])).Reason);
    }

    [Fact]
    public void NamesThatLeadOutAreRefused()
    {
        using TempFolder outside = Made("secret.png"), temp = Made("in.png");
        Write(outside, "secret.txt", "a secret");
        Write(temp, "metadata.jsonl", $$"""
            {"file_name": "../secret.png", "text": "x"}
            {"file_name": "{{outside["secret.png"]}}", "text": "x"}
            {"file_name": "a\\..\\secret.png", "text": "x"}
            """);
        File.CreateSymbolicLink(temp["link.png"], outside["secret.png"]);
        File.CreateSymbolicLink(temp["inner.png"], "in.png");
        File.CreateSymbolicLink(temp["in.txt"], outside["secret.txt"]);
        Directory.CreateSymbolicLink(temp["folder"], outside.Path);
        Directory.CreateSymbolicLink(temp["loop"], temp.Path);
        Dictionary<string, PictureSample> samples = PictureSource.Open(temp.Path).Read().ToDictionary(s => s.Key);
        Assert.Equal(6, samples.Count);
        foreach (string key in new[] { "../secret.png", outside["secret.png"], "a\\..\\secret.png", "link.png" })
        {
            Assert.Equal(SkipReason.UnsafePath, samples[key].Refusal?.Reason);
            Assert.Throws<PictureException>(() => samples[key].ReadBytes());
        }
        Assert.NotNull(samples["in.png"].Refusal);
        Assert.Equal(Png, samples["inner.png"].ReadBytes());
    }

    [Theory]
    [InlineData("metadata.jsonl", "{\"file_name\": \"x.png\"}\n{\"file_name\": \n", "line 2")]
    [InlineData("metadata.jsonl", "{\"text\": \"x\"}", "file_name")]
    [InlineData("metadata.jsonl", "{\"file_name\": \"x.png\"}\n{\"file_name\": \"x.png\"}", "twice")]
    [InlineData("metadata.jsonl", "[1]", "line 1")]
    [InlineData("metadata.csv", "file_name,text\nx.png", "line 2")]
    [InlineData("metadata.csv", "file_name,text\nx.png,\"open", "not closed")]
    [InlineData("metadata.csv", "name,text\nx.png,y", "file_name")]
    public void DamagedMetadataNamesFileAndLine(string name, string text, string says)
    {
        using TempFolder temp = Made("x.png");
        Write(temp, name, text);
        var error = Assert.Throws<InvalidDataException>(() => PictureSource.Open(temp.Path).Count());
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LongLinesAndManyLinesAreRead()
    {
        using TempFolder temp = Made("last.png");
        Write(temp, "metadata.jsonl", string.Join('\n', Enumerable.Range(0, 5000).Select(i => $$"""{"file_name": "{{i}}.png", "text": "{{new string('x', i % 97)}}"}""")
            .Append($$"""{"file_name": "long.png", "text": "{{new string('y', 200_000)}}"}""").Append("""{"file_name": "last.png", "text": "the last"}""")));
        PictureSample[] samples = [.. PictureSource.Open(temp.Path).Read()];
        Assert.Equal("the last", samples[0].Caption);
        // What the metadata lists and nobody has is not passed over in silence.
        Assert.Equal(5002, samples.Length);
        Assert.All(samples.Skip(1), s => Assert.Equal(SkipReason.NoPicture, s.Refusal!.Reason));
    }

    [Fact, Trait("Category", "Fuzz")]
    public void DamagedMetadataNeverCrashes()
    {
        using TempFolder temp = Made("x.png", "d/y.png");
        (string Name, string Text)[] files =
        [
            ("metadata.jsonl", "{\"file_name\": \"x.png\", \"text\": \"a \\u00e9 caption\", \"n\": 3}\n{\"file_name\": \"d/y.png\", \"caption\": \"b\", \"licence\": \"CC0\"}\n"),
            ("metadata.csv", "file_name,text,license\nx.png,\"a, \"\"b\"\"\",CC0\nd/y.png,\"c\nd\",\n"),
        ];
        byte[][] originals = [.. files.Select(f => Encoding.UTF8.GetBytes(f.Text))];
        Mutator.Run(originals, 600, (bytes, which) =>
        {
            File.Delete(temp[files[1 - which].Name]);
            File.WriteAllBytes(temp[files[which].Name], bytes);
            foreach (PictureSample sample in PictureSource.Open(temp.Path).Read())
            {
                // Whatever the metadata says, only the two files that are there are ever read.
                Assert.True(sample.Refusal is not null || sample.Key is "x.png" or "d/y.png");
            }
        }, e => e is InvalidDataException && e.Message.Contains("metadata.", StringComparison.Ordinal));
    }

    static TempFolder Made(params string[] pictures)
    {
        var temp = new TempFolder();
        foreach (string name in pictures)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(temp[name])!);
            File.WriteAllBytes(temp[name], Png);
        }
        return temp;
    }

    static void Write(TempFolder temp, string name, string text) => File.WriteAllText(temp[name], text);
}
