using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// The loss of given latents, noise, timesteps and text, and its gradient: add the noise, predict, weigh the squared
/// error, go backward.
/// </summary>
sealed class DiffusionLoss
{
    readonly IOps ops;
    readonly UNet unet;
    readonly DiffusionObjective objective;
    readonly float[] signal, level, weight, times;

    /// <summary>Connects a model and what it is to learn.</summary>
    public DiffusionLoss(IOps ops, UNet unet, DiffusionObjective objective, int microbatch)
    {
        (this.ops, this.unet, this.objective) = (ops, unet, objective);
        (signal, level, weight, times) = (new float[microbatch], new float[microbatch], new float[microbatch], new float[microbatch]);
    }

    /// <summary>Chooses the timestep of a sample of the microbatch.</summary>
    /// <param name="b">The sample.</param>
    /// <param name="t">Its timestep.</param>
    /// <param name="weigh">Whether its error has the objective's weight, or 1.</param>
    public void SetTimestep(int b, int t, bool weigh = true)
    {
        times[b] = t;
        signal[b] = (float)objective.Schedule.Signal(t);
        level[b] = (float)objective.Schedule.NoiseLevel(t);
        weight[b] = weigh ? objective.Weight(t) : 1;
    }

    /// <summary>
    /// Writes each sample's weighted loss and, unless <paramref name="gradientScale"/> is null, adds the gradient of scale
    /// times their sum to the model's. Releases <paramref name="x0"/>, <paramref name="noise"/> and <paramref name="text"/>.
    /// </summary>
    public void Run(Tensor x0, Tensor noise, Tensor text, Tensor loss, float? gradientScale)
    {
        int count = x0[0];
        var arena = ops.Arena;
        Tensor s = ops.UploadAs(signal.AsSpan(0, count), DType.F32, count), l = ops.UploadAs(level.AsSpan(0, count), DType.F32, count);
        Tensor w = ops.UploadAs(weight.AsSpan(0, count), DType.F32, count), t = ops.UploadAs(times.AsSpan(0, count), DType.F32, count);
        var noisy = arena.RentLike(x0);
        ops.AddNoise(x0, noise, s, l, noisy);
        var target = objective.Prediction == PredictionType.Sample ? x0 : noise;
        if (objective.Prediction == PredictionType.VPrediction)
        {
            target = arena.RentLike(x0);
            ops.Velocity(x0, noise, s, l, target);
        }
        unet.Training = gradientScale is not null;
        var prediction = unet.Forward(noisy, t, text);
        unet.Training = true;
        ops.MseForward(prediction, target, w, loss);
        if (gradientScale is { } scale)
        {
            var slope = arena.RentLike(prediction);
            ops.MseBackward(prediction, target, w, scale, slope);
            unet.Backward(slope);
            arena.Release(slope);
        }
        if (objective.Prediction == PredictionType.VPrediction) arena.Release(target);
        foreach (var tensor in (ReadOnlySpan<Tensor>)[x0, noise, text, s, l, w, t, noisy, prediction]) arena.Release(tensor);
    }
}
