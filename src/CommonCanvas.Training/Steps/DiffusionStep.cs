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
    Tensor latents, noises, texts;

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
    protected override void Load(LatentBatch batch, int start, int count, long step)
    {
        long first = batch.Position + start;
        for (int b = 0; b < count; b++)
        {
            lossOf.SetTimestep(b, objective.Timestep(first + b, step));
            if (objective.DropsCaption(first + b, step)) data.EmptyText.CopyTo(batch.TextOf(start + b));
        }
        SetKeys(RandomPurpose.Posterior);
        LoadLatents(batch, start, count);
        SetKeys(RandomPurpose.Noise);
        Normal(Noise(count));
        if (objective.OffsetNoise != 0)
        {
            SetKeys(RandomPurpose.OffsetNoise);
            AddOffset(Noise(count));
        }
        LoadRest(batch, start, count);

        void SetKeys(RandomPurpose purpose)
        {
            for (int b = 0; b < count; b++) Keys[b] = objective.Key(purpose, first + b, step);
        }
    }

    // Timesteps are spread evenly, so that few samples already cover the schedule; the noise is of no seed, so that runs can be compared.
    /// <inheritdoc/>
    protected override void LoadHeldOut(LatentBatch batch, int start, int count, int total)
    {
        data.FillHeldOut(batch, start, count);
        for (int b = 0; b < count; b++) lossOf.SetTimestep(b, (int)((start + b + 0.5) / total * objective.Schedule.Steps), weigh: false);
        SetKeys(1);
        LoadLatents(batch, 0, count);
        SetKeys(0);
        Normal(Noise(count));
        LoadRest(batch, 0, count);

        void SetKeys(uint use)
        {
            for (int b = 0; b < count; b++) Keys[b] = new RandomKey(0, RandomPurpose.Validation, (ulong)(start + b), use);
        }
    }

    /// <inheritdoc/>
    protected override void Compute(int count, Tensor loss, GradientPart? part) => lossOf.Run(Latents(count), Noise(count), Text(count), loss, part);

    Tensor Latents(int count) => Lasting(ref latents, count, Parameters.Type, data.LatentHeight, data.LatentWidth, data.LatentChannels);

    Tensor Noise(int count) => Lasting(ref noises, count, Parameters.Type, data.LatentHeight, data.LatentWidth, data.LatentChannels);

    Tensor Text(int count) => Lasting(ref texts, count, Parameters.Type, data.TextTokens, data.TextWidth);

    // The batch's latents; a cache of posteriors is sampled here.
    void LoadLatents(LatentBatch batch, int start, int count)
    {
        int size = data.LatentSize;
        var values = batch.Latents.AsSpan(start * size, count * size);
        if (!data.HoldsMoments)
        {
            Ops.UploadTo(values, Latents(count));
            return;
        }
        var stored = Ops.UploadAs(values, Parameters.Type, count, data.LatentHeight, data.LatentWidth, data.StoredChannels);
        var noise = Ops.Arena.RentLike(Latents(count));
        Normal(noise);
        Ops.PosteriorForward(stored, noise, Latents(count), Tensor.None);
        Ops.Arena.Release(noise);
        Ops.Arena.Release(stored);
    }

    void LoadRest(LatentBatch batch, int start, int count)
    {
        Ops.UploadTo(batch.Text.AsSpan(start * data.TextSize, count * data.TextSize), Text(count));
        lossOf.Load();
    }

    // One number for each sample and channel, the same at all its pixels.
    void AddOffset(Tensor noise)
    {
        var arena = Ops.Arena;
        var constants = arena.Rent(noise.Type, noise[0], 1, 1, noise[3]);
        Normal(constants);
        Ops.Scale(constants, (float)objective.OffsetNoise, constants);
        var spread = arena.RentLike(noise);
        Ops.UpsampleForward(constants, spread);
        Ops.Add(noise, spread, noise);
        arena.Release(spread);
        arena.Release(constants);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (!disposing) return;
        lossOf.Dispose();
        Ops.Arena.Drop(ref latents);
        Ops.Arena.Drop(ref noises);
        Ops.Arena.Drop(ref texts);
    }
}
