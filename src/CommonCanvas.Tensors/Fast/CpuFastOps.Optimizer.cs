using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Passes over flat buffers of parameters, bound by memory; and random numbers.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    /// <summary>Elements whose squares are summed in fp32 lanes before the sum goes on in fp64.</summary>
    const int SumChunk = 8192;

    struct SumJob
    {
        public float* X;
        public nint Count;
        public double* Sums;
    }

    public override void SumSquares(Tensor x, Tensor sum)
    {
        OpChecks.SumSquares(x, sum);
        nint chunks = ((nint)x.Count + SumChunk - 1) / SumChunk;
        var job = new SumJob { X = Wide(x, Scratch.Slot.WideX), Count = (nint)x.Count, Sums = (double*)scratch.Get(Scratch.Slot.Sums, chunks * sizeof(double)) };
        Team.Run(&SumSquaresRun, &job);
        double total = 0;
        for (nint i = 0; i < chunks; i++) total += job.Sums[i];
        ((float*)sum.Data)[0] = (float)total;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void SumSquaresRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(SumJob*)argument;
        var (first, last) = team.Share((job.Count + SumChunk - 1) / SumChunk, thread);
        for (nint chunk = first; chunk < last; chunk++)
        {
            float* x = job.X + chunk * SumChunk;
            nint count = Math.Min(SumChunk, job.Count - chunk * SumChunk), i = 0;
            TV s0 = S.Zero, s1 = S.Zero, s2 = S.Zero, s3 = S.Zero;
            for (; i + 4 * S.Width <= count; i += 4 * S.Width)
            {
                TV a = S.Load(x + i), b = S.Load(x + i + S.Width), c = S.Load(x + i + 2 * S.Width), d = S.Load(x + i + 3 * S.Width);
                (s0, s1, s2, s3) = (S.Fma(a, a, s0), S.Fma(b, b, s1), S.Fma(c, c, s2), S.Fma(d, d, s3));
            }
            double sum = 0;
            for (; i < count; i++) sum += (double)x[i] * x[i];
            job.Sums[chunk] = sum + S.Sum(S.Add(S.Add(s0, s1), S.Add(s2, s3)));
        }
    }

    struct AdamWJob
    {
        public float* Master, Gradient, M, V;
        public void* Compute;
        public DType Type;
        public nint Count;
        public float Scale, Rest1, Beta2, Rest2, Shrink, StepSize, InverseRoot, Epsilon;
    }

    public override void AdamW(Tensor master, Tensor gradient, Tensor m, Tensor v, Tensor scale, in AdamWSettings settings, Tensor compute)
    {
        // g = scale gradient;  m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2
        // p = (1 - lr decay) p - lr / (1 - beta1^step) m / (sqrt(v) / sqrt(1 - beta2^step) + epsilon)
        OpChecks.AdamW(master, gradient, m, v, scale, settings, compute);
        float factor = ((float*)scale.Data)[0];
        if (!float.IsFinite(factor)) return;
        var job = new AdamWJob
        {
            Master = (float*)master.Data, Gradient = (float*)gradient.Data, M = (float*)m.Data, V = (float*)v.Data, Count = (nint)master.Count,
            Compute = (void*)compute.Data, Type = compute.Type, Scale = factor,
            Rest1 = (float)(1 - settings.Beta1), Beta2 = (float)settings.Beta2, Rest2 = (float)(1 - settings.Beta2), Epsilon = (float)settings.Epsilon,
            Shrink = (float)(1 - settings.LearningRate * settings.WeightDecay),
            StepSize = (float)(settings.LearningRate / (1 - Math.Pow(settings.Beta1, settings.Step))),
            InverseRoot = (float)(1 / Math.Sqrt(1 - Math.Pow(settings.Beta2, settings.Step))),
        };
        Team.Run(&AdamWRun, &job);
    }

    static void AdamWRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(AdamWJob*)argument;
        var (first, last) = team.Share((job.Count + Chunk - 1) / Chunk, thread);
        for (nint chunk = first; chunk < last; chunk++)
        {
            nint start = chunk * Chunk, count = Math.Min(Chunk, job.Count - start);
            AdamWChunk(ref job, start, count);
            if (job.Compute != null) Packing<TV, S>.Narrow(job.Master + start, job.Compute, job.Type, start, count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void AdamWChunk(ref AdamWJob job, nint start, nint count)
    {
        TV scale = S.Broadcast(job.Scale), beta2 = S.Broadcast(job.Beta2), rest1 = S.Broadcast(job.Rest1), rest2 = S.Broadcast(job.Rest2);
        TV shrink = S.Broadcast(job.Shrink), step = S.Broadcast(-job.StepSize), root = S.Broadcast(job.InverseRoot), epsilon = S.Broadcast(job.Epsilon);
        float* ps = job.Master + start, gs = job.Gradient + start, ms = job.M + start, vs = job.V + start;
        for (nint i = 0; i < count; i += S.Width)
        {
            nint there = count - i;
            bool full = there >= S.Width;
            TV p = full ? S.Load(ps + i) : Part.Load<TV, S>(ps + i, there), g = full ? S.Load(gs + i) : Part.Load<TV, S>(gs + i, there);
            TV m = full ? S.Load(ms + i) : Part.Load<TV, S>(ms + i, there), v = full ? S.Load(vs + i) : Part.Load<TV, S>(vs + i, there);
            g = S.Multiply(g, scale);
            m = S.Fma(S.Subtract(g, m), rest1, m);
            v = S.Fma(S.Multiply(g, rest2), g, S.Multiply(v, beta2));
            p = S.Fma(S.Divide(m, S.Fma(S.Sqrt(v), root, epsilon)), step, S.Multiply(p, shrink));
            if (full)
            {
                S.Store(m, ms + i);
                S.Store(v, vs + i);
                S.Store(p, ps + i);
                continue;
            }
            Part.Store<TV, S>(m, ms + i, there);
            Part.Store<TV, S>(v, vs + i, there);
            Part.Store<TV, S>(p, ps + i, there);
        }
    }
}
