using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// A step of the U-Net: latents get noise at random timesteps, the U-Net predicts it (or v, or the latent) beside the
/// caption's embedding, the weighted squared error goes backward.
/// </summary>
public sealed class DiffusionStep : BatchedStep<LatentBatch>
{
    readonly UNet unet;
    readonly DiffusionObjective objective;
    readonly LatentDataset data;
    readonly DiffusionLoss lossOf;

    /// <summary>Connects data and model.</summary>
    /// <param name="ops">The device on which the U-Net lies.</param>
    /// <param name="unet">Made for training.</param>
    /// <param name="objective">What to learn.</param>
    /// <param name="data">Precomputed latents and text.</param>
    /// <param name="batchSize">Samples in a step.</param>
    /// <param name="microbatch">Samples in the model at once; the last microbatch may be smaller.</param>
    /// <param name="validationSamples">Held-out samples that the validation loss looks at, at most.</param>
    public DiffusionStep(IOps ops, UNet unet, DiffusionObjective objective, LatentDataset data, int batchSize, int microbatch, int validationSamples = 256)
        : base(ops, batchSize, microbatch, Math.Min(validationSamples, data.HeldOutCount), data.NewBatch, data.Fill)
    {
        if (data.TextWidth != unet.Config.CrossAttentionDim)
            throw new ArgumentException($"{data.Folder}: its text embeddings have {data.TextWidth} numbers a token, the U-Net takes cross_attention_dim {unet.Config.CrossAttentionDim}; precompute with this model's text encoder");
        if (data.LatentChannels != unet.Config.InChannels)
            throw new ArgumentException($"{data.Folder}: its latents have {data.LatentChannels} channels, the U-Net takes in_channels {unet.Config.InChannels}; precompute with this model's autoencoder");
        // Asked for now, so that a cache without it is refused before the first step and not at the first dropped caption.
        if (objective.CaptionDropout > 0) _ = data.EmptyText;
        (this.unet, this.objective, this.data) = (unet, objective, data);
        lossOf = new DiffusionLoss(ops, unet, objective, Microbatch);
    }

    /// <inheritdoc/>
    public override ParameterSet Parameters => unet.Parameters;

    /// <inheritdoc/>
    protected override void Train(LatentBatch batch, int start, int count, long step, Tensor loss, float gradientScale)
    {
        long first = batch.Position + start;
        for (int b = 0; b < count; b++)
        {
            lossOf.SetTimestep(b, objective.Timestep(first + b, step));
            if (objective.DropsCaption(first + b, step)) data.EmptyText.CopyTo(batch.TextOf(start + b));
        }
        SetKeys(RandomPurpose.Posterior);
        var x0 = Latents(batch, start, count);
        SetKeys(RandomPurpose.Noise);
        var noise = Normal(x0);
        if (objective.OffsetNoise != 0)
        {
            SetKeys(RandomPurpose.OffsetNoise);
            AddOffset(noise);
        }
        lossOf.Run(x0, noise, Text(batch, start, count), loss, gradientScale);

        void SetKeys(RandomPurpose purpose)
        {
            for (int b = 0; b < count; b++) Keys[b] = objective.Key(purpose, first + b, step);
        }
    }

    // Timesteps are spread evenly, so that few samples already cover the schedule; the noise is of no seed, so that runs can be compared.
    /// <inheritdoc/>
    protected override void Validate(LatentBatch batch, int start, int count, int total, Tensor loss)
    {
        data.FillHeldOut(batch, start, count);
        for (int b = 0; b < count; b++) lossOf.SetTimestep(b, (int)((start + b + 0.5) / total * objective.Schedule.Steps), weigh: false);
        SetKeys(1);
        var x0 = Latents(batch, 0, count);
        SetKeys(0);
        lossOf.Run(x0, Normal(x0), Text(batch, 0, count), loss, gradientScale: null);

        void SetKeys(uint use)
        {
            for (int b = 0; b < count; b++) Keys[b] = new RandomKey(0, RandomPurpose.Validation, (ulong)(start + b), use);
        }
    }

    // The batch's latents; a cache of posteriors is sampled here.
    Tensor Latents(LatentBatch batch, int start, int count)
    {
        int size = data.LatentSize;
        var stored = Ops.UploadAs(batch.Latents.AsSpan(start * size, count * size), Parameters.Type, count, data.LatentHeight, data.LatentWidth, data.StoredChannels);
        if (!data.HoldsMoments) return stored;
        var latent = Ops.Arena.Rent(stored.Type, count, data.LatentHeight, data.LatentWidth, data.LatentChannels);
        var noise = Normal(latent);
        Ops.PosteriorForward(stored, noise, latent, Tensor.None);
        Ops.Arena.Release(noise);
        Ops.Arena.Release(stored);
        return latent;
    }

    Tensor Text(LatentBatch batch, int start, int count) =>
        Ops.UploadAs(batch.Text.AsSpan(start * data.TextSize, count * data.TextSize), Parameters.Type, count, data.TextTokens, data.TextWidth);

    // One number for each sample and channel, the same at all its pixels.
    void AddOffset(Tensor noise)
    {
        var arena = Ops.Arena;
        var constants = arena.Rent(noise.Type, noise[0], 1, 1, noise[3]);
        Ops.RandomNormal(Keys.AsSpan(0, noise[0]), constants);
        Ops.Scale(constants, (float)objective.OffsetNoise, constants);
        var spread = arena.RentLike(noise);
        Ops.UpsampleForward(constants, spread);
        Ops.Add(noise, spread, noise);
        arena.Release(spread);
        arena.Release(constants);
    }
}
