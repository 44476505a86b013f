namespace CommonCanvas.Tensors;

public sealed partial class CudaOps
{
    /// <inheritdoc/>
    public void ActivationForward(Tensor x, Activation f, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void ActivationBackward(Tensor x, Activation f, Tensor dY, Tensor dX) => throw Pending();

    /// <inheritdoc/>
    public void GegluForward(Tensor x, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void GegluBackward(Tensor x, Tensor dY, Tensor dX) => throw Pending();
}
