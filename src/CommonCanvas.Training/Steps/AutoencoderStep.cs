using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// A step of the autoencoder: encode, sample the posterior, decode; the loss is the mean squared error plus a small
/// weight times the posterior's KL divergence from the unit Gaussian (summed over a sample, averaged over the batch; Kingma
/// and Welling, "Auto-encoding variational Bayes").
/// </summary>
public sealed class AutoencoderStep : BatchedStep<PictureBatch>
{
    readonly AutoencoderKL model;
    readonly PictureDataset data;
    readonly double klWeight;
    readonly ulong seed;
    Tensor images, noises, weights;

    /// <summary>Connects data and model.</summary>
    /// <param name="ops">The device on which the model lies.</param>
    /// <param name="model">Made for training.</param>
    /// <param name="data">The pictures.</param>
    /// <param name="batchSize">Samples in a step.</param>
    /// <param name="microbatch">Samples in the model at once.</param>
    /// <param name="klWeight">Weight of the KL divergence; 1e-6 is usual.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="validationSamples">Held-out samples that the validation loss looks at, at most.</param>
    public AutoencoderStep(IOps ops, AutoencoderKL model, PictureDataset data, int batchSize, int microbatch, double klWeight, ulong seed, int validationSamples = 64)
        : base(ops, batchSize, microbatch, Math.Min(validationSamples, data.HeldOutCount), data.NewBatch, data.Fill)
    {
        if (data.Resolution % model.Config.Downscale != 0)
            throw new ArgumentException($"resolution {data.Resolution} is not a multiple of {model.Config.Downscale}, by which the autoencoder shrinks pictures");
        (this.model, this.data, this.klWeight, this.seed) = (model, data, klWeight, seed);
    }

    /// <inheritdoc/>
    public override ParameterSet Parameters => model.Parameters;

    /// <inheritdoc/>
    protected override void Load(PictureBatch batch, int start, int count, long step)
    {
        for (int b = 0; b < count; b++) Keys[b] = new RandomKey(seed, RandomPurpose.Posterior, (ulong)(batch.Position + start + b), (uint)step);
        Load(batch, start, count);
    }

    /// <inheritdoc/>
    protected override void LoadHeldOut(PictureBatch batch, int start, int count, int total)
    {
        data.FillHeldOut(batch, start, count);
        for (int b = 0; b < count; b++) Keys[b] = new RandomKey(0, RandomPurpose.Validation, (ulong)(start + b), 0);
        Load(batch, 0, count);
    }

    void Load(PictureBatch batch, int start, int count)
    {
        int size = batch.PictureSize;
        Ops.UploadTo(batch.Pixels.AsSpan(start * size, count * size), Images(count));
        Normal(Noise(count));
        if (weights.IsNone) Ops.Fill(1, Weight(Microbatch));
    }

    Tensor Images(int count) => Lasting(ref images, count, Parameters.Type, data.Resolution, data.Resolution, 3);

    Tensor Noise(int count)
    {
        int side = data.Resolution / model.Config.Downscale;
        return Lasting(ref noises, count, Parameters.Type, side, side, model.Config.LatentChannels);
    }

    Tensor Weight(int count) => Lasting(ref weights, count, DType.F32);

    /// <inheritdoc/>
    protected override void Compute(int count, Tensor loss, GradientPart? part)
    {
        var arena = Ops.Arena;
        Tensor image = Images(count), noise = Noise(count), weight = Weight(count), kl = arena.Rent(DType.F32, count);
        model.Training = part is not null;
        var moments = model.Encode(image);
        var latent = arena.RentLike(noise);
        Ops.PosteriorForward(moments, noise, latent, kl);
        var decoded = model.Decode(latent);
        model.Training = true;
        Ops.MseForward(decoded, image, weight, loss);
        Ops.Scale(kl, (float)klWeight, kl);
        Ops.Add(loss, kl, loss);
        if (part is var (scale, accumulate))
        {
            var slope = arena.RentLike(decoded);
            Ops.MseBackward(decoded, image, weight, scale, slope);
            model.Parameters.ReceiveGradients(accumulate, () =>
            {
                var dLatent = model.DecodeBackward(slope);
                var dMoments = arena.RentLike(moments);
                Ops.PosteriorBackward(moments, noise, dLatent, (float)(scale * klWeight), dMoments);
                model.EncodeBackward(dMoments);
                arena.Release(dLatent);
                arena.Release(dMoments);
            });
            arena.Release(slope);
        }
        foreach (var tensor in (ReadOnlySpan<Tensor>)[kl, moments, latent, decoded]) arena.Release(tensor);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (!disposing) return;
        foreach (var tensor in (ReadOnlySpan<Tensor>)[images, noises, weights]) Ops.Arena.Release(tensor);
        (images, noises, weights) = (default, default, default);
    }
}
