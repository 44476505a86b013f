namespace CommonCanvas.Training;

/// <summary>What a cache is to hold and how fast it is made.</summary>
public sealed record PrecomputeSettings
{
    /// <summary>Folder of the shards.</summary>
    public required string Folder { get; init; }

    /// <summary>Side of the square that pictures are cropped to.</summary>
    public required int Resolution { get; init; }

    /// <summary>Store the posterior's mean and log-variance, so that every epoch draws anew; else one sample, half as large.</summary>
    public bool Moments { get; init; }

    /// <summary>Seed of the samples.</summary>
    public ulong Seed { get; init; } = 17;

    /// <summary>Pictures that are encoded at once; changes speed and memory, no bit of the cache.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>Threads that decode pictures; 0 for one on each core.</summary>
    public int Threads { get; init; }

    /// <summary>Bytes after which a shard is closed: what an interruption loses at most.</summary>
    public long ShardBytes { get; init; } = 1 << 26;

    /// <summary>Shards' compression, as MDS names it; null for none (latents hardly shrink).</summary>
    public string? Compression { get; init; }
}

/// <summary>How far a cache has come.</summary>
/// <param name="Position">Pictures of the source that are dealt with.</param>
/// <param name="Written">Samples handed to the shards, those of an earlier run included.</param>
/// <param name="Skipped">Pictures that could not be used.</param>
/// <param name="ImagesPerSecond">Over the run so far.</param>
public readonly record struct PrecomputeReport(long Position, long Written, long Skipped, double ImagesPerSecond);
