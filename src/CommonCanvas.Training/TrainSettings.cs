namespace CommonCanvas.Training;

/// <summary>How long a run goes and what it leaves behind.</summary>
public sealed record TrainSettings
{
    /// <summary>The run folder; it is made where absent.</summary>
    public required string RunFolder { get; init; }

    /// <summary>Steps in all, those before a resume included.</summary>
    public required long Steps { get; init; }

    /// <summary>Settings of the update.</summary>
    public required OptimizerSettings Optimizer { get; init; }

    /// <summary>Steps between checkpoints; one is always written at the end.</summary>
    public long CheckpointEvery { get; init; } = 1000;

    /// <summary>Newest checkpoints that are kept.</summary>
    public int KeepLast { get; init; } = 2;

    /// <summary>Checkpoints of multiples of this are kept for good; 0: none.</summary>
    public long KeepEvery { get; init; }

    /// <summary>Steps between validation losses; 0: none.</summary>
    public long ValidateEvery { get; init; }

    /// <summary>Steps between sample grids; 0: none.</summary>
    public long SampleEvery { get; init; }

    /// <summary>Whether the loss is scaled (fp16).</summary>
    public bool LossScaling { get; init; }

    /// <summary>First loss scale.</summary>
    public float InitialLossScale { get; init; } = 65536;

    /// <summary>Clean steps before the loss scale doubles.</summary>
    public int LossScaleGrowth { get; init; } = 2000;

    /// <summary>
    /// Whether the work that every step does alike is recorded once and launched in one call, on a device that can; the
    /// results have the same bits.
    /// </summary>
    public bool Graphs { get; init; } = true;

    /// <summary>The resolved configuration, kept in every checkpoint and as <c>config.yaml</c> in the run folder.</summary>
    public string Configuration { get; init; } = "";

    /// <summary>Digest or description of the data; a checkpoint of other data is refused.</summary>
    public string Data { get; init; } = "";
}
