using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// What the steps of all models share: batches read ahead, worked off in microbatches, each of which enters with its share
/// of the batch, so that the split changes memory and not the result. A microbatch has two parts: what changes from one to
/// the next (samples, noise, timesteps) is loaded into the same device memory each time, and the model's work on it is the
/// same calls with the same arguments each time, so that a GPU can record them.
/// </summary>
/// <typeparam name="TBatch">Host memory for a batch.</typeparam>
public abstract class BatchedStep<TBatch> : ITrainStep where TBatch : class
{
    readonly Func<int, TBatch> newBatch;
    readonly Prefetcher<TBatch> batches;
    readonly RecordedWork work;
    readonly int validationSamples;
    TBatch? current;
    Tensor microbatchLosses;

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
        work = new RecordedWork(ops, (count, part) => Compute(count, microbatchLosses.Slice(0, count), part));
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
    public void Record(Action<string> note) => _ = work.Enable(note);

    /// <inheritdoc/>
    public void Run(long step, float lossScale, Tensor losses)
    {
        current = batches.Next(step);
        Go(current, step, lossScale, losses, inspected: false);
    }

    /// <inheritdoc/>
    public void Repeat(long step, float lossScale, Tensor losses) =>
        Go(current ?? throw new InvalidOperationException("no step has been run"), step, lossScale, losses, inspected: true);

    void Go(TBatch batch, long step, float lossScale, Tensor losses, bool inspected)
    {
        float gradientScale = lossScale / BatchSize;
        Ops.BeginStep();
        for (int start = 0; start < BatchSize; start += Microbatch)
        {
            int count = Math.Min(Microbatch, BatchSize - start);
            using (Ops.Range("load")) Load(batch, start, count, step);
            var computed = Lasting(ref microbatchLosses, count, DType.F32);
            var part = new GradientPart(gradientScale, Accumulate: start > 0);
            if (inspected) work.Eagerly(count, part);
            else work.Run(count, part);
            Ops.Cast(computed, losses.Slice(start, count));
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
            LoadHeldOut(batch, start, count, validationSamples);
            var computed = Lasting(ref microbatchLosses, count, DType.F32);
            work.Beside(() => Compute(count, computed, part: null));
            Ops.Cast(computed, losses.Slice(start, count));
        }
        Ops.EndStep();
        double sum = 0;
        foreach (float loss in Ops.DownloadFloats(losses)) sum += loss;
        Ops.Arena.Release(losses);
        return sum / validationSamples;
    }

    /// <summary>Brings samples of a batch, and all that is drawn for them in a step, to the device.</summary>
    protected abstract void Load(TBatch batch, int start, int count, long step);

    /// <summary>Reads held-out samples <paramref name="start"/> and following, <paramref name="count"/> of <paramref name="total"/>, and brings them to the device.</summary>
    protected abstract void LoadHeldOut(TBatch batch, int start, int count, int total);

    /// <summary>
    /// Writes the losses of the first <paramref name="count"/> samples that were loaded and, unless <paramref name="part"/>
    /// is null, the gradient of their sum. Nothing in it may depend on anything else, nor copy from or to the host.
    /// </summary>
    protected abstract void Compute(int count, Tensor loss, GradientPart? part);

    /// <summary>
    /// The first <paramref name="count"/> samples of device memory that lasts as long as this: rented at the first call, for a
    /// whole microbatch. That call may not come from <see cref="Compute"/>, whose memory is rented anew each time.
    /// </summary>
    protected Tensor Lasting(ref Tensor memory, int count, DType type, int d1 = -1, int d2 = -1, int d3 = -1)
    {
        if (memory.IsNone) memory = Ops.Arena.Rent(type, Microbatch, d1, d2, d3);
        return memory.Slice(0, count);
    }

    /// <summary>Standard normal numbers of <see cref="Keys"/>, one key for each sample.</summary>
    protected void Normal(Tensor noise) => Ops.RandomNormal(Keys.AsSpan(0, noise[0]), noise);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends reading ahead and gives the memory back; the model stays its owner's.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing) return;
        batches.Dispose();
        work.Dispose();
        Ops.Arena.Drop(ref microbatchLosses);
    }
}
