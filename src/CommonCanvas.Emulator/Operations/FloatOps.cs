using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CommonCanvas.Emulator.Operations;

// Single precision. Every arithmetic result that is not a number is the canonical one, 0x7fffffff (PTX ISA, Floating Point Instructions).

/// <summary>Parts that the operations share.</summary>
internal static class Binary32
{
    public const uint NaN = 0x7fffffff, Sign = 0x80000000, SmallestNormal = 0x00800000;

    /// <summary>Replaces what is not a number by the canonical one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Canonical(Vector512<float> a) =>
        Vector512.ConditionalSelect(Vector512.Equals(a, a), a, Vector512.Create(NaN).AsSingle());

    /// <summary>Replaces a subnormal number by zero of its sign.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Flush(Vector512<float> a)
    {
        var bits = a.AsUInt32();
        var small = Vector512.LessThan(bits & Vector512.Create(~Sign), Vector512.Create(SmallestNormal));
        return (bits & (~small | Vector512.Create(Sign))).AsSingle();
    }

    /// <summary>Clamps to [0, 1]; what is not a number becomes 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Saturate(Vector512<float> a)
    {
        var positive = Vector512.ConditionalSelect(Vector512.GreaterThan(a, Vector512<float>.Zero), a, Vector512<float>.Zero);
        return Vector512.ConditionalSelect(Vector512.GreaterThan(positive, Vector512<float>.One), Vector512<float>.One, positive);
    }

    public static float Canonical(float a) => float.IsNaN(a) ? BitConverter.UInt32BitsToSingle(NaN) : a;

    public static float Flush(float a) => float.IsSubnormal(a) ? float.CopySign(0, a) : a;
}

internal struct AddF : IVector2<float> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<float> Of(Vector512<float> a, Vector512<float> b) => Binary32.Canonical(a + b); }
internal struct SubtractF : IVector2<float> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<float> Of(Vector512<float> a, Vector512<float> b) => Binary32.Canonical(a - b); }
internal struct MultiplyF : IVector2<float> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<float> Of(Vector512<float> a, Vector512<float> b) => Binary32.Canonical(a * b); }
internal struct DivideF : IVector2<float> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<float> Of(Vector512<float> a, Vector512<float> b) => Binary32.Canonical(a / b); }
internal struct FusedF : IVector3<float> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<float> Of(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Binary32.Canonical(Vector512.FusedMultiplyAdd(a, b, c)); }
internal struct SqrtF : IVector1<float> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<float> Of(Vector512<float> a) => Binary32.Canonical(Vector512.Sqrt(a)); }
internal struct ReciprocalF : IVector1<float> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<float> Of(Vector512<float> a) => Binary32.Canonical(Vector512<float>.One / a); }
internal struct ReciprocalSqrtF : IVector1<float> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<float> Of(Vector512<float> a) => Binary32.Canonical(Vector512<float>.One / Vector512.Sqrt(a)); }
internal struct NegateF : IVector1<float> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<float> Of(Vector512<float> a) => (a.AsUInt32() ^ Vector512.Create(Binary32.Sign)).AsSingle(); }
internal struct AbsoluteF : IVector1<float> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<float> Of(Vector512<float> a) => (a.AsUInt32() & Vector512.Create(~Binary32.Sign)).AsSingle(); }

/// <summary>The smaller; a number before what is none; -0 before +0.</summary>
internal struct MinimumF : IVector2<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a, Vector512<float> b)
    {
        var smaller = Vector512.ConditionalSelect(Vector512.LessThan(a, b), a, b);
        smaller = Vector512.ConditionalSelect(Vector512.Equals(a, b), (a.AsUInt32() | b.AsUInt32()).AsSingle(), smaller);
        smaller = Vector512.ConditionalSelect(Vector512.Equals(b, b), smaller, a);
        return Binary32.Canonical(Vector512.ConditionalSelect(Vector512.Equals(a, a), smaller, b));
    }
}

/// <summary>The larger; a number before what is none; +0 before -0.</summary>
internal struct MaximumF : IVector2<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a, Vector512<float> b)
    {
        var larger = Vector512.ConditionalSelect(Vector512.GreaterThan(a, b), a, b);
        larger = Vector512.ConditionalSelect(Vector512.Equals(a, b), (a.AsUInt32() & b.AsUInt32()).AsSingle(), larger);
        larger = Vector512.ConditionalSelect(Vector512.Equals(b, b), larger, a);
        return Binary32.Canonical(Vector512.ConditionalSelect(Vector512.Equals(a, a), larger, b));
    }
}

/// <summary>Makes min and max give what is not a number where an operand is none (<c>.NaN</c>).</summary>
internal struct PropagateF<TOp> : IVector2<float> where TOp : struct, IVector2<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a, Vector512<float> b) => Vector512.ConditionalSelect(
        Vector512.Equals(a, a) & Vector512.Equals(b, b), TOp.Of(a, b), Vector512.Create(Binary32.NaN).AsSingle());
}

/// <summary>Min and max of magnitudes, with the product's sign (<c>.xorsign.abs</c>).</summary>
internal struct XorSignF<TOp> : IVector2<float> where TOp : struct, IVector2<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a, Vector512<float> b)
    {
        var magnitude = TOp.Of(AbsoluteF.Of(a), AbsoluteF.Of(b));
        var signed = (magnitude.AsUInt32() | ((a.AsUInt32() ^ b.AsUInt32()) & Vector512.Create(Binary32.Sign))).AsSingle();
        return Binary32.Canonical(signed);
    }
}

/// <summary>Flushes subnormal operands and results to zero (<c>.ftz</c>).</summary>
internal struct Flush1<TOp> : IVector1<float> where TOp : struct, IVector1<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a) => Binary32.Flush(TOp.Of(Binary32.Flush(a)));
}

internal struct Flush2<TOp> : IVector2<float> where TOp : struct, IVector2<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a, Vector512<float> b) => Binary32.Flush(TOp.Of(Binary32.Flush(a), Binary32.Flush(b)));
}

internal struct Flush3<TOp> : IVector3<float> where TOp : struct, IVector3<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Binary32.Flush(TOp.Of(Binary32.Flush(a), Binary32.Flush(b), Binary32.Flush(c)));
}

/// <summary>Clamps the result to [0, 1] (<c>.sat</c>).</summary>
internal struct Saturate2<TOp> : IVector2<float> where TOp : struct, IVector2<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a, Vector512<float> b) => Binary32.Saturate(TOp.Of(a, b));
}

internal struct Saturate3<TOp> : IVector3<float> where TOp : struct, IVector3<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Binary32.Saturate(TOp.Of(a, b, c));
}

/// <summary>2 to the power a: Taylor's series of degree 7 around the nearest integer, within 2 units in the last place.</summary>
internal struct Exp2F : IVector1<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a)
    {
        var x = Vector512.Min(Vector512.Max(a, Vector512.Create(-160f)), Vector512.Create(160f));
        var whole = Vector512.Round(x);
        var rest = x - whole;
        var sum = Vector512.FusedMultiplyAdd(Vector512.Create(1.5252734e-5f), rest, Vector512.Create(1.5403531e-4f));
        sum = Vector512.FusedMultiplyAdd(sum, rest, Vector512.Create(1.3333558e-3f));
        sum = Vector512.FusedMultiplyAdd(sum, rest, Vector512.Create(9.6181291e-3f));
        sum = Vector512.FusedMultiplyAdd(sum, rest, Vector512.Create(5.5504109e-2f));
        sum = Vector512.FusedMultiplyAdd(sum, rest, Vector512.Create(2.4022651e-1f));
        sum = Vector512.FusedMultiplyAdd(sum, rest, Vector512.Create(6.9314718e-1f));
        sum = Vector512.FusedMultiplyAdd(sum, rest, Vector512<float>.One);
        // two factors, so that the powers of subnormal results and of the largest ones are normal numbers
        var exponent = Vector512.ConvertToInt32(whole);
        var half = exponent >> 1;
        var bias = Vector512.Create(127);
        var result = sum * ((half + bias) << 23).AsSingle() * ((exponent - half + bias) << 23).AsSingle();
        return Vector512.ConditionalSelect(Vector512.Equals(a, a), result, Vector512.Create(Binary32.NaN).AsSingle());
    }
}

/// <summary>Applies a function of one number lane by lane, in double precision, rounded once.</summary>
internal struct ByDouble<TFunction> : ILane1<float, float> where TFunction : struct, IFunction
{
    public static float Of(float a) => Binary32.Canonical((float)TFunction.Of(a));
}

internal struct ByDoubleFlushed<TFunction> : ILane1<float, float> where TFunction : struct, IFunction
{
    public static float Of(float a) => Binary32.Flush(Binary32.Canonical((float)TFunction.Of(Binary32.Flush(a))));
}

/// <summary>A function of a real number.</summary>
internal interface IFunction { static abstract double Of(double a); }

internal struct Log2Function : IFunction { public static double Of(double a) => Math.Log2(a); }
internal struct SineFunction : IFunction { public static double Of(double a) => Math.Sin(a); }
internal struct CosineFunction : IFunction { public static double Of(double a) => Math.Cos(a); }
internal struct TanhFunction : IFunction { public static double Of(double a) => Math.Tanh(a); }
