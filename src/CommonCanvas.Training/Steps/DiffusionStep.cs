using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// A step of the U-Net: latents get noise at random timesteps, the U-Net predicts it (or v, or the latent) beside the
/// caption's embedding, the weighted squared error goes backward. A batch is worked off in microbatches; the gradient of
/// each enters with its share of the batch, so the split changes memory and not the result.
/// </summary>
public sealed class DiffusionStep : ITrainStep
{
    readonly IOps ops;
    readonly UNet unet;
    readonly DiffusionObjective objective;
    readonly LatentDataset data;
    readonly int microbatch;
    readonly Prefetcher<LatentBatch> batches;
    readonly DiffusionLoss loss;
    readonly RandomKey[] keys;
    readonly float[] lossValues;
    readonly long validationSamples;
    Tensor losses;
    LatentBatch? current;

    /// <summary>Connects data and model.</summary>
    /// <param name="ops">The device on which the U-Net lies.</param>
    /// <param name="unet">Made for training.</param>
    /// <param name="objective">What to learn.</param>
    /// <param name="data">Precomputed latents and text.</param>
    /// <param name="batchSize">Samples in a step.</param>
    /// <param name="microbatch">Samples in the model at once; the last microbatch may be smaller.</param>
    /// <param name="validationSamples">Held-out samples that the validation loss looks at, at most.</param>
    public DiffusionStep(IOps ops, UNet unet, DiffusionObjective objective, LatentDataset data, int batchSize, int microbatch, int validationSamples = 256)
    {
        if (batchSize < 1 || microbatch < 1) throw new ArgumentException($"batch size {batchSize}, microbatch {microbatch}: both must be at least 1");
        if (data.TextWidth != unet.Config.CrossAttentionDim)
            throw new ArgumentException($"{data.Folder}: its text embeddings have {data.TextWidth} numbers a token, the U-Net takes cross_attention_dim {unet.Config.CrossAttentionDim}; precompute with this model's text encoder");
        if (data.LatentChannels != unet.Config.InChannels)
            throw new ArgumentException($"{data.Folder}: its latents have {data.LatentChannels} channels, the U-Net takes in_channels {unet.Config.InChannels}; precompute with this model's autoencoder");
        (this.ops, this.unet, this.objective, this.data, BatchSize) = (ops, unet, objective, data, batchSize);
        this.microbatch = Math.Min(microbatch, batchSize);
        this.validationSamples = Math.Min(validationSamples, data.HeldOutCount);
        keys = new RandomKey[this.microbatch];
        loss = new DiffusionLoss(ops, unet, objective, this.microbatch);
        int most = Math.Max(batchSize, (int)Math.Min(this.validationSamples, int.MaxValue));
        lossValues = new float[most];
        losses = ops.Arena.Rent(DType.F32, most);
        batches = new Prefetcher<LatentBatch>(() => data.NewBatch(batchSize), (batch, step) => data.Fill(batch, (step - 1) * batchSize));
    }

    /// <inheritdoc/>
    public ParameterSet Parameters => unet.Parameters;

    /// <inheritdoc/>
    public int BatchSize { get; }

    /// <inheritdoc/>
    public void Seek(long step) => batches.Seek(step);

    /// <inheritdoc/>
    public double Run(long step, float lossScale)
    {
        current = batches.Next(step);
        return Repeat(step, lossScale);
    }

    /// <inheritdoc/>
    public double Repeat(long step, float lossScale)
    {
        var batch = current ?? throw new InvalidOperationException("no step has been run");
        ops.BeginStep();
        Parameters.ZeroGradients();
        for (int start = 0; start < BatchSize; start += microbatch)
        {
            int count = Math.Min(microbatch, BatchSize - start);
            for (int b = 0; b < count; b++)
            {
                long position = batch.Position + start + b;
                loss.SetTimestep(b, objective.Timestep(position, step));
                if (objective.DropsCaption(position, step)) data.EmptyText.CopyTo(batch.TextOf(start + b));
            }
            var x0 = Latents(batch, start, count, RandomPurpose.Posterior, step);
            var noise = Noise(x0, batch.Position + start, RandomPurpose.Noise, step);
            var text = ops.UploadAs(batch.Text.AsSpan(start * data.TextSize, count * data.TextSize), unet.Parameters.Type, count, data.TextTokens, data.TextWidth);
            loss.Run(x0, noise, text, losses.Slice(start, count), lossScale / BatchSize);
        }
        double mean = MeanLoss(BatchSize);
        ops.EndStep();
        return mean;
    }

    /// <inheritdoc/>
    public double? Validate()
    {
        if (validationSamples == 0) return null;
        var batch = data.NewBatch(microbatch);
        for (int start = 0; start < validationSamples; start += microbatch)
        {
            int count = (int)Math.Min(microbatch, validationSamples - start);
            data.FillHeldOut(batch, start, count);
            // Timesteps are spread evenly, so that few samples already cover the schedule.
            for (int b = 0; b < count; b++) loss.SetTimestep(b, (int)((start + b + 0.5) / validationSamples * objective.Schedule.Steps), weigh: false);
            var x0 = Latents(batch, 0, count, RandomPurpose.Validation, 1);
            var noise = Noise(x0, start, RandomPurpose.Validation, 0);
            var text = ops.UploadAs(batch.Text.AsSpan(0, count * data.TextSize), unet.Parameters.Type, count, data.TextTokens, data.TextWidth);
            loss.Run(x0, noise, text, losses.Slice(start, count), gradientScale: null);
        }
        return MeanLoss((int)validationSamples);
    }

    // The batch's latents; a cache of posteriors is sampled here.
    Tensor Latents(LatentBatch batch, int start, int count, RandomPurpose purpose, long step)
    {
        int size = data.LatentSize;
        var stored = ops.UploadAs(batch.Latents.AsSpan(start * size, count * size), unet.Parameters.Type, count, data.LatentHeight, data.LatentWidth, data.StoredChannels);
        if (!data.HoldsMoments) return stored;
        var latent = ops.Arena.Rent(stored.Type, count, data.LatentHeight, data.LatentWidth, data.LatentChannels);
        var noise = Normal(latent, batch.Position + start, purpose, step);
        ops.PosteriorForward(stored, noise, latent, Tensor.None);
        ops.Arena.Release(noise);
        ops.Arena.Release(stored);
        return latent;
    }

    Tensor Noise(Tensor like, long position, RandomPurpose purpose, long step)
    {
        var noise = Normal(like, position, purpose, step);
        if (objective.OffsetNoise == 0 || purpose != RandomPurpose.Noise) return noise;
        var arena = ops.Arena;
        var constants = arena.Rent(like.Type, like[0], 1, 1, like[3]);
        SetKeys(like[0], position, RandomPurpose.OffsetNoise, step);
        ops.RandomNormal(keys.AsSpan(0, like[0]), constants);
        ops.Scale(constants, (float)objective.OffsetNoise, constants);
        var spread = arena.RentLike(like);
        ops.UpsampleForward(constants, spread);
        ops.Add(noise, spread, noise);
        arena.Release(spread);
        arena.Release(constants);
        return noise;
    }

    Tensor Normal(Tensor like, long position, RandomPurpose purpose, long step)
    {
        var noise = ops.Arena.RentLike(like);
        SetKeys(like[0], position, purpose, step);
        ops.RandomNormal(keys.AsSpan(0, like[0]), noise);
        return noise;
    }

    void SetKeys(int count, long position, RandomPurpose purpose, long step)
    {
        for (int b = 0; b < count; b++)
            keys[b] = purpose == RandomPurpose.Validation ? new RandomKey(0, purpose, (ulong)(position + b), (uint)step) : objective.Key(purpose, position + b, step);
    }

    double MeanLoss(int count)
    {
        var values = lossValues.AsSpan(0, count);
        ops.Download(losses.Slice(0, count), values);
        double sum = 0;
        foreach (float value in values) sum += value;
        return sum / count;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        batches.Dispose();
        ops.Arena.Drop(ref losses);
    }
}
