namespace CommonCanvas.Tensors;

/// <summary>Element types that a <see cref="Tensor"/> can hold.</summary>
public enum DType : byte
{
    /// <summary>IEEE binary32.</summary>
    F32,
    /// <summary>IEEE binary16.</summary>
    F16,
    /// <summary>bfloat16: the upper half of a binary32.</summary>
    BF16,
    /// <summary>32-bit signed integer: token ids, counters.</summary>
    I32,
}

/// <summary>Facts about element types.</summary>
public static class DTypes
{
    /// <summary>Bytes per element.</summary>
    public static int Size(this DType type) => type is DType.F16 or DType.BF16 ? 2 : 4;

    /// <summary>Whether values are rounded to 16 bits.</summary>
    public static bool IsReduced(this DType type) => type is DType.F16 or DType.BF16;
}
