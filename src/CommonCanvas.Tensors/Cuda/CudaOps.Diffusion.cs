namespace CommonCanvas.Tensors;

public sealed partial class CudaOps
{
    /// <inheritdoc/>
    public void TimestepEmbedding(Tensor timesteps, bool flipSinToCos, float freqShift, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void AddNoise(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void Velocity(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void MseForward(Tensor prediction, Tensor target, Tensor weight, Tensor loss) => throw Pending();

    /// <inheritdoc/>
    public void MseBackward(Tensor prediction, Tensor target, Tensor weight, float scale, Tensor dPrediction) => throw Pending();

    /// <inheritdoc/>
    public void PosteriorForward(Tensor moments, Tensor noise, Tensor latent, Tensor kl) => throw Pending();

    /// <inheritdoc/>
    public void PosteriorBackward(Tensor moments, Tensor noise, Tensor dLatent, float klScale, Tensor dMoments) => throw Pending();

    /// <inheritdoc/>
    public void RandomNormal(ReadOnlySpan<RandomKey> keys, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void RandomUniform(ReadOnlySpan<RandomKey> keys, Tensor y) => throw Pending();
}
