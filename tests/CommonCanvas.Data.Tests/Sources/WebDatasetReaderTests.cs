using System.Formats.Tar;
using System.Text;
using SkiaSharp;

namespace CommonCanvas.Data.Tests;

public sealed class WebDatasetReaderTests
{
    static readonly byte[] Png = TestPictures.Encoded(SKEncodedImageFormat.Png);

    [Theory]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    [InlineData(TarEntryFormat.V7)]
    public void SamplesAreGroupedByName(TarEntryFormat format)
    {
        using var temp = new TempFolder();
        // Ustar splits at most 155 + 100 bytes at a slash; pax and GNU have extensions for any length.
        string longName = format switch
        {
            TarEntryFormat.V7 => "dir/short",
            TarEntryFormat.Ustar => $"{new string('d', 120)}/{new string('n', 60)}",
            _ => $"{new string('d', 120)}/{new string('n', 180)}é",
        };
        Tar(temp["a.tar"], format, ("001.png", Png), ("001.txt", "one\n"u8.ToArray()), ("001.v2.json", "{\"text\": \"better\", \"license\": \"CC0-1.0\", \"attribution\": \"Ann\"}"u8.ToArray()),
            (longName + ".jpg", [1, 2, 3]), (longName + ".txt", "two"u8.ToArray()), ("003.txt", "three"u8.ToArray()));
        Tar(temp["b.tar"], format, ("./001.webp", [9]), ("./001.txt", "four"u8.ToArray()));
        IPictureSource source = PictureSource.Open(temp.Path, "CC-BY-4.0");
        PictureSample[] samples = [.. source.Read()];
        Assert.Equal(["a.tar/001|better|CC0-1.0|Ann", $"a.tar/{longName}|two|CC-BY-4.0|", "a.tar/003||||", "b.tar/001|four|CC-BY-4.0|"],
            samples.Select(s => s.Refusal is null ? $"{s.Key}|{s.Caption}|{s.Licence}|{s.Attribution}" : $"{s.Key}||||"));
        Assert.Equal(SkipReason.NoPicture, samples[2].Refusal!.Reason);
        Assert.Equal(4, source.Count());
        Assert.Equal(samples.Skip(3).Select(s => s.Key), source.Read(3).Select(s => s.Key));
        Assert.Equal(Png, samples[0].ReadBytes());
        Assert.Equal([1, 2, 3], samples[1].ReadBytes());
        Assert.Equal([9], samples[3].ReadBytes());
    }

    [Fact]
    public void NamesThatLeadOutAreRefused()
    {
        using var temp = new TempFolder();
        using (var writer = new TarWriter(File.Create(temp["a.tar"]), TarEntryFormat.Pax))
        {
            foreach (string name in new[] { "../evil.png", "/etc/evil.png", "a/../../evil.png" })
                writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Png) });
            writer.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "link.png") { LinkName = "/etc/passwd" });
        }
        PictureSample[] samples = [.. PictureSource.Open(temp["a.tar"]).Read()];
        Assert.Equal([SkipReason.UnsafePath, SkipReason.UnsafePath, SkipReason.UnsafePath, SkipReason.NoPicture], samples.Select(s => s.Refusal!.Reason));
    }

    [Fact]
    public void ACutOrForeignArchiveIsNamed()
    {
        using var temp = new TempFolder();
        Tar(temp["a.tar"], TarEntryFormat.Ustar, ("001.png", Png), ("001.txt", "one"u8.ToArray()));
        byte[] whole = File.ReadAllBytes(temp["a.tar"]);
        foreach (byte[] bytes in new[] { whole[..600], whole[..100], [.. "not a tar archive, but long enough"u8, .. new byte[1000]] })
        {
            File.WriteAllBytes(temp["a.tar"], bytes);
            var error = Assert.Throws<InvalidDataException>(() => PictureSource.Open(temp["a.tar"]).Read().ToList());
            Assert.Contains("a.tar", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact, Trait("Category", "Fuzz")]
    public void DamagedArchivesNeverCrash()
    {
        using var temp = new TempFolder();
        var originals = new List<byte[]>();
        foreach (TarEntryFormat format in new[] { TarEntryFormat.Ustar, TarEntryFormat.Pax, TarEntryFormat.Gnu })
        {
            Tar(temp["a.tar"], format, ("001.png", Png), ("001.txt", "one"u8.ToArray()), ("001.json", "{\"text\": \"better\"}"u8.ToArray()), (new string('x', format == TarEntryFormat.Ustar ? 90 : 150) + ".png", Png));
            originals.Add(File.ReadAllBytes(temp["a.tar"]));
        }
        // A head with a false sum is refused at once; so that damage reaches what lies behind, half of them get a true one.
        Mutator.Run(originals, 600, (bytes, _) =>
        {
            if (bytes.Length % 2 == 0) TrueSums(bytes);
            File.WriteAllBytes(temp["a.tar"], bytes);
            foreach (PictureSample sample in PictureSource.Open(temp["a.tar"]).Read())
                if (sample.Refusal is null) Assert.True(sample.ReadBytes().Length <= bytes.Length);
        }, e => e is InvalidDataException && e.Message.Contains("a.tar", StringComparison.Ordinal));
    }

    static void TrueSums(byte[] bytes)
    {
        for (int at = 0; at + 512 <= bytes.Length; at += 512)
        {
            Span<byte> head = bytes.AsSpan(at, 512);
            if (!head[257..262].SequenceEqual("ustar"u8)) continue;
            head[148..156].Fill((byte)' ');
            int sum = 0;
            foreach (byte b in head) sum += b;
            Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(head[148..]);
        }
    }

    static void Tar(string path, TarEntryFormat format, params (string Name, byte[] Data)[] files)
    {
        using var writer = new TarWriter(File.Create(path), format);
        foreach ((string name, byte[] data) in files)
        {
            var stream = new MemoryStream(data);
            writer.WriteEntry(format switch
            {
                TarEntryFormat.Ustar => new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = stream },
                TarEntryFormat.Pax => new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = stream },
                TarEntryFormat.Gnu => new GnuTarEntry(TarEntryType.RegularFile, name) { DataStream = stream },
                _ => new V7TarEntry(TarEntryType.V7RegularFile, name) { DataStream = stream },
            });
        }
    }
}
