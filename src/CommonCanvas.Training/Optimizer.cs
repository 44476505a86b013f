using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>Settings of AdamW, of clipping and of the average of the weights.</summary>
public sealed record OptimizerSettings
{
    /// <summary>Learning rate by step.</summary>
    public required LearningRateSchedule LearningRate { get; init; }

    /// <summary>Decay of the gradient's average.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the squared gradient's average.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the squared gradient's average.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Largest global norm of the gradient; infinite: no clipping.</summary>
    public double ClipNorm { get; init; } = double.PositiveInfinity;

    /// <summary>Decay of the weights' average for each time it is updated; 0: no average is kept.</summary>
    public double EmaDecay { get; init; }

    /// <summary>First step whose weights enter the average, which starts as a copy of them.</summary>
    public long EmaStart { get; init; } = 1;

    /// <summary>Steps between updates of the average.</summary>
    public int EmaInterval { get; init; } = 1;
}

/// <summary>
/// AdamW with clipping by the global norm and an exponential moving average, as passes over flat buffers: a whole model,
/// or the part of one that a rank owns.
/// </summary>
public sealed class Optimizer : IDisposable
{
    readonly IOps ops;
    readonly Tensor master, gradient, compute, sum, scale;
    Tensor average;

    /// <summary>Rents the moments, zero.</summary>
    /// <param name="ops">The device.</param>
    /// <param name="master">F32 weights.</param>
    /// <param name="gradient">F32 gradient of the same count.</param>
    /// <param name="compute">Receives the new weights in the type of the forward pass; none, or master itself, where that is F32.</param>
    /// <param name="settings">What to do.</param>
    public Optimizer(IOps ops, Tensor master, Tensor gradient, Tensor compute, OptimizerSettings settings)
    {
        if (settings.EmaInterval < 1) throw new ArgumentException($"the EMA interval is {settings.EmaInterval}; it must be at least 1");
        if (settings.EmaDecay is < 0 or >= 1) throw new ArgumentException($"the EMA decay is {settings.EmaDecay}; it must be in [0, 1), 0 for no average");
        if (settings.Beta1 is not (>= 0 and < 1) || settings.Beta2 is not (>= 0 and < 1)) throw new ArgumentException($"beta1 is {settings.Beta1} and beta2 {settings.Beta2}; both must be in [0, 1)");
        if (!((float)settings.Epsilon > 0)) throw new ArgumentException($"epsilon is {settings.Epsilon}; it must be above 0 in fp32, or a weight without a gradient is divided by 0");
        if (!(settings.ClipNorm > 0)) throw new ArgumentException($"the gradient's norm is clipped to {settings.ClipNorm}; it must be above 0");
        (this.ops, this.master, this.gradient, Settings) = (ops, master, gradient, settings);
        this.compute = compute == master ? Tensor.None : compute;
        Moment1 = Zeros(master);
        Moment2 = Zeros(master);
        sum = ops.Arena.Rent(DType.F32, 1);
        scale = ops.Arena.Rent(DType.F32, 1);
    }

    /// <summary>What was asked for.</summary>
    public OptimizerSettings Settings { get; }

    /// <summary>The gradient's average.</summary>
    public Tensor Moment1 { get; }

    /// <summary>The squared gradient's average.</summary>
    public Tensor Moment2 { get; }

    /// <summary>The weights' average; absent before it starts.</summary>
    public Tensor Average => average;

    /// <summary>Updates made: AdamW's step count, which skipped steps do not advance.</summary>
    public long Updates { get; private set; }

    /// <summary>Measures the gradient's global norm over all parameters, before clipping; does not wait for the device.</summary>
    /// <param name="lossScale">Factor that the gradient carries.</param>
    /// <param name="norm">Receives the norm without the factor: F32[1].</param>
    public void MeasureNorm(float lossScale, Tensor norm)
    {
        ops.SumSquares(gradient, sum);
        ops.ClipScale(sum, 1 / lossScale, (float)Math.Min(Settings.ClipNorm, float.MaxValue), norm, scale);
    }

    /// <summary>Updates the weights with the gradient whose norm <see cref="MeasureNorm"/> has just measured; where that is not finite nothing changes.</summary>
    /// <param name="step">The run's step, from 1: for the learning rate and the average.</param>
    public void Update(long step)
    {
        Updates++;
        var s = Settings;
        ops.AdamW(master, gradient, Moment1, Moment2, scale,
            new AdamWSettings((float)s.LearningRate.At(step), (float)s.Beta1, (float)s.Beta2, (float)s.Epsilon, (float)s.WeightDecay, checked((int)Updates)), compute);
        if (s.EmaDecay == 0 || step < s.EmaStart) return;
        if (average.IsNone)
        {
            StartAverage();
            return;
        }
        if ((step - s.EmaStart) % s.EmaInterval == 0) ops.Ema(average, master, s.EmaDecay);
    }

    /// <summary>Restores the count of updates; the caller has filled the moments and, where there is one, the average.</summary>
    public void Restore(long updates) => Updates = updates;

    /// <summary>Makes the average a copy of the weights.</summary>
    public void StartAverage()
    {
        if (average.IsNone) average = ops.Arena.RentLike(master);
        ops.Cast(master, average);
    }

    Tensor Zeros(Tensor like)
    {
        var tensor = ops.Arena.RentLike(like);
        ops.Fill(0, tensor);
        return tensor;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in new[] { Moment1, Moment2, average, sum, scale }) ops.Arena.Release(tensor);
        average = Tensor.None;
    }
}
