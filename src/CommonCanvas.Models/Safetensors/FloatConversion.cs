using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace CommonCanvas.Models;

/// <summary>Between stored floating-point types and fp32, rounding to nearest, ties to even.</summary>
static unsafe class FloatConversion
{
    internal static void ToFloats(byte* from, SafetensorsType type, Span<float> to)
    {
        switch (type)
        {
            case SafetensorsType.F32:
                new ReadOnlySpan<float>(from, to.Length).CopyTo(to);
                break;
            case SafetensorsType.F16:
                TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>(from, to.Length), to);
                break;
            case SafetensorsType.BF16:
                WidenBF16(new ReadOnlySpan<ushort>(from, to.Length), to);
                break;
            case SafetensorsType.F64:
                for (int i = 0; i < to.Length; i++) to[i] = (float)((double*)from)[i];
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a floating-point type");
        }
    }

    internal static void FromFloats(ReadOnlySpan<float> from, SafetensorsType type, Span<byte> to)
    {
        switch (type)
        {
            case SafetensorsType.F32:
                MemoryMarshal.AsBytes(from).CopyTo(to);
                break;
            case SafetensorsType.F16:
                TensorPrimitives.ConvertToHalf(from, MemoryMarshal.Cast<byte, Half>(to)[..from.Length]);
                break;
            case SafetensorsType.BF16:
                var narrow = MemoryMarshal.Cast<byte, ushort>(to);
                for (int i = 0; i < from.Length; i++) narrow[i] = RoundToBF16(from[i]);
                break;
            case SafetensorsType.F64:
                var wide = MemoryMarshal.Cast<byte, double>(to);
                for (int i = 0; i < from.Length; i++) wide[i] = from[i];
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a floating-point type");
        }
    }

    static void WidenBF16(ReadOnlySpan<ushort> from, Span<float> to)
    {
        int i = 0, step = Vector<ushort>.Count;
        for (; i <= from.Length - step; i += step)
        {
            Vector.Widen(new Vector<ushort>(from[i..]), out var low, out var high);
            Vector.AsVectorSingle(low << 16).CopyTo(to[i..]);
            Vector.AsVectorSingle(high << 16).CopyTo(to[(i + step / 2)..]);
        }
        for (; i < from.Length; i++) to[i] = BitConverter.UInt32BitsToSingle((uint)from[i] << 16);
    }

    /// <summary>Nearest, ties to even; a NaN stays one (its upper mantissa bit is set, so that rounding cannot make it infinite).</summary>
    static ushort RoundToBF16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value)) return (ushort)(bits >> 16 | 0x40);
        return (ushort)(bits + 0x7FFF + (bits >> 16 & 1) >> 16);
    }
}
