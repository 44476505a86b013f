namespace CommonCanvas.Data;

/// <summary>How shards are read.</summary>
public sealed record MdsReaderOptions
{
    /// <summary>Compare each shard's digests with the index when it is first opened.</summary>
    public bool VerifyHashes { get; init; } = true;

    /// <summary>Files kept open at the same time.</summary>
    public int OpenShards { get; init; } = 64;

    /// <summary>Memory for unpacked shards, in bytes; one is always kept.</summary>
    public long CacheBytes { get; init; } = 1L << 30;

    /// <summary>
    /// Disk for unpacked shards where all of them together are more than <see cref="CacheBytes"/>, in bytes. 0: none, so that
    /// those which memory cannot hold are unpacked again and again, which costs nothing where samples are read in their order.
    /// </summary>
    public long SpoolBytes { get; init; }

    /// <summary>Folder for them; null: the system's folder for temporary files, or <c>/var/tmp</c> where that is in memory or has less room.</summary>
    public string? SpoolFolder { get; init; }

    /// <summary>Is told where unpacked shards are kept, and what to do if they cannot be; from whichever thread finds out.</summary>
    public Action<string>? Note { get; init; }

    /// <summary>Largest size that a compressed shard may unpack to, in bytes.</summary>
    public long MaxUnpackedBytes { get; init; } = 1L << 30;
}
