using System.Text;
using CommonCanvas.Data;
using CommonCanvas.Models;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Trainer.Terminal;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Runs;

/// <summary>
/// Trains AutoencoderKL on pictures. Its model folder holds the autoencoder, and the text encoder, tokenizer and scheduler
/// that a U-Net needs beside it: the pipeline's, or ones made from scratch.
/// </summary>
public sealed class AutoencoderRun(RunConfig config, IOps device, AppConsole console)
{
    /// <summary>Pictures that the scale of the latents is measured on.</summary>
    const int ScalePictures = 256;

    /// <summary>Pictures of a grid of reconstructions.</summary>
    const int GridPictures = 16;

    /// <summary>Trains to the end or until <paramref name="stop"/>.</summary>
    public TrainResult Run(CancellationToken stop)
    {
        string path = config.Data.Path ?? throw new ConfigException("data.path is missing: name the folder of pictures, for example --set data.path=pictures");
        var source = PictureSource.Open(path, config.Data.Licence);
        OutputFolder.Require(config.Output);
        using var folder = RunFolderLock.Take(config.Output);
        bool resumes = new CheckpointStore(config.Output).Steps.Count > 0;
        using var skipped = SkipLog.Open(config.Output, resumes ? long.MaxValue : 0);
        var data = new PictureDataset(source, new PictureLoader(config.Data.Resolution), config.Seed, config.Validation.Every > 0 ? config.Validation.Share : 0, skipLog: skipped);
        var ops = new WatchedOps(device);
        using var model = Build(ops);
        int batch = config.Batch.Size, microbatch = config.Batch.Microbatch > 0 ? config.Batch.Microbatch : batch;
        using var step = new AutoencoderStep(ops, model, data, batch, microbatch, config.AutoencoderLoss.Kl, config.Seed);
        TrainResult result = null!;
        Progress.Run<bool>(console, $"Training the autoencoder ({model.Parameters.Trainable:N0} weights) on {data.TrainingCount} pictures", config.Steps, "steps", display =>
        {
            using var loop = new TrainLoop(ops, step, RunSettings.Train(config, data.Identity), new RunProgress(console, display))
            {
                Folder = folder,
                Sample = (number, metrics) => Reconstructions(ops, model, data, number, metrics),
            };
            result = loop.Run(stop);
            if (result.Finished) loop.WithAverage(() => Finish(ops, model, data, source));
            return true;
        });
        if (skipped.Total > 0) console.Note(skipped.Summary());
        if (result.Finished) Attribution.Write(Path.Combine(config.Output, Attribution.FileName), data.Attributions(result.Steps * batch));
        RunReport.Write(config.Output, $"Autoencoder: {config.Output}");
        return result;
    }

    AutoencoderKL Build(IOps ops)
    {
        var type = RunSettings.Type(config.Precision);
        if (config.FromWeights)
        {
            string from = config.Pipeline ?? throw new ConfigException("from_weights needs pipeline, the folder whose autoencoder training starts from");
            return AutoencoderKL.FromFolder(new PipelineFolder(from).Vae, ops, type, training: true);
        }
        var shape = config.Autoencoder is { } given ? AutoencoderConfig.Parse(given.ToJsonString(), "autoencoder (configuration)")
            : config.Pipeline is { } pipeline ? AutoencoderConfig.Load(new PipelineFolder(pipeline).Vae)
            : throw new ConfigException("autoencoder is missing: give its configuration, or a pipeline that has one");
        var model = new AutoencoderKL(shape, ops, type, training: true);
        model.Parameters.Initialize(config.Seed);
        StartWithLittleNoise(ops, model);
        return model;
    }

    // A random network's log-variance is about 0: noise as strong as the latent, under which the decoder learns nothing for long.
    void StartWithLittleNoise(IOps ops, AutoencoderKL model)
    {
        if (config.AutoencoderLoss.InitialLogVariance == 0) return;
        var bias = model.Parameters["quant_conv.bias"];
        int channels = model.Config.LatentChannels;
        var values = new float[2 * channels];
        Array.Fill(values, (float)config.AutoencoderLoss.InitialLogVariance, channels, channels);
        ops.Upload<float>(values, new Tensor(model.Parameters.Master.Data + (nint)(bias.Offset * sizeof(float)), DType.F32, values.Length));
        model.Parameters.RefreshCompute();
    }

    void Reconstructions(IOps ops, AutoencoderKL model, PictureDataset data, long number, MetricsWriter metrics)
    {
        int count = Math.Min(GridPictures, data.HeldOutCount > 0 ? data.HeldOutCount : data.TrainingCount), side = config.Data.Resolution;
        var batch = data.NewBatch(count);
        if (data.HeldOutCount > 0) data.FillHeldOut(batch, 0, count);
        else data.Fill(batch, 0);
        model.Training = false;
        var made = Apply(ops, model, batch, (moments, latent) => ops.PosteriorForward(moments, Tensor.None, latent, Tensor.None), latent => model.Decode(latent));
        model.Training = true;
        var pictures = new List<RgbPicture>();
        for (int i = 0; i < count; i++)
        {
            pictures.Add(RgbPicture.FromSigned(batch.Pixels.AsSpan(i * batch.PictureSize, batch.PictureSize), side, side));
            pictures.Add(RgbPicture.FromSigned(made.AsSpan(i * batch.PictureSize, batch.PictureSize), side, side));
        }
        var grid = SampleGrid.Compose(pictures, columns: 8);
        metrics.Image(number, "reconstructions", grid.ToPng(), grid.Width, grid.Height);
    }

    void Finish(IOps ops, AutoencoderKL model, PictureDataset data, IPictureSource source)
    {
        var folder = new PipelineFolder(Path.Combine(config.Output, ModelFolder.Name));
        // Measured before anything is written: a run that ends here must not leave these weights beside the scale of others.
        var measured = model.Config with { ScalingFactor = MeasureScale(ops, model, data) };
        Directory.CreateDirectory(folder.Vae);
        AtomicFile.Write(Path.Combine(folder.Vae, "config.json"), Encoding.UTF8.GetBytes(measured.ToJson()));
        model.Parameters.Save(Path.Combine(folder.Vae, AutoencoderKL.FileName + ".safetensors"));
        if (config.Pipeline is { } pipeline)
        {
            ModelFolder.Copy(new PipelineFolder(pipeline), folder, f => f.TextEncoder, f => f.Tokenizer, f => f.Scheduler);
            return;
        }
        ModelFolder.WriteText(folder, config.TextEncoder, source.Read().Select(s => s.Caption).OfType<string>(), config.Seed, ops);
        ModelFolder.WriteScheduler(folder, new SchedulerConfig());
    }

    /// <summary>The factor that gives latents a deviation of 1, as the noise has.</summary>
    float MeasureScale(IOps ops, AutoencoderKL model, PictureDataset data)
    {
        double sum = 0, squares = 0;
        long count = 0;
        model.Training = false;
        var batch = data.NewBatch(Math.Min(16, data.TrainingCount));
        for (int start = 0; start < Math.Min(ScalePictures, data.TrainingCount); start += batch.Size)
        {
            data.Fill(batch, start);
            foreach (float value in Apply(ops, model, batch, (moments, latent) => ops.PosteriorForward(moments, Tensor.None, latent, Tensor.None), latent => ops.Arena.Retain(latent)))
            {
                sum += value;
                squares += (double)value * value;
                count++;
            }
        }
        model.Training = true;
        double mean = sum / count, variance = squares / count - mean * mean;
        return (float)(1 / Math.Sqrt(Math.Max(variance, 1e-12)));
    }

    // Encodes a batch, turns moments into latents and these into what is returned.
    static float[] Apply(IOps ops, AutoencoderKL model, PictureBatch batch, Action<Tensor, Tensor> toLatent, Func<Tensor, Tensor> then)
    {
        var arena = ops.Arena;
        int side = (int)Math.Sqrt(batch.PictureSize / 3);
        ops.BeginStep();
        var full = arena.Rent(DType.F32, batch.Size, side, side, 3);
        ops.Upload<float>(batch.Pixels, full);
        var image = arena.RentLike(full, model.Parameters.Type);
        ops.Cast(full, image);
        var moments = model.Encode(image);
        var latent = arena.Rent(moments.Type, moments[0], moments[1], moments[2], moments[3] / 2);
        toLatent(moments, latent);
        var result = then(latent);
        var wide = arena.RentLike(result, DType.F32);
        ops.Cast(result, wide);
        var values = new float[wide.Count];
        ops.Download<float>(wide, values);
        foreach (var tensor in (ReadOnlySpan<Tensor>)[full, image, moments, latent, result, wide]) arena.Release(tensor);
        ops.EndStep();
        return values;
    }
}
