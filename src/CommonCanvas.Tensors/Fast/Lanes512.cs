using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CommonCanvas.Tensors;

/// <summary>Sixteen lanes: AVX-512F and BW.</summary>
internal readonly unsafe struct Lanes512 : ILanes<Vector512<float>>
{
    const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static CpuIsa Isa => CpuIsa.Avx512;
    public static int Width => 16;
    public static Vector512<float> Zero { [MethodImpl(Inline)] get => Vector512<float>.Zero; }
    public static Vector512<float> Indices { [MethodImpl(Inline)] get => Vector512<float>.Indices; }
    [MethodImpl(Inline)] public static Vector512<float> Broadcast(float value) => Vector512.Create(value);
    [MethodImpl(Inline)] public static Vector512<float> Load(float* p) => Vector512.Load(p);
    [MethodImpl(Inline)] public static void Store(Vector512<float> v, float* p) => v.Store(p);
    [MethodImpl(Inline)] public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;
    [MethodImpl(Inline)] public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => a - b;
    [MethodImpl(Inline)] public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;
    [MethodImpl(Inline)] public static Vector512<float> Divide(Vector512<float> a, Vector512<float> b) => a / b;
    [MethodImpl(Inline)] public static Vector512<float> Min(Vector512<float> a, Vector512<float> b) => Avx512F.Min(a, b);
    [MethodImpl(Inline)] public static Vector512<float> Max(Vector512<float> a, Vector512<float> b) => Avx512F.Max(a, b);
    [MethodImpl(Inline)] public static Vector512<float> Sqrt(Vector512<float> v) => Avx512F.Sqrt(v);
    [MethodImpl(Inline)] public static Vector512<float> Abs(Vector512<float> v) => Vector512.Abs(v);
    [MethodImpl(Inline)] public static Vector512<float> Fma(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Avx512F.FusedMultiplyAdd(a, b, c);
    [MethodImpl(Inline)] public static Vector512<float> Round(Vector512<float> v) => Avx512F.RoundScale(v, 0);
    [MethodImpl(Inline)] public static Vector512<float> Scale(Vector512<float> v, Vector512<float> n) => Avx512F.Scale(v, n);

    [MethodImpl(Inline)]
    public static Vector512<float> CopySign(Vector512<float> a, Vector512<float> b)
    {
        var sign = Vector512.Create(0x80000000u).AsSingle();
        return Vector512.ConditionalSelect(sign, b, a);
    }

    [MethodImpl(Inline)]
    public static Vector512<float> SelectLess(Vector512<float> x, Vector512<float> y, Vector512<float> a, Vector512<float> b) =>
        Vector512.ConditionalSelect(Vector512.LessThan(x, y), a, b);

    [MethodImpl(Inline)]
    public static float Sum(Vector512<float> v) => Vector128.Sum((v.GetLower() + v.GetUpper()).GetLower() + (v.GetLower() + v.GetUpper()).GetUpper());

    [MethodImpl(Inline)]
    public static float MaxAcross(Vector512<float> v)
    {
        var half = Avx.Max(v.GetLower(), v.GetUpper());
        var quarter = Sse.Max(half.GetLower(), half.GetUpper());
        quarter = Sse.Max(quarter, Sse.MoveHighToLow(quarter, quarter));
        return MathF.Max(quarter[0], quarter[1]);
    }

    // .NET has no F16C: the exponent is moved by a multiplication with 2^112, which also normalises subnormal numbers.
    [MethodImpl(Inline)]
    public static Vector512<float> LoadHalf(ushort* p)
    {
        var bits = Avx512F.ConvertToVector512UInt32(Vector256.Load(p));
        var magnitude = ((bits & Vector512.Create(0x7FFFu)) << 13).AsSingle() * Vector512.Create(5.192296858534828e33f);
        var infinite = Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(65536f)).AsUInt32() & Vector512.Create(0x7F800000u);
        return (magnitude.AsUInt32() | infinite | ((bits & Vector512.Create(0x8000u)) << 16)).AsSingle();
    }

    [MethodImpl(Inline)]
    public static Vector512<float> LoadBFloat16(ushort* p) => (Avx512F.ConvertToVector512UInt32(Vector256.Load(p)) << 16).AsSingle();

    [MethodImpl(Inline)]
    public static void StoreHalf(Vector512<float> v, ushort* p)
    {
        var sign = v.AsUInt32() & Vector512.Create(0x80000000u);
        var magnitude = v.AsUInt32() ^ sign;
        // below 2^-14 adding 1/2 leaves the rounded subnormal in the last bits; above, add half a unit in the last place
        var subnormal = (magnitude.AsSingle() + Vector512.Create(0.5f)).AsUInt32() - Vector512.Create(0x3F000000u);
        var normal = (magnitude + Vector512.Create(0xC8000FFFu) + ((magnitude >> 13) & Vector512<uint>.One)) >> 13;
        var half = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(113u << 23)), subnormal, normal);
        half = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(0x47800000u)), Vector512.Create(0x7C00u), half);
        half = Vector512.ConditionalSelect(Vector512.GreaterThan(magnitude, Vector512.Create(0x7F800000u)), Vector512.Create(0x7E00u), half);
        Avx512F.ConvertToVector256UInt16(half | (sign >> 16)).Store(p);
    }

    [MethodImpl(Inline)]
    public static void StoreBFloat16(Vector512<float> v, ushort* p)
    {
        var bits = v.AsUInt32();
        var rounded = (bits + Vector512.Create(0x7FFFu) + ((bits >> 16) & Vector512<uint>.One)) >> 16;
        var quiet = (bits >> 16) | Vector512.Create(0x40u);
        var isNan = Vector512.GreaterThan(bits & Vector512.Create(0x7FFFFFFFu), Vector512.Create(0x7F800000u));
        Avx512F.ConvertToVector256UInt16(Vector512.ConditionalSelect(isNan, quiet, rounded)).Store(p);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* from, nint s, float* to, nint d)
    {
        // pairs of rows, then pairs of pairs within 128-bit lanes, then the lanes themselves
        Quads(Load(from), Load(from + s), Load(from + 2 * s), Load(from + 3 * s), out var a0, out var a1, out var a2, out var a3);
        from += 4 * s;
        Quads(Load(from), Load(from + s), Load(from + 2 * s), Load(from + 3 * s), out var b0, out var b1, out var b2, out var b3);
        from += 4 * s;
        Quads(Load(from), Load(from + s), Load(from + 2 * s), Load(from + 3 * s), out var c0, out var c1, out var c2, out var c3);
        from += 4 * s;
        Quads(Load(from), Load(from + s), Load(from + 2 * s), Load(from + 3 * s), out var d0, out var d1, out var d2, out var d3);
        Spread(a0, b0, c0, d0, to, d);
        Spread(a1, b1, c1, d1, to + d, d);
        Spread(a2, b2, c2, d2, to + 2 * d, d);
        Spread(a3, b3, c3, d3, to + 3 * d, d);
    }

    /// <summary>Column j of each 4x4 block of four rows.</summary>
    [MethodImpl(Inline)]
    static void Quads(Vector512<float> r0, Vector512<float> r1, Vector512<float> r2, Vector512<float> r3,
        out Vector512<float> q0, out Vector512<float> q1, out Vector512<float> q2, out Vector512<float> q3)
    {
        var low01 = Avx512F.UnpackLow(r0, r1).AsDouble();
        var high01 = Avx512F.UnpackHigh(r0, r1).AsDouble();
        var low23 = Avx512F.UnpackLow(r2, r3).AsDouble();
        var high23 = Avx512F.UnpackHigh(r2, r3).AsDouble();
        q0 = Avx512F.UnpackLow(low01, low23).AsSingle();
        q1 = Avx512F.UnpackHigh(low01, low23).AsSingle();
        q2 = Avx512F.UnpackLow(high01, high23).AsSingle();
        q3 = Avx512F.UnpackHigh(high01, high23).AsSingle();
    }

    /// <summary>Stores columns 0, 4, 8 and 12 of the four quads.</summary>
    [MethodImpl(Inline)]
    static void Spread(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> e, float* to, nint d)
    {
        var evenAb = Avx512F.Shuffle4x128(a, b, 0x88);
        var oddAb = Avx512F.Shuffle4x128(a, b, 0xDD);
        var evenCe = Avx512F.Shuffle4x128(c, e, 0x88);
        var oddCe = Avx512F.Shuffle4x128(c, e, 0xDD);
        Avx512F.Shuffle4x128(evenAb, evenCe, 0x88).Store(to);
        Avx512F.Shuffle4x128(oddAb, oddCe, 0x88).Store(to + 4 * d);
        Avx512F.Shuffle4x128(evenAb, evenCe, 0xDD).Store(to + 8 * d);
        Avx512F.Shuffle4x128(oddAb, oddCe, 0xDD).Store(to + 12 * d);
    }
}
