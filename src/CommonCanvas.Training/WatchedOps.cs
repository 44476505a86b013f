using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// Passes every operation on to a device, counts the floating-point operations of matrix products, and, while
/// <see cref="Watching"/>, looks for the first result that is infinite or not a number and remembers in which layer it
/// arose. A model that is made with it can be asked what went wrong by running the same step again.
/// </summary>
/// <param name="inner">The device; disposed together with this.</param>
public sealed partial class WatchedOps(IOps inner) : IOps
{
    readonly Dictionary<nint, string> names = [];
    string lastNamed = "the input";

    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <inheritdoc/>
    public Arena Arena => inner.Arena;

    /// <summary>Floating-point operations of matrix products, convolutions and attention since the start.</summary>
    public double Flops { get; private set; }

    /// <summary>Whether results are inspected: slow, for finding a fault.</summary>
    public bool Watching { get; private set; }

    /// <summary>Operation and layer of the first bad result since <see cref="Watch"/>; null while all is well.</summary>
    public string? FirstFault { get; private set; }

    /// <summary>Inspects everything that <paramref name="work"/> does.</summary>
    /// <returns>Where the first bad result arose, or null.</returns>
    public string? Watch(Action work)
    {
        (Watching, FirstFault, lastNamed) = (true, null, "the input");
        try { work(); }
        finally { Watching = false; }
        return FirstFault;
    }

    void Inspect(string operation, Tensor weight, Columns a, Columns b = default, Columns c = default, Columns d = default)
    {
        bool named = names.TryGetValue(weight.Data, out string? name);
        if (named) lastNamed = name!;
        if (FirstFault is not null || Finite(a) && Finite(b) && Finite(c) && Finite(d)) return;
        FirstFault = named ? $"{operation} of {name} gave a value that is not finite" : $"{operation} after {lastNamed} gave a value that is not finite";
    }

    bool Finite(Columns written)
    {
        if (written.IsNone || written.Type == DType.I32 || inner.CountNonFinite(written.Tensor) == 0) return true;
        if (written.IsWhole) return false;
        // Beside the columns there may be anything.
        var wide = Arena.Rent(DType.F32, (int)written.Rows, written.Pitch);
        inner.Cast(written.Tensor, wide);
        float[] values = inner.DownloadFloats(wide);
        Arena.Release(wide);
        for (int row = 0; row < written.Rows; row++)
            foreach (float value in values.AsSpan(row * written.Pitch + written.First, written.Width))
                if (!float.IsFinite(value)) return false;
        return true;
    }

    static int Wanted(Tensor a, Tensor b) => (a.IsNone ? 0 : 1) + (b.IsNone ? 0 : 1);

    /// <inheritdoc/>
    public void Dispose() => inner.Dispose();
}
