namespace CommonCanvas.Tensors;

/// <summary>
/// A host tensor of a floating-point type seen as fp32. F32 is used in place; F16 and BF16 are widened into a rented block,
/// and what was written there is rounded back by <see cref="Dispose"/>, so that an operation has one code for all types
/// and rounds once. Columns of a wider tensor are copied into such a block and back, whatever their type, and lie in it without
/// the others.
/// </summary>
readonly unsafe ref struct Values
{
    readonly Arena arena;
    readonly Columns columns;
    readonly Tensor wide;
    readonly bool store;
    readonly float* data;
    readonly int width;

    /// <summary>Widens where <paramref name="load"/>, and rounds back at the end where <paramref name="store"/>.</summary>
    public Values(Arena arena, Columns columns, bool load, bool store)
    {
        (this.arena, this.columns, this.store) = (arena, columns, store);
        if (columns.IsNone) return;
        width = columns.Width;
        if (columns.IsWhole && !columns.Type.IsReduced())
        {
            data = (float*)columns.Data;
            return;
        }
        wide = arena.Rent(DType.F32, checked((int)columns.Rows), width);
        data = (float*)wide.Data;
        if (load) Rounding.Widen(columns, data);
    }

    /// <summary>Element <paramref name="i"/> in memory order.</summary>
    public ref float this[long i] => ref data[i];

    /// <summary>The last dimension at index <paramref name="i"/> of all the others.</summary>
    public Span<float> Row(long i) => new(data + i * width, width);

    /// <summary><paramref name="count"/> elements from <paramref name="start"/>.</summary>
    public Span<float> Slice(long start, int count) => new(data + start, count);

    /// <summary>Rounds to the tensor's type what was written, and returns the block.</summary>
    public void Dispose()
    {
        if (wide.IsNone) return;
        if (store) Rounding.Narrow(data, columns);
        arena.Release(wide);
    }
}

/// <summary>fp64 sums of a row, in rented memory.</summary>
readonly unsafe ref struct Sums
{
    readonly Arena arena;
    readonly Tensor block;

    /// <summary>Rents room for <paramref name="count"/> sums, all zero.</summary>
    public Sums(Arena arena, int count)
    {
        this.arena = arena;
        block = arena.Rent(DType.F32, count, sizeof(double) / sizeof(float));
        Row = new Span<double>((void*)block.Data, count);
        Row.Clear();
    }

    /// <summary>The sums.</summary>
    public Span<double> Row { get; }

    /// <summary>One of the sums.</summary>
    public ref double this[int i] => ref Row[i];

    /// <summary>Sets all to zero.</summary>
    public void Clear() => Row.Clear();

    /// <summary>Returns the memory.</summary>
    public void Dispose() => arena.Release(block);
}
