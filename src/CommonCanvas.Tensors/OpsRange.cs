namespace CommonCanvas.Tensors;

/// <summary>A named stretch of a device's work, which ends when this is disposed, whatever happens within.</summary>
/// <param name="ops">Told of the end.</param>
public readonly struct OpsRange(IOps ops) : IDisposable
{
    /// <summary>Ends the stretch.</summary>
    public void Dispose() => ops.EndRange();
}

/// <summary>Names stretches of work.</summary>
public static class OpsRanges
{
    /// <summary>Begins a stretch: <c>using var range = ops.Range("forward");</c></summary>
    public static OpsRange Range(this IOps ops, string name)
    {
        ops.BeginRange(name);
        return new OpsRange(ops);
    }
}
