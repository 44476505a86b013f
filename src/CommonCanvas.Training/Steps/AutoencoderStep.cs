using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// A step of the autoencoder: encode, sample the posterior, decode; the loss is the mean squared error plus a small
/// weight times the posterior's KL divergence from the unit Gaussian (summed over a sample, averaged over the batch; Kingma
/// and Welling, "Auto-encoding variational Bayes").
/// </summary>
public sealed class AutoencoderStep : ITrainStep
{
    readonly IOps ops;
    readonly AutoencoderKL model;
    readonly PictureDataset data;
    readonly int microbatch;
    readonly double klWeight;
    readonly ulong seed;
    readonly Prefetcher<PictureBatch> batches;
    readonly RandomKey[] keys;
    readonly float[] ones, mseValues, klValues;
    readonly int validationSamples;
    Tensor mse, kl;
    PictureBatch? current;

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
    {
        if (batchSize < 1 || microbatch < 1) throw new ArgumentException($"batch size {batchSize}, microbatch {microbatch}: both must be at least 1");
        if (data.Resolution % model.Config.Downscale != 0)
            throw new ArgumentException($"resolution {data.Resolution} is not a multiple of {model.Config.Downscale}, by which the autoencoder shrinks pictures");
        (this.ops, this.model, this.data, BatchSize, this.klWeight, this.seed) = (ops, model, data, batchSize, klWeight, seed);
        this.microbatch = Math.Min(microbatch, batchSize);
        this.validationSamples = Math.Min(validationSamples, data.HeldOutCount);
        int most = Math.Max(batchSize, this.validationSamples);
        keys = new RandomKey[this.microbatch];
        (ones, mseValues, klValues) = (new float[this.microbatch], new float[most], new float[most]);
        Array.Fill(ones, 1);
        mse = ops.Arena.Rent(DType.F32, most);
        kl = ops.Arena.Rent(DType.F32, most);
        batches = new Prefetcher<PictureBatch>(() => data.NewBatch(batchSize), (batch, step) => data.Fill(batch, (step - 1) * batchSize));
    }

    /// <inheritdoc/>
    public ParameterSet Parameters => model.Parameters;

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
            for (int b = 0; b < count; b++) keys[b] = new RandomKey(seed, RandomPurpose.Posterior, (ulong)(batch.Position + start + b), (uint)step);
            Forward(Upload(batch, start, count), start, lossScale / BatchSize, backward: true);
        }
        double loss = MeanLoss(BatchSize);
        ops.EndStep();
        return loss;
    }

    /// <inheritdoc/>
    public double? Validate()
    {
        if (validationSamples == 0) return null;
        var batch = data.NewBatch(microbatch);
        for (int start = 0; start < validationSamples; start += microbatch)
        {
            int count = Math.Min(microbatch, validationSamples - start);
            data.FillHeldOut(batch, start, count);
            for (int b = 0; b < count; b++) keys[b] = new RandomKey(0, RandomPurpose.Validation, (ulong)(start + b), 0);
            Forward(Upload(batch, 0, count), start, 0, backward: false);
        }
        return MeanLoss(validationSamples);
    }

    Tensor Upload(PictureBatch batch, int start, int count)
    {
        int size = batch.PictureSize;
        return ops.UploadAs(batch.Pixels.AsSpan(start * size, count * size), Parameters.Type, count, data.Resolution, data.Resolution, 3);
    }

    // Releases the image. The gradient's scale holds the batch's share.
    void Forward(Tensor image, int start, float gradientScale, bool backward)
    {
        var arena = ops.Arena;
        int count = image[0];
        var weight = ops.UploadAs(ones.AsSpan(0, count), DType.F32, count);
        model.Training = backward;
        var moments = model.Encode(image);
        var latent = arena.Rent(moments.Type, count, moments[1], moments[2], moments[3] / 2);
        var noise = arena.RentLike(latent);
        ops.RandomNormal(keys.AsSpan(0, count), noise);
        ops.PosteriorForward(moments, noise, latent, kl.Slice(start, count));
        var decoded = model.Decode(latent);
        model.Training = true;
        ops.MseForward(decoded, image, weight, mse.Slice(start, count));
        if (backward)
        {
            var slope = arena.RentLike(decoded);
            ops.MseBackward(decoded, image, weight, gradientScale, slope);
            var dLatent = model.DecodeBackward(slope);
            var dMoments = arena.RentLike(moments);
            ops.PosteriorBackward(moments, noise, dLatent, (float)(gradientScale * klWeight), dMoments);
            model.EncodeBackward(dMoments);
            foreach (var tensor in (ReadOnlySpan<Tensor>)[slope, dLatent, dMoments]) arena.Release(tensor);
        }
        foreach (var tensor in (ReadOnlySpan<Tensor>)[image, weight, moments, latent, noise, decoded]) arena.Release(tensor);
    }

    double MeanLoss(int count)
    {
        ops.Download(mse.Slice(0, count), mseValues.AsSpan(0, count));
        ops.Download(kl.Slice(0, count), klValues.AsSpan(0, count));
        double sum = 0;
        for (int b = 0; b < count; b++) sum += mseValues[b] + klWeight * klValues[b];
        return sum / count;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        batches.Dispose();
        ops.Arena.Drop(ref mse);
        ops.Arena.Drop(ref kl);
    }
}
