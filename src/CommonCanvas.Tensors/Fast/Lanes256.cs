using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CommonCanvas.Tensors;

/// <summary>Eight lanes: AVX2 and FMA.</summary>
internal readonly unsafe struct Lanes256 : ILanes<Vector256<float>>
{
    const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static CpuIsa Isa => CpuIsa.Avx2;
    public static int Width => 8;
    public static Vector256<float> Zero { [MethodImpl(Inline)] get => Vector256<float>.Zero; }
    public static Vector256<float> Indices { [MethodImpl(Inline)] get => Vector256<float>.Indices; }
    [MethodImpl(Inline)] public static Vector256<float> Broadcast(float value) => Vector256.Create(value);
    [MethodImpl(Inline)] public static Vector256<float> Load(float* p) => Vector256.Load(p);
    [MethodImpl(Inline)] public static void Store(Vector256<float> v, float* p) => v.Store(p);
    [MethodImpl(Inline)] public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;
    [MethodImpl(Inline)] public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => a - b;
    [MethodImpl(Inline)] public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;
    [MethodImpl(Inline)] public static Vector256<float> Divide(Vector256<float> a, Vector256<float> b) => a / b;
    [MethodImpl(Inline)] public static Vector256<float> Min(Vector256<float> a, Vector256<float> b) => Avx.Min(a, b);
    [MethodImpl(Inline)] public static Vector256<float> Max(Vector256<float> a, Vector256<float> b) => Avx.Max(a, b);
    [MethodImpl(Inline)] public static Vector256<float> Sqrt(Vector256<float> v) => Avx.Sqrt(v);
    [MethodImpl(Inline)] public static Vector256<float> Abs(Vector256<float> v) => Vector256.Abs(v);
    [MethodImpl(Inline)] public static Vector256<float> Fma(Vector256<float> a, Vector256<float> b, Vector256<float> c) => System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a, b, c);
    [MethodImpl(Inline)] public static Vector256<float> Round(Vector256<float> v) => Avx.RoundToNearestInteger(v);

    [MethodImpl(Inline)]
    public static Vector256<float> Scale(Vector256<float> v, Vector256<float> n)
    {
        // in two steps, for 2^n itself may be out of range
        var whole = Avx.ConvertToVector256Int32(n);
        var half = whole >> 1;
        return v * ((half + Vector256.Create(127)) << 23).AsSingle() * ((whole - half + Vector256.Create(127)) << 23).AsSingle();
    }

    [MethodImpl(Inline)]
    public static Vector256<float> CopySign(Vector256<float> a, Vector256<float> b)
    {
        var sign = Vector256.Create(0x80000000u).AsSingle();
        return Vector256.ConditionalSelect(sign, b, a);
    }

    [MethodImpl(Inline)]
    public static Vector256<float> SelectLess(Vector256<float> x, Vector256<float> y, Vector256<float> a, Vector256<float> b) =>
        Vector256.ConditionalSelect(Vector256.LessThan(x, y), a, b);

    [MethodImpl(Inline)] public static float Sum(Vector256<float> v) => Vector128.Sum(v.GetLower() + v.GetUpper());

    [MethodImpl(Inline)]
    public static float MaxAcross(Vector256<float> v)
    {
        var half = Sse.Max(v.GetLower(), v.GetUpper());
        half = Sse.Max(half, Sse.MoveHighToLow(half, half));
        return MathF.Max(half[0], half[1]);
    }

    [MethodImpl(Inline)]
    public static Vector256<float> LoadHalf(ushort* p)
    {
        var bits = Avx2.ConvertToVector256Int32(Vector128.Load(p)).AsUInt32();
        var magnitude = ((bits & Vector256.Create(0x7FFFu)) << 13).AsSingle() * Vector256.Create(5.192296858534828e33f);
        var infinite = Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(65536f)).AsUInt32() & Vector256.Create(0x7F800000u);
        return (magnitude.AsUInt32() | infinite | ((bits & Vector256.Create(0x8000u)) << 16)).AsSingle();
    }

    [MethodImpl(Inline)]
    public static Vector256<float> LoadBFloat16(ushort* p) => (Avx2.ConvertToVector256Int32(Vector128.Load(p)) << 16).AsSingle();

    [MethodImpl(Inline)]
    public static void StoreHalf(Vector256<float> v, ushort* p)
    {
        var sign = v.AsUInt32() & Vector256.Create(0x80000000u);
        var magnitude = v.AsUInt32() ^ sign;
        var subnormal = (magnitude.AsSingle() + Vector256.Create(0.5f)).AsUInt32() - Vector256.Create(0x3F000000u);
        var normal = (magnitude + Vector256.Create(0xC8000FFFu) + ((magnitude >> 13) & Vector256<uint>.One)) >> 13;
        var half = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(113u << 23)), subnormal, normal);
        half = Vector256.ConditionalSelect(Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(0x47800000u)), Vector256.Create(0x7C00u), half);
        half = Vector256.ConditionalSelect(Vector256.GreaterThan(magnitude, Vector256.Create(0x7F800000u)), Vector256.Create(0x7E00u), half);
        var result = half | (sign >> 16);
        Vector128.Narrow(result.GetLower(), result.GetUpper()).Store(p);
    }

    [MethodImpl(Inline)]
    public static void StoreBFloat16(Vector256<float> v, ushort* p)
    {
        var bits = v.AsUInt32();
        var rounded = (bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256<uint>.One)) >> 16;
        var quiet = (bits >> 16) | Vector256.Create(0x40u);
        var isNan = Vector256.GreaterThan(bits & Vector256.Create(0x7FFFFFFFu), Vector256.Create(0x7F800000u));
        var result = Vector256.ConditionalSelect(isNan, quiet, rounded);
        Vector128.Narrow(result.GetLower(), result.GetUpper()).Store(p);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* from, nint s, float* to, nint d)
    {
        Quads(Load(from), Load(from + s), Load(from + 2 * s), Load(from + 3 * s), out var a0, out var a1, out var a2, out var a3);
        from += 4 * s;
        Quads(Load(from), Load(from + s), Load(from + 2 * s), Load(from + 3 * s), out var b0, out var b1, out var b2, out var b3);
        Spread(a0, b0, to, d);
        Spread(a1, b1, to + d, d);
        Spread(a2, b2, to + 2 * d, d);
        Spread(a3, b3, to + 3 * d, d);
    }

    [MethodImpl(Inline)]
    static void Quads(Vector256<float> r0, Vector256<float> r1, Vector256<float> r2, Vector256<float> r3,
        out Vector256<float> q0, out Vector256<float> q1, out Vector256<float> q2, out Vector256<float> q3)
    {
        var low01 = Avx.UnpackLow(r0, r1).AsDouble();
        var high01 = Avx.UnpackHigh(r0, r1).AsDouble();
        var low23 = Avx.UnpackLow(r2, r3).AsDouble();
        var high23 = Avx.UnpackHigh(r2, r3).AsDouble();
        q0 = Avx.UnpackLow(low01, low23).AsSingle();
        q1 = Avx.UnpackHigh(low01, low23).AsSingle();
        q2 = Avx.UnpackLow(high01, high23).AsSingle();
        q3 = Avx.UnpackHigh(high01, high23).AsSingle();
    }

    [MethodImpl(Inline)]
    static void Spread(Vector256<float> a, Vector256<float> b, float* to, nint d)
    {
        Avx.Permute2x128(a, b, 0x20).Store(to);
        Avx.Permute2x128(a, b, 0x31).Store(to + 4 * d);
    }
}
