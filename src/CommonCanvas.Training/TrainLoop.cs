using System.Diagnostics;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>How a run ended.</summary>
/// <param name="Steps">Steps done in all.</param>
/// <param name="Finished">False: it was asked to stop; it can be resumed.</param>
/// <param name="LastLoss">Loss of the last step.</param>
/// <param name="Checkpoint">Folder of the last checkpoint.</param>
public sealed record TrainResult(long Steps, bool Finished, double LastLoss, string Checkpoint);

/// <summary>
/// A run: steps, updates, validation, samples, metrics and checkpoints, from the last checkpoint where there is one. The
/// same seed gives the same bits at any thread count, and a run that was stopped, or killed, and resumed gives the bits
/// and the loss curve of one that was not.
/// </summary>
public sealed class TrainLoop : IDisposable
{
    readonly IOps ops;
    readonly ITrainStep step;
    readonly TrainSettings settings;
    readonly ITrainProgress progress;
    readonly CheckpointStore store;
    readonly TrainState state;
    readonly StepReadout readout;
    readonly List<KeyValuePair<string, double>> values = [];
    MetricsWriter? metrics;
    long lastSaved;

    /// <summary>Makes the optimizer; nothing is read or written before <see cref="Run"/>.</summary>
    /// <param name="ops">The device; a <see cref="WatchedOps"/>, with which the model was made, can name the layer of a fault and count FLOPs.</param>
    /// <param name="step">The model's step.</param>
    /// <param name="settings">Length and outputs.</param>
    /// <param name="progress">Watches; null for nobody.</param>
    public TrainLoop(IOps ops, ITrainStep step, TrainSettings settings, ITrainProgress? progress = null)
    {
        if (settings.Steps < 0) throw new ArgumentException($"{settings.Steps} steps; must be 0 or more");
        (this.ops, this.step, this.settings, this.progress) = (ops, step, settings, progress ?? new SilentProgress());
        store = new CheckpointStore(settings.RunFolder, settings.KeepLast, settings.KeepEvery);
        var parameters = step.Parameters;
        if (parameters.Gradient.IsNone) throw new ArgumentException("the model was made for inference; make it for training");
        Optimizer = new Optimizer(ops, parameters.Master, parameters.Gradient, parameters.Compute, settings.Optimizer);
        var scaler = new LossScaler(settings.LossScaling, settings.InitialLossScale, settings.LossScaleGrowth);
        state = new TrainState(ops, parameters, Optimizer, scaler) { Configuration = settings.Configuration, Data = settings.Data };
        readout = new StepReadout(ops, step.BatchSize);
        if (settings.Graphs) step.Record(this.progress.Note);
    }

    /// <summary>AdamW's moments and the weights' average.</summary>
    public Optimizer Optimizer { get; }

    /// <summary>Steps done.</summary>
    public long Step => state.Step;

    /// <summary>The run folder, where the caller has taken it for what it writes there before and after the run; null: it is taken for the run.</summary>
    public RunFolderLock? Folder { get; init; }

    /// <summary>
    /// Draws samples every <see cref="TrainSettings.SampleEvery"/> steps, and at the end, with the averaged weights where
    /// there are any.
    /// </summary>
    public Action<long, MetricsWriter>? Sample { get; set; }

    /// <summary>Trains to the end, or until <paramref name="stop"/>: then the step in hand is finished and saved.</summary>
    /// <exception cref="NonFiniteException">The loss or a gradient is not finite.</exception>
    /// <exception cref="IOException">The disk is full or cannot be written; earlier checkpoints are whole.</exception>
    /// <exception cref="InvalidDataException">Data that is damaged, or not that which the run was begun on; the steps before are saved.</exception>
    public TrainResult Run(CancellationToken stop = default)
    {
        using var folder = Folder is null ? RunFolderLock.Take(settings.RunFolder) : null;
        Resume();
        if (settings.Configuration.Length > 0) File.WriteAllText(Path.Combine(settings.RunFolder, "config.yaml"), settings.Configuration);
        using var writer = metrics = new MetricsWriter(settings.RunFolder, state.Step);
        progress.Started(state.Step, settings.Steps);
        step.Seek(state.Step + 1);
        double loss = double.NaN;
        var rate = new StepRate(step.BatchSize);
        while (state.Step < settings.Steps && !stop.IsCancellationRequested)
        {
            rate.Begin(Flops);
            loss = OneStep(rate);
            Extras(writer, rate);
        }
        if (lastSaved != state.Step || state.Step == 0) Save();
        return new TrainResult(state.Step, state.Step >= settings.Steps, loss, store.PathOf(state.Step));
    }

    /// <summary>Runs <paramref name="work"/> with the averaged weights in the model, where there are any.</summary>
    public void WithAverage(Action work)
    {
        var parameters = step.Parameters;
        if (Optimizer.Average.IsNone)
        {
            work();
            return;
        }
        var trained = ops.Arena.RentLike(parameters.Master);
        ops.Cast(parameters.Master, trained);
        ops.Cast(Optimizer.Average, parameters.Master);
        parameters.RefreshCompute();
        try
        {
            work();
        }
        finally
        {
            ops.Cast(trained, parameters.Master);
            parameters.RefreshCompute();
            ops.Arena.Release(trained);
        }
    }

    double Flops => (ops as WatchedOps)?.Flops ?? 0;

    void Resume()
    {
        string data = state.Data;
        bool resumed = store.Restore(state, progress.Note);
        lastSaved = state.Step;
        if (!resumed) return;
        // Older checkpoints of pictures say their number only.
        if (state.Data != data && !data.StartsWith(state.Data + ",", StringComparison.Ordinal))
            throw new InvalidDataException($"{settings.RunFolder}: was begun on other data ({state.Data}) than now ({data}); give the data it was begun on, or another run folder");
        if (state.Position != state.Step * step.BatchSize)
            throw new InvalidDataException($"{settings.RunFolder}: was begun with batch size {state.Position / Math.Max(1, state.Step)}, not {step.BatchSize}; keep it, or choose another run folder");
        string changes = Changes(state.Configuration, settings.Configuration);
        if (changes.Length > 0) progress.Note($"the configuration differs from the one that the checkpoint of step {state.Step} was made with: {changes}");
        (state.Configuration, state.Data) = (settings.Configuration, data);
    }

    // lines of the configuration that have changed; where the run writes to is no part of what it does
    static string Changes(string before, string now)
    {
        const int Shown = 5;
        static string[] Lines(string text) => [.. text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && !line.StartsWith("output:", StringComparison.Ordinal))];
        string[] old = Lines(before), latest = Lines(now);
        string[] changes = [.. latest.Except(old).Select(line => $"'{line}' is new"), .. old.Except(latest).Select(line => $"'{line}' is gone")];
        return string.Join(", ", changes.Take(Shown)) + (changes.Length > Shown ? $" and {changes.Length - Shown} more" : "");
    }

    double OneStep(StepRate rate)
    {
        long number = state.Step + 1;
        float scale = state.Scaler.Scale;
        try { step.Run(number, scale, readout.Losses); }
        catch (Exception cause) when (cause is InvalidDataException or IOException)
        {
            SaveBefore(cause);
            throw;
        }
        MeasureNorm(scale);
        var (loss, norm) = readout.Read();
        bool finite = double.IsFinite(loss) && float.IsFinite(norm);
        bool counts = state.Scaler.Update(finite);
        string? overflow = finite ? null : FindFault(number, scale);
        if (overflow is not null && (!state.Scaler.Enabled || state.Scaler.Exhausted)) throw new NonFiniteException(number, overflow, lastSaved);
        if (counts) Update(number);
        state.Step = number;
        state.Position = number * step.BatchSize;
        rate.End(Flops);

        double learningRate = settings.Optimizer.LearningRate.At(number);
        values.Clear();
        values.Add(new("loss", loss));
        values.Add(new("gradient_norm", norm));
        values.Add(new("learning_rate", learningRate));
        if (state.Scaler.Enabled)
        {
            values.Add(new("loss_scale", scale));
            values.Add(new("skipped_steps", state.Scaler.Skipped));
        }
        values.Add(new("images_per_second", rate.ImagesPerSecond));
        if (rate.FlopsPerSecond > 0) values.Add(new("flops_per_second", rate.FlopsPerSecond));
        if (!counts) progress.Note($"step {number}: skipped, for {overflow}; loss scale now {state.Scaler.Scale}");
        progress.Stepped(new StepReport(number, loss, norm, learningRate, rate.ImagesPerSecond, rate.FlopsPerSecond, !counts));
        return loss;
    }

    void MeasureNorm(float scale)
    {
        using var range = ops.Range("gradient norm");
        Optimizer.MeasureNorm(scale, readout.Norm);
    }

    void Update(long number)
    {
        using var range = ops.Range("update");
        Optimizer.Update(number);
    }

    // Validation belongs to its step's line; samples and checkpoints follow the line, so that a checkpoint never knows a step whose line is missing.
    void Extras(MetricsWriter writer, StepRate rate)
    {
        try { Validate(); }
        catch (Exception cause)
        {
            writer.Write(state.Step, values);
            SaveBefore(cause);
            throw;
        }
        writer.Write(state.Step, values);
        bool last = state.Step == settings.Steps;
        if (Sample is not null && settings.SampleEvery > 0 && (Due(settings.SampleEvery) || last))
        {
            try { WithAverage(() => Sample(state.Step, writer)); }
            catch (Exception cause)
            {
                SaveBefore(cause);
                throw;
            }
        }
        if (Due(settings.CheckpointEvery) || last) Save();
        rate.Pause();
    }

    void Validate()
    {
        if (!Due(settings.ValidateEvery) || step.Validate() is not { } validation) return;
        values.Add(new("validation_loss", validation));
        progress.Validated(state.Step, validation);
    }

    bool Due(long every) => every > 0 && state.Step % every == 0;

    // Data that cannot be read, or a grid that cannot be drawn, is no fault of the weights, which are those of the last whole step: what was learned since the last checkpoint is kept.
    void SaveBefore(Exception failure)
    {
        if (lastSaved == state.Step) return;
        try
        {
            Save();
            progress.Note($"the run ends after step {state.Step} ({failure.Message}); all steps are saved, and it goes on from there");
        }
        // The failure is the one to report: on a full disk or a device that has gone, saving fails too.
        catch (Exception cause) { progress.Note(cause.Message); }
    }

    // A checkpoint takes an older one's place, so what is saved must be good.
    void Save()
    {
        var parameters = step.Parameters;
        if (ops.CountNonFinite(parameters.Master) > 0)
        {
            var bad = parameters.All.First(p => ops.CountNonFinite(p.Slice(parameters.Master)) > 0);
            throw new NonFiniteException(state.Step, $"the update left {bad.Name} not finite", lastSaved);
        }
        string path = store.Save(state);
        lastSaved = state.Step;
        progress.Saved(state.Step, path);
    }

    // The weights are still those of the step before, so the same step can be run again under inspection.
    string FindFault(long number, float scale)
    {
        if (ops is WatchedOps watched && watched.Watch(() => step.Repeat(number, scale, readout.Losses)) is { } found) return found;
        var bad = step.Parameters.All.FirstOrDefault(p => ops.CountNonFinite(p.Gradient) > 0);
        return bad is null ? "the loss or the gradient's norm is not finite" : $"the gradient of {bad.Name} is not finite";
    }

    /// <summary>Releases the optimizer; model and step stay their owners'.</summary>
    public void Dispose()
    {
        readout.Dispose();
        Optimizer.Dispose();
    }

    /// <summary>Speed over the latest steps, pauses for samples and checkpoints left out.</summary>
    sealed class StepRate(int batchSize)
    {
        const double Smoothing = 0.9;
        readonly Stopwatch watch = new();
        double seconds, flops, before, flopsBefore;
        bool any;

        public double ImagesPerSecond => seconds > 0 ? batchSize / seconds : 0;

        public double FlopsPerSecond => seconds > 0 ? flops / seconds : 0;

        public void Begin(double flopsNow)
        {
            watch.Start();
            (before, flopsBefore) = (watch.Elapsed.TotalSeconds, flopsNow);
        }

        public void End(double flopsNow)
        {
            double took = watch.Elapsed.TotalSeconds - before, work = flopsNow - flopsBefore;
            seconds = any ? Smoothing * seconds + (1 - Smoothing) * took : took;
            flops = any ? Smoothing * flops + (1 - Smoothing) * work : work;
            any = true;
        }

        public void Pause() => watch.Stop();
    }
}
