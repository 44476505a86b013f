using System.Text;

namespace CommonCanvas.Data;

/// <summary>
/// A folder of pictures, with all folders below it. Order: a folder's files by name (ordinal), then its folders. The caption
/// comes from the nearest <c>metadata.jsonl</c> or <c>metadata.csv</c> that lists the picture, else from a <c>.txt</c>
/// of the same name beside it, else from the path. What metadata lists and no picture has comes, refused, behind the
/// metadata's folder. Links to folders are not followed; links to files that lead out of
/// the folder are refused.
/// </summary>
/// <param name="folder">The top folder.</param>
/// <param name="licence">Licence of pictures whose metadata names none, or null.</param>
public sealed class ImageFolderReader(string folder, string? licence = null) : IPictureSource
{
    const int MaxCaptionBytes = 1 << 16;
    static readonly UTF8Encoding StrictUtf8 = new(false, true);
    readonly string root = Path.GetFullPath(folder);

    /// <inheritdoc/>
    public string Location => root;

    /// <inheritdoc/>
    public IEnumerable<PictureSample> Read(long start = 0)
    {
        foreach ((string key, Metadata? metadata) in Keys(root, "", null))
        {
            if (start-- > 0) continue;
            if (metadata == Metadata.LeadsOut) yield return new PictureSample(key, SkipReason.UnsafePath, "its name in the metadata leads out of the folder");
            else if (metadata == Metadata.Missing) yield return new PictureSample(key, SkipReason.NoPicture, "is listed in the metadata, but there is no such .png, .jpg, .webp or .gif");
            else yield return Sample(key, metadata);
        }
    }

    /// <inheritdoc/>
    public long Count() => Keys(root, "", null).LongCount();

    /// <summary>Walks the folders; holds the names of one folder on each level at a time.</summary>
    static IEnumerable<(string Key, Metadata? Metadata)> Keys(string path, string prefix, Metadata? above)
    {
        Metadata? own = null;
        if (MetadataFile.Find(path) is (Dictionary<string, SampleFields> byName, List<string> refused))
        {
            above = own = new Metadata(prefix, byName, above);
            foreach (string name in refused) yield return (name, Metadata.LeadsOut);
        }
        var files = new List<string>();
        var folders = new List<string>();
        foreach (FileSystemInfo entry in new DirectoryInfo(path).EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false }))
        {
            if (entry.Name[0] == '.') continue;
            if (entry is DirectoryInfo)
            {
                if (entry.LinkTarget is null) folders.Add(entry.Name);
            }
            else if (PictureSource.IsPictureEnding(Path.GetExtension(entry.Name.AsSpan()).TrimStart('.'))) files.Add(entry.Name);
        }
        files.Sort(StringComparer.Ordinal);
        folders.Sort(StringComparer.Ordinal);
        foreach (string file in files)
        {
            above?.Mark(prefix + file);
            yield return (prefix + file, above);
        }
        foreach (string name in folders)
            foreach ((string, Metadata?) found in Keys(Path.Combine(path, name), $"{prefix}{name}/", above)) yield return found;
        foreach (string name in own?.Unmarked() ?? []) yield return (name, Metadata.Missing);
    }

    PictureSample Sample(string key, Metadata? metadata)
    {
        string path = Path.Combine(root, key);
        if (new FileInfo(path).LinkTarget is not null && !SafePath.StaysInside(root, path)) return new PictureSample(key, SkipReason.UnsafePath, "is a link that leads out of the folder");
        SampleFields fields = metadata?.Of(key) ?? default;
        string? caption;
        try { caption = fields.Caption ?? Beside(path) ?? PathCaption.From(key); }
        catch (Exception cause) when (cause is PictureException or IOException or UnauthorizedAccessException)
        {
            return new PictureSample(key, SkipReason.NoCaption, $"its .txt cannot be used ({cause.Message})");
        }
        return new PictureSample(key, caption, fields.Licence ?? licence, fields.Attribution, () => ReadAll(path));
    }

    /// <summary>The text of the file beside a picture: empty where the file is empty, null where there is none.</summary>
    string? Beside(string path)
    {
        string text = Path.ChangeExtension(path, ".txt");
        var file = new FileInfo(text);
        if (!file.Exists) return null;
        if (file.LinkTarget is not null && !SafePath.StaysInside(root, text)) throw new PictureException(SkipReason.UnsafePath, "a link that leads out of the folder");
        if (file.Length > MaxCaptionBytes) throw new PictureException(SkipReason.NoCaption, $"{file.Length} bytes are no caption");
        try { return StrictUtf8.GetString(File.ReadAllBytes(text)).Trim().TrimStart('\uFEFF'); }
        catch (DecoderFallbackException cause) { throw new PictureException(SkipReason.NoCaption, "not UTF-8", cause); }
    }

    static byte[] ReadAll(string path)
    {
        long length = new FileInfo(path).Length;
        return length <= PictureSource.MaxFileBytes ? File.ReadAllBytes(path) : throw new PictureException(SkipReason.TooLarge, $"a file of {length} bytes, more than the limit of {PictureSource.MaxFileBytes}");
    }

    /// <summary>The metadata of a folder, and that of the folders above it.</summary>
    sealed class Metadata(string prefix, Dictionary<string, SampleFields> byName, Metadata? above)
    {
        /// <summary>Stands at names in the metadata that lead out of the folder.</summary>
        public static readonly Metadata LeadsOut = new("", [], null);

        /// <summary>Stands at names in the metadata that no picture has.</summary>
        public static readonly Metadata Missing = new("", [], null);

        readonly HashSet<string> marked = new(StringComparer.Ordinal);

        public SampleFields? Of(string key) => byName.TryGetValue(key[prefix.Length..], out SampleFields fields) ? fields : above?.Of(key);

        /// <summary>Notes that there is such a picture, on every level that lists it.</summary>
        public void Mark(string key)
        {
            string name = key[prefix.Length..];
            if (byName.ContainsKey(name)) marked.Add(name);
            above?.Mark(key);
        }

        /// <summary>Keys that are listed and that no picture has.</summary>
        public IEnumerable<string> Unmarked() => byName.Keys.Where(name => !marked.Contains(name)).Select(name => prefix + name);
    }
}
