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
    readonly float[] ones;

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
        ones = new float[Microbatch];
        Array.Fill(ones, 1);
    }

    /// <inheritdoc/>
    public override ParameterSet Parameters => model.Parameters;

    /// <inheritdoc/>
    protected override void Train(PictureBatch batch, int start, int count, long step, Tensor loss, float gradientScale)
    {
        for (int b = 0; b < count; b++) Keys[b] = new RandomKey(seed, RandomPurpose.Posterior, (ulong)(batch.Position + start + b), (uint)step);
        Forward(Upload(batch, start, count), loss, gradientScale);
    }

    /// <inheritdoc/>
    protected override void Validate(PictureBatch batch, int start, int count, int total, Tensor loss)
    {
        data.FillHeldOut(batch, start, count);
        for (int b = 0; b < count; b++) Keys[b] = new RandomKey(0, RandomPurpose.Validation, (ulong)(start + b), 0);
        Forward(Upload(batch, 0, count), loss, gradientScale: null);
    }

    Tensor Upload(PictureBatch batch, int start, int count)
    {
        int size = batch.PictureSize;
        return Ops.UploadAs(batch.Pixels.AsSpan(start * size, count * size), Parameters.Type, count, data.Resolution, data.Resolution, 3);
    }

    // Releases the image.
    void Forward(Tensor image, Tensor loss, float? gradientScale)
    {
        var arena = Ops.Arena;
        int count = image[0];
        var weight = Ops.UploadAs(ones.AsSpan(0, count), DType.F32, count);
        var kl = arena.Rent(DType.F32, count);
        model.Training = gradientScale is not null;
        var moments = model.Encode(image);
        var latent = arena.Rent(moments.Type, count, moments[1], moments[2], moments[3] / 2);
        var noise = Normal(latent);
        Ops.PosteriorForward(moments, noise, latent, kl);
        var decoded = model.Decode(latent);
        model.Training = true;
        Ops.MseForward(decoded, image, weight, loss);
        Ops.Scale(kl, (float)klWeight, kl);
        Ops.Add(loss, kl, loss);
        if (gradientScale is { } scale)
        {
            var slope = arena.RentLike(decoded);
            Ops.MseBackward(decoded, image, weight, scale, slope);
            var dLatent = model.DecodeBackward(slope);
            var dMoments = arena.RentLike(moments);
            Ops.PosteriorBackward(moments, noise, dLatent, (float)(scale * klWeight), dMoments);
            model.EncodeBackward(dMoments);
            foreach (var tensor in (ReadOnlySpan<Tensor>)[slope, dLatent, dMoments]) arena.Release(tensor);
        }
        foreach (var tensor in (ReadOnlySpan<Tensor>)[image, weight, kl, moments, latent, noise, decoded]) arena.Release(tensor);
    }
}
