using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>What a random number is drawn for, so that no two uses share a stream.</summary>
public enum RandomPurpose : uint
{
    /// <summary>Initial weights; sample = parameter's index in the model.</summary>
    Weights = 1,
    /// <summary>The noise that training adds.</summary>
    Noise,
    /// <summary>The timestep of a training sample.</summary>
    Timestep,
    /// <summary>Whether a caption is dropped.</summary>
    CaptionDropout,
    /// <summary>The per-channel constant of offset noise.</summary>
    OffsetNoise,
    /// <summary>The posterior sample of an autoencoder's latent.</summary>
    Posterior,
    /// <summary>The order of an epoch; sample = 0, step = epoch.</summary>
    Shuffle,
    /// <summary>The starting latents of a sampler.</summary>
    SamplerStart,
    /// <summary>The noise of a stochastic sampler's step.</summary>
    SamplerStep,
    /// <summary>Noise and timesteps of the validation loss.</summary>
    Validation,
    /// <summary>Augmentation of a picture.</summary>
    Augment,
    /// <summary>Drawing of the quickstart's pictures.</summary>
    Drawing,
}

/// <summary>
/// Which random numbers: keyed by seed, purpose, sample and step, and by nothing else, so that they are the same on
/// every device, at every rank count, thread count and batch size, and after resume.
/// </summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Purpose">What for.</param>
/// <param name="Sample">Position of the sample in the data set, or another index that the purpose names.</param>
/// <param name="Step">Training step, below 2^32.</param>
public readonly record struct RandomKey(ulong Seed, RandomPurpose Purpose, ulong Sample, uint Step);

/// <summary>
/// Philox4x32-10, the counter-based generator of Salmon et al. (SC 2011, "Parallel random numbers: as easy as 1, 2, 3"),
/// which cuRAND and PyTorch's CUDA generator use. Key words: the 64-bit seed mixed with the purpose. Counter words: block
/// index, step, sample low, sample high. Block i yields elements 4i to 4i+3.
/// </summary>
public static class Philox
{
    /// <summary>Four 32-bit random words of block <paramref name="block"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (uint X, uint Y, uint Z, uint W) Block(in RandomKey key, uint block)
    {
        ulong mixed = MixedSeed(key);
        return Rounds(block, key.Step, (uint)key.Sample, (uint)(key.Sample >> 32), (uint)mixed, (uint)(mixed >> 32));
    }

    /// <summary>The two key words as one number: seed plus the purpose times an odd constant, one SplitMix64 finalizer.</summary>
    public static ulong MixedSeed(in RandomKey key)
    {
        ulong z = key.Seed + 0x9E3779B97F4A7C15ul * (uint)key.Purpose;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ul;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBul;
        return z ^ (z >> 31);
    }

    /// <summary>The ten rounds over counter (c0, c1, c2, c3) and key (k0, k1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (uint X, uint Y, uint Z, uint W) Rounds(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = 0xD2511F53ul * c0, p1 = 0xCD9E8D57ul * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        return (c0, c1, c2, c3);
    }

    /// <summary>A word as a number in [0, 1): its upper 24 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToUniform(uint word) => (word >> 8) * (1f / (1 << 24));

    /// <summary>Two words as two standard normal numbers (Box-Muller in double, rounded once; the first word's uniform is in (0, 1]).</summary>
    public static (float A, float B) ToNormal(uint first, uint second)
    {
        double radius = Math.Sqrt(-2 * Math.Log(((first >> 8) + 1) * (1.0 / (1 << 24))));
        var (sin, cos) = Math.SinCos(second * (2 * Math.PI / 4294967296.0));
        return ((float)(radius * cos), (float)(radius * sin));
    }

    /// <summary>An integer in [0, <paramref name="bound"/>) from the key's first word (bias below bound / 2^32).</summary>
    public static int Integer(in RandomKey key, int bound) => (int)((ulong)Block(key, 0).X * (uint)bound >> 32);

    /// <summary>The key's first number in [0, 1).</summary>
    public static float Uniform(in RandomKey key) => ToUniform(Block(key, 0).X);

    /// <summary>Fills with standard normal numbers.</summary>
    public static void Normal(in RandomKey key, Span<float> values)
    {
        for (int i = 0; i < values.Length; i += 4)
        {
            var (x, y, z, w) = Block(key, (uint)(i / 4));
            var (a, b) = ToNormal(x, y);
            var (c, d) = ToNormal(z, w);
            values[i] = a;
            if (i + 1 < values.Length) values[i + 1] = b;
            if (i + 2 < values.Length) values[i + 2] = c;
            if (i + 3 < values.Length) values[i + 3] = d;
        }
    }

    /// <summary>Fills with numbers in [0, 1).</summary>
    public static void Uniform(in RandomKey key, Span<float> values)
    {
        for (int i = 0; i < values.Length; i += 4)
        {
            var (x, y, z, w) = Block(key, (uint)(i / 4));
            values[i] = ToUniform(x);
            if (i + 1 < values.Length) values[i + 1] = ToUniform(y);
            if (i + 2 < values.Length) values[i + 2] = ToUniform(z);
            if (i + 3 < values.Length) values[i + 3] = ToUniform(w);
        }
    }

    /// <summary>A permutation of 0 .. count-1 (Fisher-Yates), the same everywhere.</summary>
    public static int[] Permutation(in RandomKey key, int count)
    {
        var order = new int[count];
        for (int i = 0; i < count; i++) order[i] = i;
        for (int i = count - 1; i > 0; i--)
        {
            int j = (int)((ulong)Block(key, (uint)i).X * (uint)(i + 1) >> 32);
            (order[i], order[j]) = (order[j], order[i]);
        }
        return order;
    }
}
