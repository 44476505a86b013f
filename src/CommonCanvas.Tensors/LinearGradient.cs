namespace CommonCanvas.Tensors;

/// <summary>The gradient of a linear layer's weight that is to be computed: dWeight = or += dY^T x.</summary>
/// <param name="X">[..., I], what the layer read.</param>
/// <param name="DY">[..., O], the gradient of what it gave, of as many rows.</param>
/// <param name="DWeight">F32 [O, I].</param>
public readonly record struct LinearGradient(Tensor X, Tensor DY, GradientTarget DWeight);
