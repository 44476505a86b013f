namespace CommonCanvas.Tensors;

public sealed partial class CudaOps
{
    /// <inheritdoc/>
    public void SumSquares(Tensor x, Tensor sum) => throw Pending();

    /// <inheritdoc/>
    public void ClipScale(Tensor sumSquares, float unscale, float maxNorm, Tensor norm, Tensor scale) => throw Pending();

    /// <inheritdoc/>
    public void AdamW(Tensor master, Tensor gradient, Tensor m, Tensor v, Tensor scale, in AdamWSettings settings, Tensor compute) => throw Pending();

    /// <inheritdoc/>
    public void Ema(Tensor average, Tensor value, double decay) => throw Pending();

    /// <inheritdoc/>
    public long CountNonFinite(Tensor x) => throw Pending();
}
