namespace CommonCanvas.Tensors;

/// <summary>
/// The definition of every operation: plain loops over fp32 values, sums in fp64, one rounding at the end, the formula
/// above each. Slow and easy to read; the other devices are tested against it. F16 and BF16 arguments are widened to fp32
/// first and results rounded to nearest, ties to even, once. Not for concurrent use.
/// </summary>
public unsafe partial class CpuOps : IOps
{
    /// <inheritdoc/>
    public virtual string Name => "cpu-reference";

    /// <inheritdoc/>
    public Arena Arena { get; } = new HostArena();

    /// <inheritdoc/>
    public virtual void Upload<T>(ReadOnlySpan<T> host, Tensor y) where T : unmanaged
    {
        OpChecks.Upload(host.Length, sizeof(T), y);
        host.CopyTo(new Span<T>((void*)y.Data, host.Length));
    }

    /// <inheritdoc/>
    public virtual void Download<T>(Tensor x, Span<T> host) where T : unmanaged
    {
        OpChecks.Download(host.Length, sizeof(T), x);
        new ReadOnlySpan<T>((void*)x.Data, host.Length).CopyTo(host);
    }

    /// <inheritdoc/>
    public virtual void Fill(float value, Tensor y)
    {
        OpChecks.Fill(y);
        if (y.Type == DType.I32)
        {
            for (long i = 0; i < y.Count; i++) ((int*)y.Data)[i] = (int)value;
            return;
        }
        using var ys = Write(y);
        for (long i = 0; i < y.Count; i++) ys[i] = value;
    }

    /// <inheritdoc/>
    public virtual void Cast(Tensor x, Tensor y)
    {
        OpChecks.Cast(x, y);
        if (x.Type == y.Type)
        {
            Buffer.MemoryCopy((void*)x.Data, (void*)y.Data, y.Bytes, x.Bytes);
        }
        else if (x.Type == DType.I32)
        {
            using var ys = Write(y);
            for (long i = 0; i < y.Count; i++) ys[i] = ((int*)x.Data)[i];
        }
        else if (y.Type == DType.I32)
        {
            using var xs = Read(x);
            for (long i = 0; i < y.Count; i++) ((int*)y.Data)[i] = (int)MathF.Round(xs[i], MidpointRounding.ToEven);
        }
        else
        {
            using Values xs = Read(x), ys = Write(y);
            for (long i = 0; i < y.Count; i++) ys[i] = xs[i];
        }
    }

    /// <inheritdoc/>
    public virtual void Transpose(Tensor x, Tensor y)
    {
        // y[b, c, r] = x[b, r, c]
        OpChecks.Transpose(x, y);
        int batch = x[0], rows = x[1], columns = x[2];
        using Values xs = Read(x), ys = Write(y);
        for (int b = 0; b < batch; b++)
            for (int c = 0; c < columns; c++)
            {
                var to = ys.Row((long)b * columns + c);
                for (int r = 0; r < rows; r++) to[r] = xs[((long)b * rows + r) * columns + c];
            }
    }

    /// <inheritdoc/>
    public virtual void Synchronize() { }

    /// <inheritdoc/>
    public virtual void BeginStep() { }

    /// <inheritdoc/>
    public virtual void EndStep() { }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Returns the memory of <see cref="Arena"/>.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing) Arena.Dispose();
    }

    /// <summary>The values of an input as fp32; of the absent tensor, none.</summary>
    private protected Values Read(Columns columns) => new(Arena, columns, load: true, store: false);

    /// <summary>Values to be assigned; <see cref="Values.Dispose"/> rounds them to the tensor's type.</summary>
    private protected Values Write(Columns columns) => new(Arena, columns, load: false, store: true);

    /// <summary>A row of fp64 sums.</summary>
    private protected Sums RentSums(int count) => new(Arena, count);

    /// <summary>sum of a[i] b[i]; four partial sums, so that one addition need not wait for the one before.</summary>
    static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        b = b[..a.Length];
        double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        int i = 0;
        for (; i + 4 <= a.Length; i += 4)
        {
            s0 += (double)a[i] * b[i];
            s1 += (double)a[i + 1] * b[i + 1];
            s2 += (double)a[i + 2] * b[i + 2];
            s3 += (double)a[i + 3] * b[i + 3];
        }
        for (; i < a.Length; i++) s0 += (double)a[i] * b[i];
        return s0 + s1 + (s2 + s3);
    }

    /// <summary>sums[i] += factor * row[i].</summary>
    static void AddScaled(Span<double> sums, double factor, ReadOnlySpan<float> row)
    {
        sums = sums[..row.Length];
        for (int i = 0; i < row.Length; i++) sums[i] += factor * row[i];
    }

    /// <summary>row = sums, rounded.</summary>
    static void Assign(Span<float> row, ReadOnlySpan<double> sums)
    {
        for (int i = 0; i < row.Length; i++) row[i] = (float)sums[i];
    }

    /// <summary>row = or += sums, rounded once.</summary>
    static void Receive(Span<float> row, ReadOnlySpan<double> sums, bool accumulate)
    {
        for (int i = 0; i < row.Length; i++) row[i] = (float)((accumulate ? row[i] : 0) + sums[i]);
    }
}
