namespace CommonCanvas.Data;

/// <summary>Why a picture is not used. The names stand in <c>skipped.jsonl</c>.</summary>
public enum SkipReason
{
    /// <summary>The file cannot be read, is no PNG, JPEG, WebP or GIF, or is damaged or cut off.</summary>
    CannotDecode,

    /// <summary>Its shorter side is below the least that is asked for.</summary>
    TooSmall,

    /// <summary>It declares more pixels, or has more bytes, than the limit against decompression bombs allows.</summary>
    TooLarge,

    /// <summary>It has no caption, or an empty one.</summary>
    NoCaption,

    /// <summary>Its name is absolute, climbs with <c>..</c>, or is a link that leads out of the folder.</summary>
    UnsafePath,

    /// <summary>A group of an archive, or a line of metadata, without a picture.</summary>
    NoPicture,
}

/// <summary>Thrown for a picture that cannot be used; ends nothing but the work on that picture.</summary>
public sealed class PictureException : Exception
{
    /// <summary>An error with its kind and its text, without the picture's name, which the caller knows.</summary>
    public PictureException(SkipReason reason, string message, Exception? cause = null) : base(message, cause) => Reason = reason;

    /// <summary>The kind, as it is counted.</summary>
    public SkipReason Reason { get; }
}
