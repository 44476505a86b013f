using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// The loss of given latents, noise, timesteps and text, and its gradient: add the noise, predict, weigh the squared
/// error, go backward.
/// </summary>
sealed class DiffusionLoss : IDisposable
{
    const int Signal = 0, Level = 1, Weight = 2, Time = 3, Rows = 4;

    readonly IOps ops;
    readonly UNet unet;
    readonly DiffusionObjective objective;
    readonly float[] values;
    readonly int microbatch;
    Tensor coefficients;

    /// <summary>Connects a model and what it is to learn.</summary>
    public DiffusionLoss(IOps ops, UNet unet, DiffusionObjective objective, int microbatch)
    {
        (this.ops, this.unet, this.objective, this.microbatch) = (ops, unet, objective, microbatch);
        values = new float[Rows * microbatch];
    }

    /// <summary>Chooses the timestep of a sample of the microbatch.</summary>
    /// <param name="b">The sample.</param>
    /// <param name="t">Its timestep.</param>
    /// <param name="weigh">Whether its error has the objective's weight, or 1.</param>
    public void SetTimestep(int b, int t, bool weigh = true)
    {
        values[Signal * microbatch + b] = (float)objective.Schedule.Signal(t);
        values[Level * microbatch + b] = (float)objective.Schedule.NoiseLevel(t);
        values[Weight * microbatch + b] = weigh ? objective.Weight(t) : 1;
        values[Time * microbatch + b] = t;
    }

    /// <summary>Brings the timesteps, and what follows from them, to the device.</summary>
    public void Load()
    {
        if (coefficients.IsNone) coefficients = ops.Arena.Rent(DType.F32, Rows, microbatch);
        ops.Upload<float>(values, coefficients);
    }

    /// <summary>
    /// Writes each sample's weighted loss at the timesteps loaded last and, unless <paramref name="part"/> is null,
    /// the gradient of their sum into the model's.
    /// </summary>
    public void Run(Tensor x0, Tensor noise, Tensor text, Tensor loss, GradientPart? part)
    {
        int count = x0[0];
        var arena = ops.Arena;
        Tensor signal = Row(Signal, count), level = Row(Level, count), weight = Row(Weight, count);
        var noisy = arena.RentLike(x0);
        ops.AddNoise(x0, noise, signal, level, noisy);
        var target = objective.Prediction == PredictionType.Sample ? x0 : noise;
        if (objective.Prediction == PredictionType.VPrediction)
        {
            target = arena.RentLike(x0);
            ops.Velocity(x0, noise, signal, level, target);
        }
        unet.Training = part is not null;
        var prediction = unet.Forward(noisy, Row(Time, count), text);
        unet.Training = true;
        ops.MseForward(prediction, target, weight, loss);
        if (part is var (scale, accumulate))
        {
            var slope = arena.RentLike(prediction);
            ops.MseBackward(prediction, target, weight, scale, slope);
            unet.Parameters.ReceiveGradients(accumulate, () => unet.Backward(slope));
            arena.Release(slope);
        }
        if (objective.Prediction == PredictionType.VPrediction) arena.Release(target);
        arena.Release(noisy);
        arena.Release(prediction);
    }

    Tensor Row(int row, int count) => coefficients.Slice(row, 1).Reshape(microbatch).Slice(0, count);

    /// <inheritdoc/>
    public void Dispose() => ops.Arena.Drop(ref coefficients);
}
