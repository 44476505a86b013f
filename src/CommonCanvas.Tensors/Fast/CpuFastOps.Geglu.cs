using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>GEGLU, row by row.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    struct GegluJob
    {
        public void* X, DY, Y;
        public DType Type;
        public nint Rows, Width, Apart;
        public byte* Threads;
    }

    public override void GegluForward(Tensor x, Tensor y)
    {
        // y[m, f] = x[m, f] gelu(x[m, F + f])
        OpChecks.GegluForward(x, y);
        var job = new GegluJob { X = (void*)x.Data, Y = (void*)y.Data, Type = x.Type, Rows = (nint)y.Rows, Width = y.Channels };
        job.Threads = scratch.PerThread(Team.Threads, 5 * job.Width * sizeof(float), out job.Apart);
        Team.Run(&GegluForwardRun, &job);
    }

    public override void GegluBackward(Tensor x, Tensor dY, Tensor dX)
    {
        // dX[m, f] = dY[m, f] gelu(x[m, F + f]),  dX[m, F + f] = dY[m, f] x[m, f] gelu'(x[m, F + f])
        OpChecks.GegluBackward(x, dY, dX);
        var job = new GegluJob { X = (void*)x.Data, DY = (void*)dY.Data, Y = (void*)dX.Data, Type = x.Type, Rows = (nint)dY.Rows, Width = dY.Channels };
        job.Threads = scratch.PerThread(Team.Threads, 5 * job.Width * sizeof(float), out job.Apart);
        Team.Run(&GegluBackwardRun, &job);
    }

    static void GegluForwardRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(GegluJob*)argument;
        float* wide = (float*)(job.Threads + thread * job.Apart);
        var (first, last) = team.Share(job.Rows, thread);
        for (nint m = first; m < last; m++)
        {
            float* x = Read(job.X, job.Type, m * 2 * job.Width, 2 * job.Width, wide);
            float* y = job.Type == DType.F32 ? (float*)job.Y + m * job.Width : wide + 2 * job.Width;
            GegluRow(x, x + job.Width, y, job.Width);
            if (job.Type != DType.F32) Packing<TV, S>.Narrow(y, job.Y, job.Type, m * job.Width, job.Width);
        }
    }

    static void GegluBackwardRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(GegluJob*)argument;
        float* wide = (float*)(job.Threads + thread * job.Apart);
        var (first, last) = team.Share(job.Rows, thread);
        for (nint m = first; m < last; m++)
        {
            float* x = Read(job.X, job.Type, m * 2 * job.Width, 2 * job.Width, wide);
            float* dY = Read(job.DY, job.Type, m * job.Width, job.Width, wide + 2 * job.Width);
            float* dX = job.Type == DType.F32 ? (float*)job.Y + m * 2 * job.Width : wide + 3 * job.Width;
            GegluSlopeRow(x, x + job.Width, dY, dX, dX + job.Width, job.Width);
            if (job.Type != DType.F32) Packing<TV, S>.Narrow(dX, job.Y, job.Type, m * 2 * job.Width, 2 * job.Width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void GegluRow(float* value, float* gate, float* y, nint width)
    {
        nint f = 0;
        for (; f + S.Width <= width; f += S.Width)
            S.Store(S.Multiply(S.Load(value + f), GeluMap.Apply(S.Load(gate + f), S.Zero, S.Zero)), y + f);
        if (f == width) return;
        nint n = width - f;
        Part.Store<TV, S>(S.Multiply(Part.Load<TV, S>(value + f, n), GeluMap.Apply(Part.Load<TV, S>(gate + f, n), S.Zero, S.Zero)), y + f, n);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void GegluSlopeRow(float* value, float* gate, float* dY, float* dValue, float* dGate, nint width)
    {
        nint f = 0;
        for (; f + S.Width <= width; f += S.Width)
        {
            GegluSlope(S.Load(value + f), S.Load(gate + f), S.Load(dY + f), out TV forValue, out TV forGate);
            S.Store(forValue, dValue + f);
            S.Store(forGate, dGate + f);
        }
        if (f == width) return;
        nint n = width - f;
        GegluSlope(Part.Load<TV, S>(value + f, n), Part.Load<TV, S>(gate + f, n), Part.Load<TV, S>(dY + f, n), out TV tailValue, out TV tailGate);
        Part.Store<TV, S>(tailValue, dValue + f, n);
        Part.Store<TV, S>(tailGate, dGate + f, n);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void GegluSlope(TV value, TV gate, TV dY, out TV forValue, out TV forGate)
    {
        TV cdf = VectorMath<TV, S>.NormalCdf(gate, out TV bell);
        forValue = S.Multiply(dY, S.Multiply(gate, cdf));
        forGate = S.Multiply(S.Multiply(dY, value), S.Fma(gate, VectorMath<TV, S>.Density(bell), cdf));
    }
}
