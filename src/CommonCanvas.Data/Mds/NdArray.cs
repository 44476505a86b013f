using System.Buffers.Binary;

namespace CommonCanvas.Data;

/// <summary>An array as MDS stores it: NumPy's element type by name, the dimensions, and the values little-endian in C order.</summary>
/// <param name="DType"><c>uint8</c> ... <c>uint64</c>, <c>int8</c> ... <c>int64</c>, <c>float16</c>, <c>float32</c> or <c>float64</c>.</param>
/// <param name="Shape">At least one dimension, none of them zero.</param>
/// <param name="Data">The product of the shape times the element's size in bytes.</param>
public sealed record NdArray(string DType, int[] Shape, ReadOnlyMemory<byte> Data)
{
    static readonly (string Name, byte Code, int Size)[] Types =
    [
        ("uint8", 8, 1), ("int8", 9, 1), ("uint16", 16, 2), ("int16", 17, 2), ("float16", 18, 2), ("uint32", 32, 4),
        ("int32", 33, 4), ("float32", 34, 4), ("uint64", 64, 8), ("int64", 65, 8), ("float64", 66, 8),
    ];

    /// <summary>Bytes of one element, or null for a type that MDS does not have.</summary>
    internal static int? SizeOf(string dtype) => Array.Find(Types, t => t.Name == dtype) is { Size: > 0 } found ? found.Size : null;

    /// <summary>Appends the parts that the encoding does not fix, then the values.</summary>
    internal void Encode(ByteBuffer to, bool writeType, bool writeShape)
    {
        (string Name, byte Code, int Size) type = Array.Find(Types, t => t.Name == DType);
        if (type.Size == 0) throw new ArgumentException($"element type '{DType}' is not one that MDS stores");
        if (Shape.Length is 0 or >= 64) throw new ArgumentException($"an array of {Shape.Length} dimensions cannot be stored: 1 to 63");
        Int128 bytes = type.Size;
        foreach (int d in Shape)
        {
            if (d < 1) throw new ArgumentException("an array with an empty dimension cannot be stored");
            bytes *= d;
            if (bytes > int.MaxValue) break;
        }
        if (bytes != Data.Length) throw new ArgumentException($"{Data.Length} bytes do not fill {DType}[{string.Join(',', Shape)}]");
        if (writeType) to.Append([type.Code]);
        if (writeShape)
        {
            int largest = Shape.Max();
            int c = largest <= byte.MaxValue ? 0 : largest <= ushort.MaxValue ? 1 : 2;
            to.Append([(byte)(Shape.Length << 2 | c)]);
            Span<byte> eight = stackalloc byte[8];
            foreach (int d in Shape)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(eight, (ulong)d);
                to.Append(eight[..(1 << c)]);
            }
        }
        to.Append(Data.Span);
    }

    /// <summary>Reads an array; null <paramref name="dtype"/> or <paramref name="shape"/> stand in the data.</summary>
    /// <exception cref="FormatException">The bytes are no such array.</exception>
    internal static NdArray Decode(ReadOnlyMemory<byte> from, string? dtype, int[]? shape)
    {
        ReadOnlySpan<byte> span = from.Span;
        int at = 0;
        if (dtype is null)
        {
            if (span.IsEmpty) throw new FormatException("an array without its element type");
            byte code = span[at++];
            dtype = Array.Find(Types, t => t.Code == code).Name ?? throw new FormatException($"element type {code} is unknown");
        }
        if (shape is null)
        {
            if (span.Length <= at) throw new FormatException("an array without its shape");
            int ndim = span[at] >> 2, width = 1 << (span[at] & 3);
            at++;
            if (ndim == 0) throw new FormatException("an array without dimensions");
            if (span.Length - at < ndim * width) throw new FormatException("an array whose shape is cut off");
            shape = new int[ndim];
            Span<byte> eight = stackalloc byte[8];
            for (int i = 0; i < ndim; i++, at += width)
            {
                eight.Clear();
                span.Slice(at, width).CopyTo(eight);
                ulong d = BinaryPrimitives.ReadUInt64LittleEndian(eight);
                if (d is 0 or > int.MaxValue) throw new FormatException($"an array dimension of {d}");
                shape[i] = (int)d;
            }
        }
        Int128 bytes = SizeOf(dtype)!.Value;
        foreach (int d in shape)
        {
            bytes *= d;
            if (bytes > int.MaxValue) break;
        }
        if (bytes != span.Length - at) throw new FormatException($"{span.Length - at} bytes where {dtype}[{string.Join(',', shape)}] needs another number");
        return new NdArray(dtype, shape, from[at..]);
    }
}
