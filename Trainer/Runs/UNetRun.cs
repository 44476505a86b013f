using CommonCanvas.Models;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Trainer.Terminal;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Runs;

/// <summary>Trains the U-Net on a cache, beside the pipeline whose encoders made it; leaves a whole diffusers folder.</summary>
public sealed class UNetRun(RunConfig config, IOps device, AppConsole console)
{
    /// <summary>Trains to the end or until <paramref name="stop"/>.</summary>
    public TrainResult Run(CancellationToken stop)
    {
        string shards = config.Data.Path ?? throw new ConfigException("data.path is missing: name the folder that precompute wrote, for example --set data.path=shards");
        var pipeline = new PipelineFolder(config.Pipeline ?? throw new ConfigException("pipeline is missing: name the folder whose autoencoder and text encoder made the shards"));
        var scheduler = RunSettings.Scheduler(config, SchedulerConfig.Load(pipeline.Scheduler));
        var ops = new WatchedOps(device);
        using var data = new LatentDataset(shards, config.Data.Resolution, config.Seed, config.Validation.Every > 0 ? config.Validation.Share : 0, LatentDataset.Reading with { Note = console.Note });
        data.Fingerprint?.RequireMatch(ModelFingerprint.Of(pipeline.Root, config.Data.Resolution, data.HoldsMoments, 0), shards);
        OutputFolder.Require(config.Output);
        using var unet = Build(ops, pipeline);
        int batch = config.Batch.Size, microbatch = config.Batch.Microbatch > 0 ? config.Batch.Microbatch : batch;
        using var step = new DiffusionStep(ops, unet, RunSettings.Objective(config, scheduler), data, batch, microbatch);
        using var preview = config.Samples.Every > 0 && config.Samples.Prompts.Count > 0 ? new Preview(config, console, ops, unet, pipeline, scheduler) : null;
        using var folder = RunFolderLock.Take(config.Output);
        TrainResult result = null!;
        Progress.Run<bool>(console, $"Training the U-Net ({unet.Parameters.Trainable:N0} weights) on {data.TrainingCount} latents", config.Steps, "steps", display =>
        {
            using var loop = new TrainLoop(ops, step, RunSettings.Train(config, data.Identity), new RunProgress(console, display))
            {
                Folder = folder,
                Sample = preview is null ? null : preview.Draw,
            };
            result = loop.Run(stop);
            if (result.Finished) loop.WithAverage(() => Finish(unet, pipeline, scheduler));
            return true;
        });
        if (result.Finished) Attribution.Write(Path.Combine(config.Output, Attribution.FileName), data.Attributions(result.Steps * batch));
        RunReport.Write(config.Output, $"U-Net: {config.Output}");
        return result;
    }

    UNet Build(IOps ops, PipelineFolder pipeline)
    {
        var type = RunSettings.Type(config.Precision);
        if (config.FromWeights) return UNet.FromFolder(pipeline.UNet, ops, type, training: true);
        var shape = config.Unet is { } given ? UNetConfig.Parse(given.ToJsonString(), "unet (configuration)") : UNetConfig.Load(pipeline.UNet);
        var unet = new UNet(shape, ops, type, training: true);
        unet.Parameters.Initialize(config.Seed);
        return unet;
    }

    void Finish(UNet unet, PipelineFolder pipeline, SchedulerConfig scheduler)
    {
        var folder = new PipelineFolder(Path.Combine(config.Output, ModelFolder.Name));
        ModelFolder.Copy(pipeline, folder, f => f.Vae, f => f.TextEncoder, f => f.Tokenizer);
        ModelFolder.WriteScheduler(folder, scheduler);
        unet.SaveFolder(folder.UNet);
        folder.WriteIndex();
    }

    /// <summary>Grids of samples while training.</summary>
    sealed class Preview : IDisposable
    {
        readonly RunConfig config;
        readonly AppConsole console;
        readonly UNet unet;
        readonly AutoencoderKL autoencoder;
        readonly ClipTextModel textEncoder;
        readonly TextToImage textToImage;

        public Preview(RunConfig config, AppConsole console, IOps ops, UNet unet, PipelineFolder pipeline, SchedulerConfig scheduler)
        {
            (this.config, this.console, this.unet) = (config, console, unet);
            // Better now than at the first grid, with the steps before it lost.
            try { SamplerFactory.Create(config.Samples.Sampler, scheduler, config.Samples.Steps); }
            catch (ArgumentException e) { throw new ConfigException($"samples cannot be drawn: {e.Message}"); }
            autoencoder = AutoencoderKL.FromFolder(pipeline.Vae, ops, DType.F32, training: false);
            textEncoder = ClipTextModel.FromFolder(pipeline.TextEncoder, ops, DType.F32);
            textToImage = new TextToImage(ops, unet, autoencoder, textEncoder, Tokenizers.Load(pipeline.Tokenizer), scheduler);
        }

        public void Draw(long step, MetricsWriter metrics)
        {
            unet.Training = false;
            try
            {
                var result = textToImage.Generate(new SampleRequest
                {
                    Prompts = config.Samples.Prompts, Sampler = config.Samples.Sampler, Steps = config.Samples.Steps, Guidance = config.Samples.Guidance,
                    Seed = config.Seed, Width = config.Data.Resolution, Height = config.Data.Resolution,
                });
                var grid = SampleGrid.Compose(result.Pictures);
                metrics.Image(step, "samples", grid.ToPng(), grid.Width, grid.Height);
                TerminalPicture.Show(console, $"samples after step {step}: {string.Join(" | ", config.Samples.Prompts)}", result.Pictures);
            }
            finally
            {
                unet.Training = true;
            }
        }

        public void Dispose()
        {
            autoencoder.Dispose();
            textEncoder.Dispose();
        }
    }
}
