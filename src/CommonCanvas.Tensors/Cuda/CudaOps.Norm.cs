namespace CommonCanvas.Tensors;

public sealed partial class CudaOps
{
    /// <inheritdoc/>
    public void GroupNormForward(Tensor x, Tensor gamma, Tensor beta, int groups, float eps, bool silu, Tensor y, Tensor mean, Tensor rstd) => throw Pending();

    /// <inheritdoc/>
    public void GroupNormBackward(Tensor x, Tensor gamma, Tensor beta, Tensor mean, Tensor rstd, Tensor dY, int groups, bool silu, Tensor dX, Tensor dGamma, Tensor dBeta) => throw Pending();

    /// <inheritdoc/>
    public void LayerNormForward(Tensor x, Tensor gamma, Tensor beta, float eps, Tensor y, Tensor mean, Tensor rstd) => throw Pending();

    /// <inheritdoc/>
    public void LayerNormBackward(Tensor x, Tensor gamma, Tensor mean, Tensor rstd, Tensor dY, Tensor dX, Tensor dGamma, Tensor dBeta) => throw Pending();
}
