namespace CommonCanvas.Data;

/// <summary>A set of captioned pictures in a fixed order. Nothing is decoded, or read whole, before it is asked for.</summary>
public interface IPictureSource
{
    /// <summary>Where the pictures are, for messages.</summary>
    string Location { get; }

    /// <summary>
    /// The samples from position <paramref name="start"/> on, always in the same order; what cannot be used is among them, with
    /// its <see cref="PictureSample.Refusal"/>, so that positions hold.
    /// </summary>
    /// <exception cref="InvalidDataException">Metadata or an archive is damaged; the message names file and place.</exception>
    IEnumerable<PictureSample> Read(long start = 0);

    /// <summary>Number of samples that <see cref="Read"/> gives: lists names or archive heads, opens no picture.</summary>
    long Count();
}

/// <summary>Finds out what kind of source a path is.</summary>
public static class PictureSource
{
    /// <summary>Largest picture file that is read, in bytes.</summary>
    public const long MaxFileBytes = 1L << 28;

    /// <summary>
    /// Opens a folder of pictures, a WebDataset archive (<c>.tar</c>), a folder with such archives at its top, or a folder of
    /// MDS shards.
    /// </summary>
    /// <param name="path">Folder or archive.</param>
    /// <param name="licence">Licence of samples that carry none of their own (an SPDX id), or null.</param>
    /// <exception cref="InvalidDataException">There is nothing there that can be read.</exception>
    public static IPictureSource Open(string path, string? licence = null)
    {
        if (File.Exists(path) && path.EndsWith(".tar", StringComparison.OrdinalIgnoreCase)) return new WebDatasetReader([path], licence);
        if (!Directory.Exists(path)) throw DataError.In(path, "is no folder and no .tar archive; unpack other archives first");
        if (File.Exists(Path.Combine(path, MdsIndex.FileName))) return new MdsPictureReader(path, licence);
        string[] archives = [.. Directory.EnumerateFiles(path).Where(f => f.EndsWith(".tar", StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal)];
        return archives.Length > 0 ? new WebDatasetReader(archives, licence) : new ImageFolderReader(path, licence);
    }

    /// <summary>True for the endings of the formats that are decoded.</summary>
    internal static bool IsPictureEnding(ReadOnlySpan<char> ending)
    {
        foreach (string known in (ReadOnlySpan<string>)["png", "jpg", "jpeg", "webp", "gif"])
            if (ending.Equals(known, StringComparison.OrdinalIgnoreCase)) return true;
        return false;
    }
}
