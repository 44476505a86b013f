using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// All that a run carries from step to step. Random numbers and data order come from counters and need no state of their
/// own.
/// </summary>
/// <param name="ops">The device.</param>
/// <param name="parameters">The weights.</param>
/// <param name="optimizer">Moments and average.</param>
/// <param name="scaler">Loss scaling.</param>
public sealed class TrainState(IOps ops, ParameterSet parameters, Optimizer optimizer, LossScaler scaler)
{
    /// <summary>The device.</summary>
    public IOps Ops => ops;

    /// <summary>The weights.</summary>
    public ParameterSet Parameters => parameters;

    /// <summary>Moments and average.</summary>
    public Optimizer Optimizer => optimizer;

    /// <summary>Loss scaling.</summary>
    public LossScaler Scaler => scaler;

    /// <summary>Steps done.</summary>
    public long Step { get; set; }

    /// <summary>Samples read: where in the data the next step begins.</summary>
    public long Position { get; set; }

    /// <summary>The resolved configuration as the run folder has it.</summary>
    public string Configuration { get; set; } = "";

    /// <summary>Digest or description of the data that the run is trained on.</summary>
    public string Data { get; set; } = "";
}
