namespace CommonCanvas.Tensors;

public sealed partial class CudaOps
{
    /// <inheritdoc/>
    public void UpsampleForward(Tensor x, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void UpsampleBackward(Tensor dY, Tensor dX) => throw Pending();

    /// <inheritdoc/>
    public void ConcatForward(Tensor a, Tensor b, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void ConcatBackward(Tensor dY, Tensor dA, Tensor dB) => throw Pending();

    /// <inheritdoc/>
    public void EmbeddingForward(Tensor ids, Tensor table, Tensor position, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void EmbeddingBackward(Tensor ids, Tensor dY, Tensor dTable, Tensor dPosition) => throw Pending();
}
