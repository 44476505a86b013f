using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CommonCanvas.Tensors;

/// <summary>Four lanes of <see cref="Vector128"/>: SSE2 on any x64, Advanced SIMD on Arm64, plain code elsewhere.</summary>
internal readonly unsafe struct Lanes128 : ILanes<Vector128<float>>
{
    const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    public static CpuIsa Isa => CpuIsa.Portable;
    public static int Width => 4;
    public static Vector128<float> Zero { [MethodImpl(Inline)] get => Vector128<float>.Zero; }
    public static Vector128<float> Indices { [MethodImpl(Inline)] get => Vector128<float>.Indices; }
    [MethodImpl(Inline)] public static Vector128<float> Broadcast(float value) => Vector128.Create(value);
    [MethodImpl(Inline)] public static Vector128<float> Load(float* p) => Vector128.Load(p);
    [MethodImpl(Inline)] public static void Store(Vector128<float> v, float* p) => v.Store(p);
    [MethodImpl(Inline)] public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;
    [MethodImpl(Inline)] public static Vector128<float> Subtract(Vector128<float> a, Vector128<float> b) => a - b;
    [MethodImpl(Inline)] public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;
    [MethodImpl(Inline)] public static Vector128<float> Divide(Vector128<float> a, Vector128<float> b) => a / b;
    [MethodImpl(Inline)] public static Vector128<float> Min(Vector128<float> a, Vector128<float> b) => Vector128.MinNative(a, b);
    [MethodImpl(Inline)] public static Vector128<float> Max(Vector128<float> a, Vector128<float> b) => Vector128.MaxNative(a, b);
    [MethodImpl(Inline)] public static Vector128<float> Sqrt(Vector128<float> v) => Vector128.Sqrt(v);
    [MethodImpl(Inline)] public static Vector128<float> Abs(Vector128<float> v) => Vector128.Abs(v);

    /// <summary>Fused only where the processor fuses: a software FMA would be fifty times slower.</summary>
    [MethodImpl(Inline)]
    public static Vector128<float> Fma(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.MultiplyAddEstimate(a, b, c);

    [MethodImpl(Inline)] public static Vector128<float> Round(Vector128<float> v) => Vector128.Round(v);

    [MethodImpl(Inline)]
    public static Vector128<float> Scale(Vector128<float> v, Vector128<float> n)
    {
        // in two steps, for 2^n itself may be out of range
        var whole = Vector128.ConvertToInt32Native(n);
        var half = whole >> 1;
        return v * ((half + Vector128.Create(127)) << 23).AsSingle() * ((whole - half + Vector128.Create(127)) << 23).AsSingle();
    }

    [MethodImpl(Inline)]
    public static Vector128<float> CopySign(Vector128<float> a, Vector128<float> b)
    {
        var sign = Vector128.Create(0x80000000u).AsSingle();
        return Vector128.ConditionalSelect(sign, b, a);
    }

    [MethodImpl(Inline)]
    public static Vector128<float> SelectLess(Vector128<float> x, Vector128<float> y, Vector128<float> a, Vector128<float> b) =>
        Vector128.ConditionalSelect(Vector128.LessThan(x, y), a, b);

    [MethodImpl(Inline)] public static float Sum(Vector128<float> v) => (v[0] + v[1]) + (v[2] + v[3]);
    [MethodImpl(Inline)] public static float MaxAcross(Vector128<float> v) => MathF.Max(MathF.Max(v[0], v[1]), MathF.Max(v[2], v[3]));

    [MethodImpl(Inline)]
    public static Vector128<float> LoadHalf(ushort* p) =>
        Vector128.Create(FromHalf(p[0]), FromHalf(p[1]), FromHalf(p[2]), FromHalf(p[3]));

    [MethodImpl(Inline)]
    public static Vector128<float> LoadBFloat16(ushort* p) => Vector128.Create((uint)p[0] << 16, (uint)p[1] << 16, (uint)p[2] << 16, (uint)p[3] << 16).AsSingle();

    [MethodImpl(Inline)]
    public static void StoreHalf(Vector128<float> v, ushort* p)
    {
        for (int i = 0; i < 4; i++) p[i] = BitConverter.HalfToUInt16Bits((Half)v[i]);
    }

    [MethodImpl(Inline)]
    public static void StoreBFloat16(Vector128<float> v, ushort* p)
    {
        for (int i = 0; i < 4; i++) p[i] = Rounding.ToBFloat16(v[i]);
    }

    public static void Transpose(float* from, nint s, float* to, nint d)
    {
        for (int i = 0; i < 4; i++, to += d) Vector128.Create(from[i], from[s + i], from[2 * s + i], from[3 * s + i]).Store(to);
    }

    static float FromHalf(ushort bits) => (float)BitConverter.UInt16BitsToHalf(bits);
}
