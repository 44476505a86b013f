using System.CommandLine;
using CommonCanvas.Trainer.Runs;

namespace CommonCanvas.Trainer.Commands;

/// <summary><c>precompute</c>: pictures and captions to shards of latents and text embeddings.</summary>
public sealed class PrecomputeCommand
{
    readonly Option<string> data = Options.Needed("--data", "Folder of pictures, WebDataset tar file or MDS shards.");
    readonly Option<string> model = Options.Needed("--model", "Folder with autoencoder, text encoder and tokenizer, as diffusers and 'train' write it.");
    readonly Option<int> resolution = Options.Whole("--resolution", "Side in pixels: shorter side scaled, centre square.", 256, 8, 4096);
    readonly Option<string> output = Options.Needed("--out", "Folder for the shards.");
    readonly Option<string?> licence = Options.Text("--licence", "SPDX id of the licence of pictures that do not say theirs.");
    readonly Option<string> store = Options.Word("--store", "What of a latent's distribution is stored: one sample, or mean and log-variance (twice the size, drawn anew in every epoch).", "sample", "sample", "moments");
    readonly Option<int> batch = Options.Whole("--batch", "Pictures that are encoded at once; changes speed and memory only.", 8, 1, 1024);
    readonly Option<int> seed = Options.Whole("--seed", "Seed of the samples.", 17, 0, int.MaxValue);
    readonly Option<string> compression = Options.Word("--compression", "Of the shards.", "none", "none", "zstd");
    readonly Runner runner;

    /// <summary>Defines the command.</summary>
    public PrecomputeCommand(Runner runner)
    {
        this.runner = runner;
        Command = new Command("precompute", "Compute latents and text embeddings once, into shards. Goes on where an interrupted run stopped.")
        {
            data, model, resolution, output, licence, store, batch, seed, compression,
        };
        runner.Bind(Command, Run);
    }

    /// <summary>The command.</summary>
    public Command Command { get; }

    int Run(ParseResult parsed, CancellationToken cancellation)
    {
        int threads = runner.Threads(parsed);
        using var ops = runner.OpenDevice(parsed);
        var run = new PrecomputeRun(parsed.GetValue(data)!, parsed.GetValue(model)!, parsed.GetValue(resolution), parsed.GetValue(output)!)
        {
            Licence = parsed.GetValue(licence),
            Moments = parsed.GetValue(store) == "moments",
            BatchSize = parsed.GetValue(batch),
            Seed = (ulong)parsed.GetValue(seed),
            Threads = threads,
            Compression = parsed.GetValue(compression) == "zstd" ? "zstd" : null,
        };
        try
        {
            var report = run.Run(ops, runner.Console, cancellation);
            runner.Console.Line($"{report.Written} samples in {run.Output}, {report.Skipped} skipped{(report.Skipped > 0 ? $" (listed in {Path.Combine(run.Output, "skipped.jsonl")})" : "")}.");
            return ExitCode.Done;
        }
        catch (OperationCanceledException)
        {
            runner.Console.Line("Stopped. The shards that are complete stay; the same command goes on behind them.");
            return ExitCode.Interrupted;
        }
    }
}
