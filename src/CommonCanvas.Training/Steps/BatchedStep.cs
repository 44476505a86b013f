using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// What the steps of all models share: batches read ahead, worked off in microbatches, each of which enters with its share
/// of the batch, so that the split changes memory and not the result.
/// </summary>
/// <typeparam name="TBatch">Host memory for a batch.</typeparam>
public abstract class BatchedStep<TBatch> : ITrainStep where TBatch : class
{
    readonly Func<int, TBatch> newBatch;
    readonly Prefetcher<TBatch> batches;
    readonly int validationSamples;
    TBatch? current;

    /// <summary>Nothing is read before the first step.</summary>
    /// <param name="ops">The device.</param>
    /// <param name="batchSize">Samples in a step.</param>
    /// <param name="microbatch">Samples in the model at once; the last microbatch may be smaller.</param>
    /// <param name="validationSamples">Samples of the validation loss.</param>
    /// <param name="newBatch">Makes memory for a number of samples.</param>
    /// <param name="fill">Reads the samples from a place of the stream on; called on another thread.</param>
    protected BatchedStep(IOps ops, int batchSize, int microbatch, int validationSamples, Func<int, TBatch> newBatch, Action<TBatch, long> fill)
    {
        if (batchSize < 1 || microbatch < 1) throw new ArgumentException($"batch size {batchSize}, microbatch {microbatch}: both must be at least 1");
        (Ops, BatchSize, Microbatch) = (ops, batchSize, Math.Min(microbatch, batchSize));
        (this.validationSamples, this.newBatch) = (validationSamples, newBatch);
        Keys = new RandomKey[Microbatch];
        batches = new Prefetcher<TBatch>(() => newBatch(batchSize), (batch, step) => fill(batch, (step - 1) * batchSize));
    }

    /// <inheritdoc/>
    public abstract ParameterSet Parameters { get; }

    /// <inheritdoc/>
    public int BatchSize { get; }

    /// <summary>The device.</summary>
    protected IOps Ops { get; }

    /// <summary>Most samples in the model at once.</summary>
    protected int Microbatch { get; }

    /// <summary>Room for the keys of a microbatch's random numbers.</summary>
    protected RandomKey[] Keys { get; }

    /// <inheritdoc/>
    public void Seek(long step) => batches.Seek(step);

    /// <inheritdoc/>
    public void Run(long step, float lossScale, Tensor losses)
    {
        current = batches.Next(step);
        Repeat(step, lossScale, losses);
    }

    /// <inheritdoc/>
    public void Repeat(long step, float lossScale, Tensor losses)
    {
        var batch = current ?? throw new InvalidOperationException("no step has been run");
        Ops.BeginStep();
        Parameters.ZeroGradients();
        for (int start = 0; start < BatchSize; start += Microbatch)
        {
            int count = Math.Min(Microbatch, BatchSize - start);
            Train(batch, start, count, step, losses.Slice(start, count), lossScale / BatchSize);
        }
        Ops.EndStep();
    }

    /// <inheritdoc/>
    public double? Validate()
    {
        if (validationSamples == 0) return null;
        var batch = newBatch(Microbatch);
        var losses = Ops.Arena.Rent(DType.F32, validationSamples);
        Ops.BeginStep();
        for (int start = 0; start < validationSamples; start += Microbatch)
        {
            int count = Math.Min(Microbatch, validationSamples - start);
            Validate(batch, start, count, validationSamples, losses.Slice(start, count));
        }
        Ops.EndStep();
        double sum = 0;
        foreach (float loss in Ops.DownloadFloats(losses)) sum += loss;
        Ops.Arena.Release(losses);
        return sum / validationSamples;
    }

    /// <summary>Writes the losses of some samples of a batch and adds the gradient of <paramref name="gradientScale"/> times their sum.</summary>
    protected abstract void Train(TBatch batch, int start, int count, long step, Tensor loss, float gradientScale);

    /// <summary>Reads held-out samples <paramref name="start"/> and following, <paramref name="count"/> of <paramref name="total"/>, and writes their losses.</summary>
    protected abstract void Validate(TBatch batch, int start, int count, int total, Tensor loss);

    /// <summary>Standard normal numbers of <see cref="Keys"/>, one key for each sample.</summary>
    protected Tensor Normal(Tensor like)
    {
        var noise = Ops.Arena.RentLike(like);
        Ops.RandomNormal(Keys.AsSpan(0, like[0]), noise);
        return noise;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends reading ahead; the model stays its owner's.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing) batches.Dispose();
    }
}
