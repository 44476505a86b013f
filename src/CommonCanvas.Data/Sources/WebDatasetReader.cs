using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace CommonCanvas.Data;

/// <summary>
/// WebDataset archives: neighbouring files that share a name up to its first dot are one sample. The picture is the first
/// of <c>.jpg .jpeg .png .webp .gif</c>; the caption comes from <c>.json</c> (<c>text</c> or <c>caption</c>), else from
/// <c>.txt</c>; licence and attribution from <c>.json</c>. Archives are read in place and never unpacked.
/// </summary>
/// <param name="archives">The .tar files, in order.</param>
/// <param name="licence">Licence of samples that name none, or null.</param>
public sealed class WebDatasetReader(IReadOnlyList<string> archives, string? licence = null) : IPictureSource
{
    const int MaxText = 1 << 20;
    static readonly UTF8Encoding StrictUtf8 = new(false, true);

    /// <inheritdoc/>
    public string Location => archives.Count == 1 ? archives[0] : $"{archives[0]} and {archives.Count - 1} more";

    /// <inheritdoc/>
    public IEnumerable<PictureSample> Read(long start = 0)
    {
        foreach (string path in archives)
        {
            using SafeFileHandle file = Open(path);
            foreach ((string stem, List<TarEntry> group) in Groups(path, file))
            {
                if (start-- > 0) continue;
                yield return Sample(path, file, stem, group);
            }
        }
    }

    /// <inheritdoc/>
    public long Count()
    {
        long count = 0;
        foreach (string path in archives)
        {
            using SafeFileHandle file = Open(path);
            count += Groups(path, file).LongCount();
        }
        return count;
    }

    static SafeFileHandle Open(string path)
    {
        try { return File.OpenHandle(path); }
        catch (Exception cause) when (cause is FileNotFoundException or DirectoryNotFoundException) { throw DataError.In(path, "there is no such archive", cause); }
    }

    static IEnumerable<(string Stem, List<TarEntry> Group)> Groups(string path, SafeFileHandle file)
    {
        string? stem = null;
        var group = new List<TarEntry>();
        foreach (TarEntry entry in TarReader.List(path, file))
        {
            // Folders and the archive's own notes (pax of some writers) are no samples; links are refused below.
            if (!entry.IsFile && entry.Name.EndsWith('/')) continue;
            string name = entry.Name.StartsWith("./", StringComparison.Ordinal) ? entry.Name[2..] : entry.Name;
            string here = Stem(name);
            if (stem is not null && here != stem)
            {
                yield return (stem, group);
                group = [];
            }
            stem = here;
            group.Add(entry with { Name = name });
        }
        if (stem is not null) yield return (stem, group);
    }

    /// <summary>The name up to the first dot of its last part; a dot at the very beginning does not count.</summary>
    static string Stem(string name)
    {
        int from = name.LastIndexOf('/') + 1;
        int dot = from + 1 < name.Length ? name.IndexOf('.', from + 1) : -1;
        return dot < 0 ? name : name[..dot];
    }

    PictureSample Sample(string path, SafeFileHandle file, string stem, List<TarEntry> group)
    {
        string key = $"{Path.GetFileName(path)}/{stem}";
        if (group.Exists(e => !SafePath.IsInside(e.Name))) return new PictureSample(key, SkipReason.UnsafePath, "its name in the archive leads out of it");
        group.RemoveAll(e => !e.IsFile);
        TarEntry picture = group.Find(e => PictureSource.IsPictureEnding(Ending(e)));
        if (picture.Name is null) return new PictureSample(key, SkipReason.NoPicture, "has no .jpg, .png, .webp or .gif");
        SampleFields fields = default;
        string? caption;
        try
        {
            if (Find(group, "json") is TarEntry json) fields = SampleFields.From(SampleFields.Values(Text(path, file, json)));
            caption = fields.Caption;
            if (caption is null && Find(group, "txt") is TarEntry text) caption = StrictUtf8.GetString(Text(path, file, text).Span).Trim();
        }
        catch (Exception cause) when (cause is JsonException or DecoderFallbackException or PictureException)
        {
            return new PictureSample(key, SkipReason.NoCaption, $"its .json or .txt cannot be used ({cause.Message})");
        }
        return new PictureSample(key, caption, fields.Licence ?? licence, fields.Attribution, () => ReadPicture(path, picture));
    }

    /// <summary>Opens the archive anew: a sample may be read after the listing has moved on to another archive.</summary>
    static byte[] ReadPicture(string path, TarEntry entry)
    {
        if (entry.Size > PictureSource.MaxFileBytes) throw new PictureException(SkipReason.TooLarge, $"a file of {entry.Size} bytes, more than the limit of {PictureSource.MaxFileBytes}");
        using SafeFileHandle file = File.OpenHandle(path);
        try { return TarReader.Read(path, file, entry); }
        catch (InvalidDataException cause) { throw new PictureException(SkipReason.CannotDecode, cause.Message, cause); }
    }

    static ReadOnlyMemory<byte> Text(string path, SafeFileHandle file, TarEntry entry) =>
        entry.Size <= MaxText ? TarReader.Read(path, file, entry) : throw new PictureException(SkipReason.NoCaption, $"{entry.Size} bytes are no caption");

    static TarEntry? Find(List<TarEntry> group, string ending)
    {
        foreach (TarEntry entry in group)
            if (Ending(entry).Equals(ending, StringComparison.OrdinalIgnoreCase)) return entry;
        return null;
    }

    static ReadOnlySpan<char> Ending(TarEntry entry) => entry.Name.AsSpan(entry.Name.LastIndexOf('.') + 1);
}
