using System.Globalization;

namespace CommonCanvas.Tensors;

/// <summary>
/// Consecutive columns of a tensor: of its last dimension <paramref name="Width"/> from <paramref name="First"/> on. What one
/// product has computed for several readers, such as query, key and value beside each other, is read by each in its place. A
/// tensor alone is all of its columns.
/// </summary>
/// <param name="Tensor">May be absent.</param>
/// <param name="First">The first column.</param>
/// <param name="Width">How many.</param>
public readonly record struct Columns(Tensor Tensor, int First, int Width)
{
    /// <summary>Whether there is no tensor.</summary>
    public bool IsNone => Tensor.IsNone;

    /// <summary>Whether these are all columns of the tensor.</summary>
    public bool IsWhole => First == 0 && Width == Pitch;

    /// <summary>Element type.</summary>
    public DType Type => Tensor.Type;

    /// <summary>Address of the first element on the device; 0 for "no tensor".</summary>
    public nint Data => Tensor.Data + (nint)First * Type.Size();

    /// <summary>Elements from the start of a row to the start of the next; 0 for "no tensor".</summary>
    public int Pitch => IsNone ? 0 : Tensor.Channels;

    /// <summary>Rows, each of <see cref="Width"/> elements.</summary>
    public long Rows => IsNone ? 0 : Tensor.Rows;

    /// <summary>Number of elements.</summary>
    public long Count => Rows * Width;

    /// <summary>Number of bytes.</summary>
    public long Bytes => Count * Type.Size();

    /// <summary>Size of dimension <paramref name="i"/>, of which the last one is <see cref="Width"/>.</summary>
    public int this[int i] => i == Tensor.Rank - 1 ? Width : Tensor[i];

    /// <summary>All columns of a tensor.</summary>
    public static implicit operator Columns(Tensor tensor) => new(tensor, 0, tensor.IsNone ? 0 : tensor.Channels);

    /// <summary>The same on another device.</summary>
    internal Columns Through(TensorMap at) => this with { Tensor = at(Tensor) };

    /// <summary>For messages: the tensor, or <c>columns 320 to 639 of F32[2, 256, 960]</c>.</summary>
    public override string ToString() =>
        IsWhole ? Tensor.ToString() : string.Create(CultureInfo.InvariantCulture, $"columns {First} to {First + Width - 1} of {Tensor}");
}
