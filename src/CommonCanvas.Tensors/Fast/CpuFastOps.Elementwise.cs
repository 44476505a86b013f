using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Functions of single elements, in chunks that fit the first cache.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    /// <summary>Elements that a thread takes at a time.</summary>
    const int Chunk = 4096;

    /// <summary>A function of one or two vectors and a constant.</summary>
    interface IMap
    {
        static abstract TV Apply(TV a, TV b, TV constant);
    }

    struct SiluMap : IMap { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static TV Apply(TV x, TV _, TV __) => S.Multiply(x, VectorMath<TV, S>.Sigmoid(x)); }

    struct GeluMap : IMap { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static TV Apply(TV x, TV _, TV __) => S.Multiply(x, VectorMath<TV, S>.NormalCdf(x, out var _)); }

    struct QuickGeluMap : IMap { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static TV Apply(TV x, TV _, TV __) => S.Multiply(x, VectorMath<TV, S>.Sigmoid(S.Multiply(x, S.Broadcast(1.702f)))); }

    struct SiluSlopeMap : IMap { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static TV Apply(TV x, TV dY, TV _) => S.Multiply(dY, VectorMath<TV, S>.SiluSlope(x)); }

    struct GeluSlopeMap : IMap
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TV Apply(TV x, TV dY, TV _)
        {
            TV cdf = VectorMath<TV, S>.NormalCdf(x, out TV bell);
            return S.Multiply(dY, S.Fma(x, VectorMath<TV, S>.Density(bell), cdf));
        }
    }

    struct QuickGeluSlopeMap : IMap
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TV Apply(TV x, TV dY, TV _)
        {
            TV scaled = S.Multiply(x, S.Broadcast(1.702f)), slope = VectorMath<TV, S>.SigmoidSlope(scaled, out TV s);
            return S.Multiply(dY, S.Fma(scaled, slope, s));
        }
    }

    struct AddMap : IMap { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static TV Apply(TV a, TV b, TV _) => S.Add(a, b); }

    struct ScaleMap : IMap { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static TV Apply(TV a, TV _, TV factor) => S.Multiply(a, factor); }

    struct EmaMap : IMap { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static TV Apply(TV average, TV value, TV share) => S.Fma(S.Subtract(value, average), share, average); }

    struct FillMap : IMap { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static TV Apply(TV _, TV __, TV value) => value; }

    public override void ActivationForward(Tensor x, Activation f, Tensor y)
    {
        OpChecks.ActivationForward(x, y);
        if (f == Activation.Silu) Map<SiluMap>(x, default, 0, y);
        else if (f == Activation.Gelu) Map<GeluMap>(x, default, 0, y);
        else Map<QuickGeluMap>(x, default, 0, y);
    }

    public override void ActivationBackward(Tensor x, Activation f, Tensor dY, Tensor dX)
    {
        OpChecks.ActivationBackward(x, dY, dX);
        if (f == Activation.Silu) Map<SiluSlopeMap>(x, dY, 0, dX);
        else if (f == Activation.Gelu) Map<GeluSlopeMap>(x, dY, 0, dX);
        else Map<QuickGeluSlopeMap>(x, dY, 0, dX);
    }

    public override void Add(Tensor a, Tensor b, Tensor y)
    {
        OpChecks.Add(a, b, y);
        Map<AddMap>(a, b, 0, y);
    }

    public override void Scale(Tensor x, float factor, Tensor y)
    {
        OpChecks.Scale(x, y);
        Map<ScaleMap>(x, default, factor, y);
    }

    public override void Ema(Tensor average, Tensor value, double decay)
    {
        // average + (1 - decay) (value - average)
        OpChecks.Ema(average, value);
        Map<EmaMap>(average, value, (float)(1 - decay), average);
    }

    public override void Fill(float value, Tensor y)
    {
        OpChecks.Fill(y);
        if (y.Type == DType.I32) base.Fill(value, y);
        else Map<FillMap>(default, default, value, y);
    }

    public override void Cast(Tensor x, Tensor y)
    {
        if (x.Type == DType.I32 || y.Type == DType.I32)
        {
            base.Cast(x, y);
            return;
        }
        OpChecks.Cast(x, y);
        var job = new MapJob { A = (void*)x.Data, TypeA = x.Type, Y = (void*)y.Data, TypeY = y.Type, Count = (nint)y.Count };
        Launch(&CastRun, ref job);
    }

    struct MapJob
    {
        public void* A, B, Y;
        public DType TypeA, TypeB, TypeY;
        public nint Count;
        public float Constant;
    }

    void Map<F>(Tensor a, Tensor b, float constant, Tensor y) where F : struct, IMap
    {
        var job = new MapJob
        {
            A = (void*)a.Data, TypeA = a.Type, B = (void*)b.Data, TypeB = b.Type, Y = (void*)y.Data, TypeY = y.Type,
            Count = (nint)y.Count, Constant = constant,
        };
        Launch(&MapRun<F>, ref job);
    }

    /// <summary>One chunk runs here, more on all threads.</summary>
    void Launch(delegate*<ThreadTeam, void*, int, void> run, ref MapJob job)
    {
        fixed (MapJob* pointer = &job)
        {
            if (job.Count <= Chunk) run(Team, pointer, Team.Threads - 1);
            else Team.Run(run, pointer);
        }
    }

    static void MapRun<F>(ThreadTeam team, void* argument, int thread) where F : struct, IMap
    {
        ref var job = ref *(MapJob*)argument;
        float* wide = stackalloc float[3 * Chunk];
        var (first, last) = team.Share((job.Count + Chunk - 1) / Chunk, thread);
        for (nint chunk = first; chunk < last; chunk++)
        {
            nint start = chunk * Chunk, count = Math.Min(Chunk, job.Count - start);
            float* a = job.A == null ? null : Read(job.A, job.TypeA, start, count, wide);
            float* b = job.B == null ? null : Read(job.B, job.TypeB, start, count, wide + Chunk);
            float* y = job.TypeY == DType.F32 ? (float*)job.Y + start : wide + 2 * Chunk;
            MapChunk<F>(a, b, S.Broadcast(job.Constant), y, count);
            if (job.TypeY != DType.F32) Packing<TV, S>.Narrow(y, job.Y, job.TypeY, start, count);
        }
    }

    /// <summary>Elements as fp32: in place, or widened into <paramref name="wide"/>.</summary>
    static float* Read(void* from, DType type, nint start, nint count, float* wide)
    {
        if (type == DType.F32) return (float*)from + start;
        Packing<TV, S>.Widen(from, type, start, count, wide);
        return wide;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void MapChunk<F>(float* a, float* b, TV constant, float* y, nint count) where F : struct, IMap
    {
        int w = S.Width;
        nint i = 0;
        if (a == null) for (; i + w <= count; i += w) S.Store(F.Apply(S.Zero, S.Zero, constant), y + i);
        else if (b == null) for (; i + w <= count; i += w) S.Store(F.Apply(S.Load(a + i), S.Zero, constant), y + i);
        else for (; i + w <= count; i += w) S.Store(F.Apply(S.Load(a + i), S.Load(b + i), constant), y + i);
        if (i == count) return;
        TV tailA = a == null ? S.Zero : Part.Load<TV, S>(a + i, count - i), tailB = b == null ? S.Zero : Part.Load<TV, S>(b + i, count - i);
        Part.Store<TV, S>(F.Apply(tailA, tailB, constant), y + i, count - i);
    }

    static void CastRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(MapJob*)argument;
        float* wide = stackalloc float[Chunk];
        var (first, last) = team.Share((job.Count + Chunk - 1) / Chunk, thread);
        for (nint chunk = first; chunk < last; chunk++)
        {
            nint start = chunk * Chunk, count = Math.Min(Chunk, job.Count - start);
            if (job.TypeA == job.TypeY)
            {
                nint size = job.TypeA.Size();
                Buffer.MemoryCopy((byte*)job.A + start * size, (byte*)job.Y + start * size, count * size, count * size);
            }
            else Packing<TV, S>.Narrow(Read(job.A, job.TypeA, start, count, wide), job.Y, job.TypeY, start, count);
        }
    }
}
