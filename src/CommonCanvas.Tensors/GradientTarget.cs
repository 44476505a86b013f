namespace CommonCanvas.Tensors;

/// <summary>
/// Where an operation puts the gradient of a parameter, and how. It adds to what is there (+=), or assigns (=): then what was
/// there is not read, so that it may be anything, and every element is written, with 0 where nothing contributes. Both give
/// the same bits where there was 0. A tensor alone is added to.
/// </summary>
/// <param name="Tensor">F32 memory; may be absent.</param>
/// <param name="Accumulate">Whether it is added to.</param>
public readonly record struct GradientTarget(Tensor Tensor, bool Accumulate)
{
    /// <summary>Whether the gradient is left out.</summary>
    public bool IsNone => Tensor.IsNone;

    /// <summary>A gradient that is added to.</summary>
    public static implicit operator GradientTarget(Tensor tensor) => new(tensor, Accumulate: true);

    /// <summary>The same on another device.</summary>
    internal GradientTarget Through(TensorMap at) => this with { Tensor = at(Tensor) };
}
