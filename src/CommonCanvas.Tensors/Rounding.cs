namespace CommonCanvas.Tensors;

/// <summary>Conversion between fp32 and the 16-bit types: to nearest, ties to even; infinities and not-a-number are kept.</summary>
public static unsafe class Rounding
{
    /// <summary>The bfloat16 nearest to <paramref name="value"/>, as its bits.</summary>
    public static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value)) return (ushort)((bits >> 16) | 0x40); // quiet, and never rounded to infinity
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The value of a bfloat16's bits; exact.</summary>
    public static float FromBFloat16(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>The value that <paramref name="value"/> has after a round trip through <paramref name="type"/>.</summary>
    public static float Round(float value, DType type) => type switch
    {
        DType.F16 => (float)(Half)value,
        DType.BF16 => FromBFloat16(ToBFloat16(value)),
        _ => value,
    };

    /// <summary>Widens a host tensor of type F16 or BF16 to fp32.</summary>
    internal static void Widen(Tensor from, float* to)
    {
        long count = from.Count;
        if (from.Type == DType.F16)
        {
            var source = (Half*)from.Data;
            for (long i = 0; i < count; i++) to[i] = (float)source[i];
        }
        else
        {
            var source = (ushort*)from.Data;
            for (long i = 0; i < count; i++) to[i] = FromBFloat16(source[i]);
        }
    }

    /// <summary>Rounds fp32 to a host tensor of type F16 or BF16.</summary>
    internal static void Narrow(float* from, Tensor to)
    {
        long count = to.Count;
        if (to.Type == DType.F16)
        {
            var target = (Half*)to.Data;
            for (long i = 0; i < count; i++) target[i] = (Half)from[i];
        }
        else
        {
            var target = (ushort*)to.Data;
            for (long i = 0; i < count; i++) target[i] = ToBFloat16(from[i]);
        }
    }
}
