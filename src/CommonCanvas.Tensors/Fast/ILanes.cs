namespace CommonCanvas.Tensors;

/// <summary>
/// The vector instructions that the fast operations need, on vectors <typeparamref name="TV"/> of fp32 lanes. Kernels are
/// written once against it and compiled once for each implementation: its static methods inline to single instructions.
/// </summary>
/// <typeparam name="TV">Vector512, Vector256 or Vector128 of float.</typeparam>
internal unsafe interface ILanes<TV> where TV : struct
{
    /// <summary>Which instructions these are.</summary>
    static abstract CpuIsa Isa { get; }

    /// <summary>Lanes of a vector.</summary>
    static abstract int Width { get; }

    static abstract TV Zero { get; }

    /// <summary>Lane i holds i.</summary>
    static abstract TV Indices { get; }

    static abstract TV Broadcast(float value);
    static abstract TV Load(float* p);
    static abstract void Store(TV v, float* p);

    static abstract TV Add(TV a, TV b);
    static abstract TV Subtract(TV a, TV b);
    static abstract TV Multiply(TV a, TV b);
    static abstract TV Divide(TV a, TV b);
    static abstract TV Min(TV a, TV b);
    static abstract TV Max(TV a, TV b);
    static abstract TV Sqrt(TV v);
    static abstract TV Abs(TV v);

    /// <summary>a * b + c, rounded once where the processor can.</summary>
    static abstract TV Fma(TV a, TV b, TV c);

    /// <summary>To the nearest integer.</summary>
    static abstract TV Round(TV v);

    /// <summary>v 2^n for integers n in [-152, 152]; infinite, subnormal or zero where that is the result.</summary>
    static abstract TV Scale(TV v, TV n);

    /// <summary>Magnitude of a, sign of b.</summary>
    static abstract TV CopySign(TV a, TV b);

    /// <summary>a where x &lt; y, else b (also where either is not a number).</summary>
    static abstract TV SelectLess(TV x, TV y, TV a, TV b);

    /// <summary>The sum of the lanes, in a fixed order.</summary>
    static abstract float Sum(TV v);

    /// <summary>The greatest lane.</summary>
    static abstract float MaxAcross(TV v);

    static abstract TV LoadHalf(ushort* p);
    static abstract TV LoadBFloat16(ushort* p);
    static abstract void StoreHalf(TV v, ushort* p);
    static abstract void StoreBFloat16(TV v, ushort* p);

    /// <summary>Width rows of Width values, row i at <paramref name="from"/> + i * <paramref name="fromStride"/>, become columns.</summary>
    static abstract void Transpose(float* from, nint fromStride, float* to, nint toStride);
}
