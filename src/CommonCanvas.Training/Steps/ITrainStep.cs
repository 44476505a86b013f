using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// One model's forward and backward over one batch. What a step does depends on its number alone (data, noise, timesteps),
/// so a run can stop after any step and go on.
/// </summary>
public interface ITrainStep : IDisposable
{
    /// <summary>What is trained; <see cref="Run"/> leaves the gradient in it.</summary>
    ParameterSet Parameters { get; }

    /// <summary>Samples in a batch.</summary>
    int BatchSize { get; }

    /// <summary>The next call of <see cref="Run"/> will be for this step: reading ahead starts here.</summary>
    void Seek(long step);

    /// <summary>
    /// From now on <see cref="Run"/> may record the work that every step does alike and launch it in one call, where the device
    /// can do that; the results have the same bits.
    /// </summary>
    /// <param name="note">Told why recording was given up.</param>
    void Record(Action<string> note);

    /// <summary>Reads the next batch and computes losses and gradient; does not wait for the device.</summary>
    /// <param name="step">Step, from 1, one more than in the call before.</param>
    /// <param name="lossScale">Factor of the gradient.</param>
    /// <param name="losses">Receives each sample's loss, without the factor: F32[<see cref="BatchSize"/>].</param>
    void Run(long step, float lossScale, Tensor losses);

    /// <summary>Computes the same step again from the batch that <see cref="Run"/> read, to find where a number went wrong.</summary>
    void Repeat(long step, float lossScale, Tensor losses);

    /// <summary>The loss on the held-out part with fixed noise; null where nothing is held out.</summary>
    double? Validate();
}
