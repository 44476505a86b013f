using System.Globalization;
using CommonCanvas.Data;
using CommonCanvas.Models;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Terminal;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Runs;

/// <summary>Turns pictures and captions into a cache of latents and text embeddings.</summary>
/// <param name="Data">Folder of pictures, tar file or MDS shards.</param>
/// <param name="Model">Folder with autoencoder, text encoder and tokenizer.</param>
/// <param name="Resolution">Pixels.</param>
/// <param name="Output">Folder of the shards.</param>
public sealed record PrecomputeRun(string Data, string Model, int Resolution, string Output)
{
    /// <summary>Licence of pictures that do not say theirs.</summary>
    public string? Licence { get; init; }

    /// <summary>Whether mean and log-variance are stored in place of a sample.</summary>
    public bool Moments { get; init; }

    /// <summary>Pictures encoded at once.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>Seed of the samples.</summary>
    public ulong Seed { get; init; } = 17;

    /// <summary>Threads that decode; 0 for one on each processor.</summary>
    public int Threads { get; init; }

    /// <summary>MDS's name of the shards' compression; null for none.</summary>
    public string? Compression { get; init; }

    /// <summary>Makes the cache, or what is missing of it.</summary>
    /// <exception cref="OperationCanceledException">Stopped; complete shards stay, and the next run goes on behind them.</exception>
    public PrecomputeReport Run(IOps ops, AppConsole console, CancellationToken stop)
    {
        var folder = new PipelineFolder(Model);
        var source = PictureSource.Open(Data, Licence);
        var fingerprint = ModelFingerprint.Of(Model, Resolution, Moments, Seed);
        var tokenizer = Tokenizers.Load(folder.Tokenizer);
        using var autoencoder = AutoencoderKL.FromFolder(folder.Vae, ops, DType.F32, training: false);
        using var textEncoder = ClipTextModel.FromFolder(folder.TextEncoder, ops, DType.F32);
        OutputFolder.Require(Output);
        var settings = new PrecomputeSettings
        {
            Folder = Output, Resolution = Resolution, Moments = Moments, Seed = Seed, BatchSize = BatchSize, Threads = Threads, Compression = Compression,
        };
        if (File.Exists(Path.Combine(Output, "index.json"))) console.Note($"{Output} is complete already and stays as it is; for other pictures or captions give another folder, or delete it");
        var engine = new Precompute(ops, autoencoder, textEncoder, tokenizer, fingerprint, settings);
        var report = Progress.Run(console, "Computing latents and text embeddings", source.Count(), "images",
            display => engine.Run(source, new PictureLoader(Resolution), r => display.Report(r.Position, r.Skipped > 0 ? string.Create(CultureInfo.InvariantCulture, $"{r.Skipped} skipped") : null), stop));
        stop.ThrowIfCancellationRequested();
        return report;
    }
}
