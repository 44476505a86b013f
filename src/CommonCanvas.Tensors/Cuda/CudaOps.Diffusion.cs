using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>Noise, targets and losses: <c>noise.cu</c>, <c>loss.cu</c>, <c>random.cu</c>.</summary>
public sealed partial class CudaOps
{
    const string NoiseFile = "noise.cu";
    const string LossFile = "loss.cu";
    const string RandomFile = "random.cu";

    /// <summary>Pieces of work for each thread of a sum over a sample, and most partial sums of one.</summary>
    const int WorkPerThread = 8, MaxSampleBlocks = 64;

    /// <inheritdoc/>
    public void TimestepEmbedding(Tensor timesteps, bool flipSinToCos, float freqShift, Tensor y)
    {
        OpChecks.TimestepEmbedding(timesteps, y);
        double rate = Math.Log2(10000) / (y[1] / 2 - freqShift);
        LaunchOver(y.Count, Kernel(NoiseFile, y.Type, nameof(TimestepEmbedding)),
            [timesteps.Data, BitConverter.DoubleToInt64Bits(rate), flipSinToCos ? 1 : 0, y.Data, y[1], Counted(y.Count, y, "elements")]);
    }

    /// <inheritdoc/>
    public void AddNoise(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y)
    {
        OpChecks.AddNoise(x0, noise, signal, noiseLevel, y);
        Mix(Kernel(NoiseFile, y.Type, nameof(AddNoise)), x0, noise, signal, noiseLevel, y);
    }

    /// <inheritdoc/>
    public void Velocity(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y)
    {
        OpChecks.Velocity(x0, noise, signal, noiseLevel, y);
        Mix(Kernel(NoiseFile, y.Type, nameof(Velocity)), x0, noise, signal, noiseLevel, y);
    }

    void Mix(CudaKernel kernel, Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y)
    {
        long size = x0.Count / x0[0];
        bool aligned = Aligned(x0, noise, y) && size % Lanes(y.Type) == 0;
        Launch(kernel, new Dim3(SampleBlocks(y, size, 1), x0[0]), ElementThreads, 0,
            [x0.Data, noise.Data, signal.Data, noiseLevel.Data, y.Data, size, aligned ? 1 : 0]);
    }

    /// <inheritdoc/>
    public void MseForward(Tensor prediction, Tensor target, Tensor weight, Tensor loss)
    {
        OpChecks.MseForward(prediction, target, weight, loss);
        int batch = prediction[0];
        long size = prediction.Count / batch;
        int blocks = SampleBlocks(prediction, size, WorkPerThread);
        var partial = Arena.Rent(DType.F32, batch, blocks);
        Launch(Kernel(LossFile, prediction.Type, nameof(MseForward)), new Dim3(blocks, batch), ElementThreads, 0,
            [prediction.Data, target.Data, partial.Data, size, Aligned(prediction, target) && size % Lanes(prediction.Type) == 0 ? 1 : 0]);
        Launch(Kernel(LossFile, prediction.Type, "MseForwardEnd"), batch, 32, 0, [partial.Data, blocks, weight.Data, (float)size, loss.Data]);
        Arena.Release(partial);
    }

    /// <inheritdoc/>
    public void MseBackward(Tensor prediction, Tensor target, Tensor weight, float scale, Tensor dPrediction)
    {
        OpChecks.MseBackward(prediction, target, weight, dPrediction);
        long size = prediction.Count / prediction[0];
        bool aligned = Aligned(prediction, target, dPrediction) && size % Lanes(prediction.Type) == 0;
        Launch(Kernel(LossFile, prediction.Type, nameof(MseBackward)), new Dim3(SampleBlocks(prediction, size, 1), prediction[0]), ElementThreads, 0,
            [prediction.Data, target.Data, weight.Data, (float)(2.0 * scale / size), dPrediction.Data, size, aligned ? 1 : 0]);
    }

    /// <inheritdoc/>
    public void PosteriorForward(Tensor moments, Tensor noise, Tensor latent, Tensor kl)
    {
        OpChecks.PosteriorForward(moments, noise, latent, kl);
        int batch = latent[0], size = Counted(latent.Count / batch, latent, "elements of a sample");
        int blocks = SampleBlocks(latent, size, WorkPerThread);
        var partial = kl.IsNone ? default : Arena.Rent(DType.F32, batch, blocks);
        Launch(Kernel(LossFile, latent.Type, nameof(PosteriorForward)), new Dim3(blocks, batch), ElementThreads, 0,
            [moments.Data, noise.Data, latent.Data, partial.Data, size, latent.Channels]);
        if (kl.IsNone) return;
        Launch(Kernel(LossFile, latent.Type, "PosteriorForwardEnd"), batch, 32, 0, [partial.Data, blocks, kl.Data]);
        Arena.Release(partial);
    }

    /// <inheritdoc/>
    public void PosteriorBackward(Tensor moments, Tensor noise, Tensor dLatent, float klScale, Tensor dMoments)
    {
        OpChecks.PosteriorBackward(moments, noise, dLatent, dMoments);
        int batch = dLatent[0], size = Counted(dLatent.Count / batch, dLatent, "elements of a sample");
        Launch(Kernel(LossFile, dLatent.Type, nameof(PosteriorBackward)), new Dim3(SampleBlocks(dLatent, size, 1), batch), ElementThreads, 0,
            [moments.Data, noise.Data, dLatent.Data, klScale, dMoments.Data, size, dLatent.Channels]);
    }

    /// <summary>Blocks over a sample of <paramref name="size"/> elements, by its size alone.</summary>
    static int SampleBlocks(Tensor t, long size, int workPerThread)
    {
        long perBlock = (long)ElementThreads * Lanes(t.Type) * workPerThread;
        return (int)Math.Clamp((size + perBlock - 1) / perBlock, 1, MaxSampleBlocks);
    }

    /// <inheritdoc/>
    public void RandomNormal(ReadOnlySpan<RandomKey> keys, Tensor y)
    {
        OpChecks.RandomNormal(keys.Length, y);
        Draw(Kernel(RandomFile, y.Type, nameof(RandomNormal)), keys, y);
    }

    /// <inheritdoc/>
    public void RandomUniform(ReadOnlySpan<RandomKey> keys, Tensor y)
    {
        OpChecks.RandomUniform(keys.Length, y);
        Draw(Kernel(RandomFile, y.Type, nameof(RandomUniform)), keys, y);
    }

    // Keys go up in a buffer; a launch draws for many samples.
    void Draw(CudaKernel kernel, ReadOnlySpan<RandomKey> keys, Tensor y)
    {
        const int PerThread = 4, Words = 5, Together = 256;
        long size = y.Count / y[0];
        long blocks = Math.Min((size + PerThread * ElementThreads - 1) / (PerThread * ElementThreads), (long)device.Multiprocessors * BlocksPerMultiprocessor);
        Span<uint> words = stackalloc uint[Words * Math.Min(keys.Length, Together)];
        for (int first = 0; first < keys.Length; first += Together)
        {
            int count = Math.Min(Together, keys.Length - first);
            for (int b = 0; b < count; b++)
            {
                var key = keys[first + b];
                ulong seed = Philox.MixedSeed(key);
                ((ReadOnlySpan<uint>)[(uint)seed, (uint)(seed >> 32), key.Step, (uint)key.Sample, (uint)(key.Sample >> 32)]).CopyTo(words[(b * Words)..]);
            }
            var uploaded = Arena.Rent(DType.I32, count, Words);
            Upload<uint>(words[..(count * Words)], uploaded);
            long address = y.Data + first * size * y.Type.Size();
            bool aligned = address % (PerThread * y.Type.Size()) == 0 && (count == 1 || size % PerThread == 0);
            Launch(kernel, new Dim3((int)blocks, count), ElementThreads, 0, [uploaded.Data, address, size, aligned ? 1 : 0]);
            Arena.Release(uploaded);
        }
    }
}
