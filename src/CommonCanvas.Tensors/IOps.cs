namespace CommonCanvas.Tensors;

/// <summary>A device could not record work. Nothing of it has been queued, so it can be done call by call.</summary>
/// <param name="message">Why.</param>
/// <param name="cause">What the device said; null where the work itself is unfit.</param>
public sealed class RecordingException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>Work that a device has recorded and launches in one call.</summary>
public interface IRecording : IDisposable
{
    /// <summary>Queues the work.</summary>
    void Replay();
}

/// <summary>
/// Every operation that training and sampling need, as Forward and Backward pairs. <c>CpuOps</c> is the
/// definition, with the formula of each; every other device computes the same within its precision.
///
/// Arguments come as inputs, attributes, outputs. Outputs are rented by the caller. Activations and weights share one
/// type (F32, F16 or BF16), sums are fp32 at least; statistics, per-sample coefficients, losses and the gradients of
/// parameters are F32 whatever the activations are. Gradients of activations are assigned (=), gradients of parameters
/// are assigned or added to (+=), as their <see cref="GradientTarget"/> says: the formulas have +=. Optional tensors may be
/// <see cref="Tensor.None"/>: an optional input is left out of the formula, an optional output is not computed. Element-wise operations may write over an input of the same type.
/// Images are NHWC, weights of convolutions [O, kernel, kernel, I], of linear layers [O, I].
/// Results are deterministic: the same bits for the same arguments, whatever the number of threads.
/// </summary>
public interface IOps : IDisposable
{
    /// <summary>The device, for messages: <c>cpu</c>, <c>cpu (AVX-512)</c>.</summary>
    string Name { get; }

    /// <summary>The device's memory.</summary>
    Arena Arena { get; }

    // ---- memory --------------------------------------------------------------------------------------------------

    /// <summary>Copies host values into a tensor of the same element size and count.</summary>
    void Upload<T>(ReadOnlySpan<T> host, Tensor y) where T : unmanaged;

    /// <summary>Copies a tensor into host values of the same element size and count; waits for the device.</summary>
    void Download<T>(Tensor x, Span<T> host) where T : unmanaged;

    /// <summary>y = value.</summary>
    void Fill(float value, Tensor y);

    /// <summary>y = x, converting between element types (to nearest, ties to even).</summary>
    void Cast(Tensor x, Tensor y);

    /// <summary>y[b, c, r] = x[b, r, c]: NHWC to NCHW and back, with the image as [B, H*W, C].</summary>
    void Transpose(Tensor x, Tensor y);

    /// <summary>Waits until everything queued has happened.</summary>
    void Synchronize();

    /// <summary>Many operations follow: worker threads may spin until <see cref="EndStep"/>. Nests.</summary>
    void BeginStep();

    /// <summary>Workers park.</summary>
    void EndStep();

    /// <summary>Tells the name of a parameter's memory, for a report of faults or a profile.</summary>
    void Label(Tensor memory, string name) { }

    /// <summary>What follows belongs to a stretch of this name, for a profile; stretches nest. See <see cref="OpsRanges.Range"/>.</summary>
    void BeginRange(string name) { }

    /// <summary>The innermost stretch ends.</summary>
    void EndRange() { }

    /// <summary>Whether work can be recorded: on a device that queues it, where each call costs the host time.</summary>
    bool Records => false;

    /// <summary>
    /// Records what <paramref name="work"/> queues, without doing it. Every shape, address and number in it stays as it is. It
    /// must have run before, so that its kernels are loaded and its memory is taken from the device, and it can neither copy
    /// from or to the host nor wait. Its memory is nobody else's while the recording lives (<see cref="ArenaPool"/>).
    /// </summary>
    /// <exception cref="RecordingException">The work copies to or from the host, waits, or needs new memory, or the driver refuses.</exception>
    /// <exception cref="NotSupportedException">The device does not record.</exception>
    IRecording Record(Action work) => throw new NotSupportedException($"{Name} does not record work");

    // ---- matrix products -----------------------------------------------------------------------------------------

    /// <summary>y[M, O] = x[M, I] weight[O, I]^T + bias[O] + residual[M, O]; bias and residual optional.</summary>
    void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y);

    /// <summary>
    /// dX = dY weight + residual; dWeight += dY^T x; dBias += column sums of dY. Each output optional (the gradient of Forward's
    /// residual is dY itself). The residual, of dX's shape and perhaps its memory, is optional too: the gradient of what else x
    /// went into.
    /// </summary>
    void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor residual, Tensor dX, GradientTarget dWeight, GradientTarget dBias);

    /// <summary>
    /// dWeight = or += dY^T x of several layers, as <see cref="LinearBackward"/> computes it for each. The same type throughout; no dWeight
    /// lies over another.
    /// </summary>
    void LinearBackwardWeights(IReadOnlyList<LinearGradient> gradients);

    /// <summary>
    /// Whether <see cref="LinearBackwardWeights"/> is worth keeping the tensors of several layers for: on a device that one such
    /// product alone does not fill.
    /// </summary>
    bool GathersWeights => false;

    /// <summary>
    /// y[M, F] = u[M, 0..F] * gelu(u[M, F..2F]) (exact GELU) with u[M, 2F] = x[M, I] weight[2F, I]^T + bias[2F]; bias optional,
    /// and u where no Backward follows. u is rounded to storage before it enters y, so that y is what <see cref="LinearForward"/>
    /// and <see cref="GegluForward"/> one after the other give: bit for bit where both add in the same order. Its gradients
    /// are those of these two.
    /// </summary>
    void LinearGegluForward(Tensor x, Tensor weight, Tensor bias, Tensor u, Tensor y);

    /// <summary>
    /// Back over a linear layer to what went into the GEGLU before it, y[M, O] = geglu(u[M, 2F]) weight[O, F]^T: dU[M, 2F] = the
    /// gradient of u where geglu(u)'s is dY weight. That is rounded to storage, so that dU is what <see cref="LinearBackward"/>'s
    /// dX and <see cref="GegluBackward"/> one after the other give: bit for bit where both add in the same order. dU may lie over u.
    /// </summary>
    void LinearGegluBackward(Tensor u, Tensor weight, Tensor dY, Tensor dU);

    /// <summary>
    /// y[B, Ho, Wo, O] = x[B, H, W, I] * weight[O, k, k, I] + bias[O] + perSample[B, O] + residual[B, Ho, Wo, O]; the last
    /// three optional. perSample is a ResBlock's time embedding.
    /// </summary>
    void ConvForward(Tensor x, Tensor weight, Tensor bias, Tensor perSample, Tensor residual, ConvGeometry geometry, Tensor y);

    /// <summary>dX =; dWeight +=; dBias +=; dPerSample[B, O] = sum of dY over the image. Each output optional.</summary>
    void ConvBackward(Tensor x, Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX, GradientTarget dWeight, GradientTarget dBias, Tensor dPerSample);

    // ---- norms ---------------------------------------------------------------------------------------------------

    /// <summary>
    /// y = gamma * (x - mean) * rstd + beta over each sample's groups of consecutive channels, then SiLU where
    /// <paramref name="silu"/>. x, y [B, ..., C]; gamma, beta [C]; mean, rstd F32[B, groups] (1 / sqrt(variance + eps)).
    /// </summary>
    void GroupNormForward(Tensor x, Tensor gamma, Tensor beta, int groups, float eps, bool silu, Tensor y, Tensor mean, Tensor rstd);

    /// <summary>
    /// dX = the gradient + residual; dGamma +=; dBeta +=. Recomputes the normalised value, and SiLU's argument, from x and the
    /// statistics. The residual, of dX's shape and perhaps its memory, is optional: the gradient of what else x went into.
    /// </summary>
    void GroupNormBackward(Tensor x, Tensor gamma, Tensor beta, Tensor mean, Tensor rstd, Tensor dY, int groups, bool silu, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta);

    /// <summary>y = gamma * (x - mean) * rstd + beta over the last dimension; mean, rstd F32[rows].</summary>
    void LayerNormForward(Tensor x, Tensor gamma, Tensor beta, float eps, Tensor y, Tensor mean, Tensor rstd);

    /// <summary>dX = the gradient + residual, which is optional and may be dX's memory; dGamma +=; dBeta +=.</summary>
    void LayerNormBackward(Tensor x, Tensor gamma, Tensor mean, Tensor rstd, Tensor dY, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta);

    // ---- attention -----------------------------------------------------------------------------------------------

    /// <summary>
    /// y = softmax(q k^T / sqrt(D)) v for each head. q, y [B, N, heads * D]; k, v [B, M, heads * D]; logSumExp F32[B, heads, N]
    /// of the scaled scores. Causal: query i sees keys 0..i (N = M). Memory is linear in N and M. q, k and v may be columns of
    /// wider tensors, perhaps of the same; those of k and v have the same width.
    /// </summary>
    void AttentionForward(Columns q, Columns k, Columns v, int heads, bool causal, Tensor y, Tensor logSumExp);

    /// <summary>
    /// dQ =, dK =, dV =, recomputing the probabilities from logSumExp. Each is optional, and like q, k and v they may be columns of
    /// wider tensors, of which nothing else is written; those of dK and dV have the same width.
    /// </summary>
    void AttentionBackward(Columns q, Columns k, Columns v, Tensor y, Tensor logSumExp, Tensor dY, int heads, bool causal, Columns dQ, Columns dK, Columns dV);

    // ---- element by element --------------------------------------------------------------------------------------

    /// <summary>y = f(x).</summary>
    void ActivationForward(Tensor x, Activation f, Tensor y);

    /// <summary>dX = dY f'(x).</summary>
    void ActivationBackward(Tensor x, Activation f, Tensor dY, Tensor dX);

    /// <summary>y[M, F] = x[M, 0..F] * gelu(x[M, F..2F]) (exact GELU).</summary>
    void GegluForward(Tensor x, Tensor y);

    /// <summary>dX[M, 2F] =.</summary>
    void GegluBackward(Tensor x, Tensor dY, Tensor dX);

    /// <summary>y = a + b.</summary>
    void Add(Tensor a, Tensor b, Tensor y);

    /// <summary>y = factor * x.</summary>
    void Scale(Tensor x, float factor, Tensor y);

    // ---- shape ---------------------------------------------------------------------------------------------------

    /// <summary>y[B, Ho, Wo, C] = x[B, h * H / Ho, w * W / Wo, C] (floor): nearest neighbour, to any size.</summary>
    void UpsampleForward(Tensor x, Tensor y);

    /// <summary>dX = the sum of dY over the pixels that were copied from each.</summary>
    void UpsampleBackward(Tensor dY, Tensor dX);

    /// <summary>y[..., Ca + Cb] = a[..., Ca] beside b[..., Cb].</summary>
    void ConcatForward(Tensor a, Tensor b, Tensor y);

    /// <summary>Splits dY into dA and dB.</summary>
    void ConcatBackward(Tensor dY, Tensor dA, Tensor dB);

    /// <summary>y[B, T, C] = table[ids[B, T], C] + position[t, C]; position optional. Also gathers rows: ids [n], y [n, C].</summary>
    void EmbeddingForward(Tensor ids, Tensor table, Tensor position, Tensor y);

    /// <summary>dTable +=; dPosition +=. Each optional.</summary>
    void EmbeddingBackward(Tensor ids, Tensor dY, GradientTarget dTable, GradientTarget dPosition);

    // ---- diffusion -----------------------------------------------------------------------------------------------

    /// <summary>
    /// The sinusoidal embedding of diffusers' <c>Timesteps</c>: y[b, i] = sin(t_b w_i), y[b, i + D/2] = cos(t_b w_i) with
    /// w_i = 10000^(-i / (D/2 - freqShift)); flipped puts the cosines first; an odd D ends in 0. timesteps F32[B].
    /// </summary>
    void TimestepEmbedding(Tensor timesteps, bool flipSinToCos, float freqShift, Tensor y);

    /// <summary>y = signal[b] * x0 + noiseLevel[b] * noise; signal, noiseLevel F32[B].</summary>
    void AddNoise(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y);

    /// <summary>y = signal[b] * noise - noiseLevel[b] * x0: the target of v-prediction.</summary>
    void Velocity(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y);

    /// <summary>loss[b] = weight[b] * mean over the sample of (prediction - target)^2; loss, weight F32[B].</summary>
    void MseForward(Tensor prediction, Tensor target, Tensor weight, Tensor loss);

    /// <summary>dPrediction = scale * weight[b] * 2 (prediction - target) / elements of a sample.</summary>
    void MseBackward(Tensor prediction, Tensor target, Tensor weight, float scale, Tensor dPrediction);

    /// <summary>
    /// A diagonal Gaussian's sample: latent = mean + exp(logvar / 2) * noise with moments [B, H, W, 2C] = (mean, logvar) and
    /// logvar clamped to [-30, 20]; without noise the mean. kl[b] = 1/2 sum of (mean^2 + var - 1 - logvar), F32[B], optional.
    /// </summary>
    void PosteriorForward(Tensor moments, Tensor noise, Tensor latent, Tensor kl);

    /// <summary>dMoments = the gradient of (dLatent . latent + klScale * sum of kl); nothing flows through a clamped logvar.</summary>
    void PosteriorBackward(Tensor moments, Tensor noise, Tensor dLatent, float klScale, Tensor dMoments);

    /// <summary>Each slice y[b] of the first dimension is filled with standard normal numbers of keys[b], rounded to y's type.</summary>
    void RandomNormal(ReadOnlySpan<RandomKey> keys, Tensor y);

    /// <summary>Each slice y[b] is filled with numbers in [0, 1) of keys[b].</summary>
    void RandomUniform(ReadOnlySpan<RandomKey> keys, Tensor y);

    // ---- optimizer: flat buffers, all F32 ------------------------------------------------------------------------

    /// <summary>sum[1] = sum of x^2.</summary>
    void SumSquares(Tensor x, Tensor sum);

    /// <summary>
    /// norm[1] = unscale * sqrt(sumSquares[1]); scale[1] = unscale * min(1, maxNorm / (norm + 1e-6)), the clip of
    /// torch.nn.utils.clip_grad_norm_; not a number where the norm is not finite. maxNorm may be infinite: no clipping.
    /// </summary>
    void ClipScale(Tensor sumSquares, float unscale, float maxNorm, Tensor norm, Tensor scale);

    /// <summary>
    /// One step of AdamW (Loshchilov and Hutter; torch.optim.AdamW's formula) with g = scale[1] * gradient; where scale is
    /// not finite nothing changes. master, m, v are updated; compute (optional, any type of the same count) receives the new values.
    /// </summary>
    void AdamW(Tensor master, Tensor gradient, Tensor m, Tensor v, Tensor scale, in AdamWSettings settings, Tensor compute);

    /// <summary>average = decay * average + (1 - decay) * value.</summary>
    void Ema(Tensor average, Tensor value, double decay);

    /// <summary>How many elements are infinite or not a number; waits for the device.</summary>
    long CountNonFinite(Tensor x);
}
