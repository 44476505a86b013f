using System.Numerics;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Libraries;

/// <summary>Values of the emulated device's memory as fp32 numbers, for what emulated libraries compute on the processor.</summary>
internal static unsafe class HostValues
{
    /// <summary>Bytes of an element.</summary>
    public static int Size(CudaType type) => type == CudaType.F32 ? 4 : 2;

    /// <summary>An element's value.</summary>
    public static float Read(byte* from, CudaType type, long at) => type switch
    {
        CudaType.F32 => ((float*)from)[at],
        CudaType.F16 => (float)((Half*)from)[at],
        _ => BitConverter.UInt32BitsToSingle((uint)((ushort*)from)[at] << 16),
    };

    /// <summary>Stores a value, rounded to nearest, ties to even.</summary>
    public static void Write(byte* to, CudaType type, long at, float value)
    {
        switch (type)
        {
            case CudaType.F32: ((float*)to)[at] = value; break;
            case CudaType.F16: ((Half*)to)[at] = (Half)value; break;
            default: ((ushort*)to)[at] = ToBFloat16(value); break;
        }
    }

    /// <summary>Values that lie without gaps.</summary>
    public static float[] Row(byte* from, CudaType type, long count) => Rows(from, type, 1, checked((int)count), 0, 1);

    /// <summary>A matrix whose element (row, column) lies at row * byRow + column * byColumn, as rows without gaps.</summary>
    public static float[] Rows(byte* from, CudaType type, int rows, int columns, long byRow, long byColumn)
    {
        var values = new float[(long)rows * columns];
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++)
                values[(long)row * columns + column] = Read(from, type, row * byRow + column * byColumn);
        return values;
    }

    /// <summary>The sum of products, in fp32.</summary>
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        ReadOnlySpan<Vector<float>> wideA = MemoryMarshal.Cast<float, Vector<float>>(a), wideB = MemoryMarshal.Cast<float, Vector<float>>(b);
        var sums = Vector<float>.Zero;
        for (int i = 0; i < wideA.Length; i++) sums += wideA[i] * wideB[i];
        float sum = Vector.Sum(sums);
        for (int i = wideA.Length * Vector<float>.Count; i < a.Length; i++) sum += a[i] * b[i];
        return sum;
    }

    static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
