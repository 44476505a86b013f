namespace CommonCanvas.Models;

/// <summary>
/// Element types of a safetensors file, in the order by which the reference implementation sorts tensors
/// (largest last here, first in the file), so that every tensor starts aligned to its element.
/// </summary>
public enum SafetensorsType : byte
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool,
    /// <summary>8-bit unsigned integer.</summary>
    U8,
    /// <summary>8-bit signed integer.</summary>
    I8,
    /// <summary>16-bit signed integer.</summary>
    I16,
    /// <summary>16-bit unsigned integer.</summary>
    U16,
    /// <summary>IEEE binary16.</summary>
    F16,
    /// <summary>bfloat16.</summary>
    BF16,
    /// <summary>32-bit signed integer.</summary>
    I32,
    /// <summary>32-bit unsigned integer.</summary>
    U32,
    /// <summary>IEEE binary32.</summary>
    F32,
    /// <summary>IEEE binary64.</summary>
    F64,
    /// <summary>64-bit signed integer.</summary>
    I64,
    /// <summary>64-bit unsigned integer.</summary>
    U64,
}

/// <summary>Facts about the element types.</summary>
public static class SafetensorsTypes
{
    static readonly string[] names = ["BOOL", "U8", "I8", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "F64", "I64", "U64"];

    /// <summary>All names as the header writes them, for messages.</summary>
    public static string All { get; } = string.Join(", ", names);

    /// <summary>The name as the header writes it.</summary>
    public static string Name(this SafetensorsType type) => names[(int)type];

    /// <summary>Bytes per element.</summary>
    public static int Size(this SafetensorsType type) => type switch
    {
        <= SafetensorsType.I8 => 1,
        <= SafetensorsType.BF16 => 2,
        <= SafetensorsType.F32 => 4,
        _ => 8,
    };

    /// <summary>Whether elements are floating-point numbers.</summary>
    public static bool IsFloat(this SafetensorsType type) =>
        type is SafetensorsType.F16 or SafetensorsType.BF16 or SafetensorsType.F32 or SafetensorsType.F64;

    /// <summary>The type that a header names, or null.</summary>
    public static SafetensorsType? Parse(string name)
    {
        int index = Array.IndexOf(names, name);
        return index < 0 ? null : (SafetensorsType)index;
    }
}

/// <summary>One tensor of a file: where it lies and what it is.</summary>
/// <param name="Name">Name of the tensor.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Dimensions, outermost first; empty for a scalar.</param>
/// <param name="Offset">Bytes from the start of the data region (behind the header).</param>
/// <param name="Bytes">Number of bytes, which is the product of the shape times the element size.</param>
public sealed record SafetensorsEntry(string Name, SafetensorsType Type, long[] Shape, long Offset, long Bytes)
{
    /// <summary>Number of elements.</summary>
    public long Count => Bytes / Type.Size();

    /// <summary>For messages: <c>unet.conv_in.weight F32[320, 4, 3, 3]</c>.</summary>
    public override string ToString() => $"{Name} {Type.Name()}[{string.Join(", ", Shape)}]";
}
