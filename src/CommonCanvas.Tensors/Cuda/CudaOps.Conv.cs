namespace CommonCanvas.Tensors;

public sealed partial class CudaOps
{
    /// <inheritdoc/>
    public void ConvForward(Tensor x, Tensor weight, Tensor bias, Tensor perSample, Tensor residual, ConvGeometry geometry, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void ConvBackward(Tensor x, Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX, Tensor dWeight, Tensor dBias, Tensor dPerSample) => throw Pending();
}
