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

    /// <summary>Widens columns of a host tensor to fp32, row after row.</summary>
    internal static void Widen(Columns from, float* to)
    {
        for (long row = 0; row < from.Rows; row++, to += from.Width)
        {
            long start = row * from.Pitch;
            switch (from.Type)
            {
                case DType.F16:
                    for (int i = 0; i < from.Width; i++) to[i] = (float)((Half*)from.Data)[start + i];
                    break;
                case DType.BF16:
                    for (int i = 0; i < from.Width; i++) to[i] = FromBFloat16(((ushort*)from.Data)[start + i]);
                    break;
                default:
                    new ReadOnlySpan<float>((float*)from.Data + start, from.Width).CopyTo(new(to, from.Width));
                    break;
            }
        }
    }

    /// <summary>Rounds fp32 to columns of a host tensor.</summary>
    internal static void Narrow(float* from, Columns to)
    {
        for (long row = 0; row < to.Rows; row++, from += to.Width)
        {
            long start = row * to.Pitch;
            switch (to.Type)
            {
                case DType.F16:
                    for (int i = 0; i < to.Width; i++) ((Half*)to.Data)[start + i] = (Half)from[i];
                    break;
                case DType.BF16:
                    for (int i = 0; i < to.Width; i++) ((ushort*)to.Data)[start + i] = ToBFloat16(from[i]);
                    break;
                default:
                    new ReadOnlySpan<float>(from, to.Width).CopyTo(new((float*)to.Data + start, to.Width));
                    break;
            }
        }
    }
}
