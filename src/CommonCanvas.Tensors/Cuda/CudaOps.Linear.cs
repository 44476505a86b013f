namespace CommonCanvas.Tensors;

public sealed partial class CudaOps
{
    /// <inheritdoc/>
    public void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor dX, Tensor dWeight, Tensor dBias) => throw Pending();
}
