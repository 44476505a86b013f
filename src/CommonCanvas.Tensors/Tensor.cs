using System.Diagnostics.CodeAnalysis;

namespace CommonCanvas.Tensors;

/// <summary>
/// A contiguous block of device memory with a shape of one to four dimensions. A value, not an object: a training step
/// makes thousands of them and must not allocate. Images and activations are NHWC. The memory belongs to the
/// <see cref="Arena"/> that handed it out; see there for who frees it.
/// </summary>
public readonly struct Tensor : IEquatable<Tensor>
{
    readonly int d0, d1, d2, d3;

    /// <summary>Wraps memory that the caller owns. Unused trailing dimensions are left out, not 1.</summary>
    public Tensor(nint data, DType type, int d0, int d1 = -1, int d2 = -1, int d3 = -1)
    {
        (Data, Type) = (data, type);
        (this.d0, this.d1, this.d2, this.d3) = (d0, d1, d2, d3);
        Rank = (byte)(d3 >= 0 ? 4 : d2 >= 0 ? 3 : d1 >= 0 ? 2 : 1);
    }

    /// <summary>Address on the device; 0 for "no tensor".</summary>
    public nint Data { get; }

    /// <summary>Element type.</summary>
    public DType Type { get; }

    /// <summary>Number of dimensions, 1 to 4; 0 for "no tensor".</summary>
    public byte Rank { get; }

    /// <summary>The absent tensor: an optional argument left out.</summary>
    public static Tensor None => default;

    /// <summary>Whether this is the absent tensor.</summary>
    public bool IsNone => Rank == 0;

    /// <summary>Size of dimension <paramref name="i"/>; negative counts from the end.</summary>
    public int this[int i]
    {
        get
        {
            int k = i < 0 ? i + Rank : i;
            if ((uint)k >= Rank) ThrowDimension(i);
            return k switch { 0 => d0, 1 => d1, 2 => d2, _ => d3 };
        }
    }

    /// <summary>Number of elements.</summary>
    public long Count => Rank == 0 ? 0 : (long)d0 * (Rank > 1 ? d1 : 1) * (Rank > 2 ? d2 : 1) * (Rank > 3 ? d3 : 1);

    /// <summary>Number of bytes.</summary>
    public long Bytes => Count * Type.Size();

    /// <summary>Size of the last dimension (channels in NHWC).</summary>
    public int Channels => this[Rank - 1];

    /// <summary>Product of all dimensions but the last: the rows of the matrix that the tensor is to a GEMM.</summary>
    public long Rows => Channels == 0 ? 0 : Count / Channels;

    /// <summary>The same memory under another shape of equal element count; one dimension may be -2, "whatever is left".</summary>
    public Tensor Reshape(int d0, int d1 = -1, int d2 = -1, int d3 = -1)
    {
        long known = Math.Abs(1L * (d0 == -2 ? 1 : d0) * (d1 is -1 or -2 ? 1 : d1) * (d2 is -1 or -2 ? 1 : d2) * (d3 is -1 or -2 ? 1 : d3));
        int rest = known == 0 ? 0 : (int)(Count / known);
        var view = new Tensor(Data, Type, d0 == -2 ? rest : d0, d1 == -2 ? rest : d1, d2 == -2 ? rest : d2, d3 == -2 ? rest : d3);
        if (view.Count != Count) throw new ArgumentException($"{this} has {Count} elements and cannot be seen as {view}");
        return view;
    }

    /// <summary>Rows <paramref name="start"/> to start + <paramref name="count"/> of the first dimension, without a copy.</summary>
    public Tensor Slice(int start, int count)
    {
        if (start < 0 || count < 0 || count > this[0] - start) throw new ArgumentOutOfRangeException(nameof(start), $"{count} rows from {start} of {this}");
        long stride = d0 == 0 ? 0 : Count / d0 * Type.Size();
        return new Tensor(Data + (nint)(start * stride), Type, count, d1, d2, d3);
    }

    /// <summary>Whether both have the same dimensions; the types may differ.</summary>
    public bool SameShape(Tensor other) =>
        Rank == other.Rank && d0 == other.d0 && d1 == other.d1 && d2 == other.d2 && d3 == other.d3;

    /// <summary>The elements of a tensor in host memory.</summary>
    public unsafe Span<T> Span<T>() where T : unmanaged
    {
        if (sizeof(T) != Type.Size()) throw new ArgumentException($"{this} does not hold {typeof(T).Name}");
        return new Span<T>((void*)Data, checked((int)Count));
    }

    /// <inheritdoc/>
    public bool Equals(Tensor other) => Data == other.Data && Type == other.Type && SameShape(other);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Tensor other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Data, d0, d1, d2, d3);

    /// <summary>Same memory, type and shape.</summary>
    public static bool operator ==(Tensor a, Tensor b) => a.Equals(b);

    /// <summary>Differs in memory, type or shape.</summary>
    public static bool operator !=(Tensor a, Tensor b) => !a.Equals(b);

    /// <summary>For messages: <c>F32[2, 16, 16, 320]</c>.</summary>
    public override string ToString() => Rank switch
    {
        0 => "none",
        1 => $"{Type}[{d0}]",
        2 => $"{Type}[{d0}, {d1}]",
        3 => $"{Type}[{d0}, {d1}, {d2}]",
        _ => $"{Type}[{d0}, {d1}, {d2}, {d3}]",
    };

    [DoesNotReturn]
    void ThrowDimension(int i) => throw new ArgumentOutOfRangeException(nameof(i), $"dimension {i} of {this}");
}
