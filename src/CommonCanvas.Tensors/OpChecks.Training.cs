using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Diffusion, losses and the optimizer.</summary>
static partial class OpChecks
{
    public static void TimestepEmbedding(Tensor timesteps, Tensor y)
    {
        Floating(y, 2);
        Is(timesteps, DType.F32, y[0]);
    }

    public static void AddNoise(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y) => Mixture(x0, noise, signal, noiseLevel, y);

    public static void Velocity(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y) => Mixture(x0, noise, signal, noiseLevel, y);

    static void Mixture(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y, [CallerMemberName] string op = "")
    {
        Floating(x0, op: op);
        Alike(noise, x0, op: op);
        Is(signal, DType.F32, x0[0], op: op);
        Is(noiseLevel, DType.F32, x0[0], op: op);
        Alike(y, x0, op: op);
    }

    public static void MseForward(Tensor prediction, Tensor target, Tensor weight, Tensor loss)
    {
        Floating(prediction);
        Alike(target, prediction);
        Is(weight, DType.F32, prediction[0]);
        Is(loss, DType.F32, prediction[0]);
    }

    public static void MseBackward(Tensor prediction, Tensor target, Tensor weight, Tensor dPrediction)
    {
        Floating(prediction);
        Alike(target, prediction);
        Is(weight, DType.F32, prediction[0]);
        Alike(dPrediction, prediction);
    }

    public static void PosteriorForward(Tensor moments, Tensor noise, Tensor latent, Tensor kl)
    {
        Floating(moments, 4);
        Require(moments[3] % 2 == 0, moments, "of an even last dimension, means beside log-variances");
        Is(latent, moments.Type, moments[0], moments[1], moments[2], moments[3] / 2);
        AlikeOptional(noise, latent);
        IsOptional(kl, DType.F32, moments[0]);
    }

    public static void PosteriorBackward(Tensor moments, Tensor noise, Tensor dLatent, Tensor dMoments)
    {
        Floating(moments, 4);
        Require(moments[3] % 2 == 0, moments, "of an even last dimension, means beside log-variances");
        Is(dLatent, moments.Type, moments[0], moments[1], moments[2], moments[3] / 2);
        AlikeOptional(noise, dLatent);
        Alike(dMoments, moments);
    }

    public static void RandomNormal(int keys, Tensor y) => Samples(keys, y);

    public static void RandomUniform(int keys, Tensor y) => Samples(keys, y);

    static void Samples(int keys, Tensor y, [CallerMemberName] string op = "")
    {
        Floating(y, op: op);
        Require(y[0] == keys && keys > 0, y, "of one sample for each key", op: op);
    }

    public static void SumSquares(Tensor x, Tensor sum)
    {
        Require(x.Type == DType.F32 && !x.IsNone, x, "F32");
        Holds(sum, DType.F32, 1);
    }

    public static void ClipScale(Tensor sumSquares, Tensor norm, Tensor scale)
    {
        Holds(sumSquares, DType.F32, 1);
        Holds(norm, DType.F32, 1);
        Holds(scale, DType.F32, 1);
    }

    public static void AdamW(Tensor master, Tensor gradient, Tensor m, Tensor v, Tensor scale, in AdamWSettings settings, Tensor compute)
    {
        Require(master.Type == DType.F32 && !master.IsNone, master, "F32");
        Alike(gradient, master);
        Alike(m, master);
        Alike(v, master);
        Holds(scale, DType.F32, 1);
        if (!compute.IsNone)
        {
            Floating(compute);
            Require(compute.Count == master.Count, compute, "of as many elements as master");
        }
        if (settings.Step < 1) throw new ArgumentException($"AdamW: settings.Step is {settings.Step}, must be 1 or more", nameof(settings));
    }

    public static void Ema(Tensor average, Tensor value)
    {
        Require(average.Type == DType.F32 && !average.IsNone, average, "F32");
        Alike(value, average);
    }

    public static void CountNonFinite(Tensor x) => Floating(x);
}
