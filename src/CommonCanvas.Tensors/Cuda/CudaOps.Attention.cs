namespace CommonCanvas.Tensors;

public sealed partial class CudaOps
{
    /// <inheritdoc/>
    public void AttentionForward(Tensor q, Tensor k, Tensor v, int heads, bool causal, Tensor y, Tensor logSumExp) => throw Pending();

    /// <inheritdoc/>
    public void AttentionBackward(Tensor q, Tensor k, Tensor v, Tensor y, Tensor logSumExp, Tensor dY, int heads, bool causal, Tensor dQ, Tensor dK, Tensor dV) => throw Pending();
}
