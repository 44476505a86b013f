namespace CommonCanvas.Data;

/// <summary>A captioned picture whose bytes are read when they are asked for.</summary>
public sealed class PictureSample
{
    readonly Func<byte[]>? read;

    internal PictureSample(string key, string? caption, string? licence, string? attribution, Func<byte[]> read) =>
        (Key, Caption, Licence, Attribution, this.read) = (key, caption, licence, attribution, read);

    internal PictureSample(string key, SkipReason reason, string detail) =>
        (Key, Refusal) = (key, new PictureException(reason, detail));

    /// <summary>Names the sample within its source, the same in every run: a path below the folder, or archive and entry.</summary>
    public string Key { get; }

    /// <summary>The caption, or null where there is none.</summary>
    public string? Caption { get; }

    /// <summary>The licence as the source gives it (URL, name or SPDX id), or null where none is known.</summary>
    public string? Licence { get; }

    /// <summary>Whom to name, or null.</summary>
    public string? Attribution { get; }

    /// <summary>Why the sample cannot be used at all; then it has no bytes.</summary>
    public PictureException? Refusal { get; }

    /// <summary>The picture file's bytes.</summary>
    /// <exception cref="PictureException">They cannot be read, or are too many.</exception>
    public byte[] ReadBytes()
    {
        if (Refusal is not null) throw Refusal;
        try { return read!(); }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new PictureException(SkipReason.CannotDecode, $"cannot be read ({cause.Message})", cause);
        }
    }
}
