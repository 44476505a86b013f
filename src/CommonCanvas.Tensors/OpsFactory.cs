namespace CommonCanvas.Tensors;

/// <summary>Makes the device that a name asks for.</summary>
public static class OpsFactory
{
    /// <summary>The names that <see cref="Create"/> knows.</summary>
    public static IReadOnlyList<string> Devices { get; } = ["cpu", "cpu-reference"];

    /// <summary>
    /// <c>cpu</c>: the fastest there is for this processor; <c>cpu-reference</c>: <see cref="CpuOps"/>, one thread.
    /// </summary>
    /// <param name="device">One of <see cref="Devices"/>.</param>
    /// <param name="threads">Worker threads of a CPU device; 0 for one on each core.</param>
    public static IOps Create(string device, int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        return device switch
        {
            "cpu" => CpuFastOps.Create(threads),
            "cpu-reference" => new CpuOps(),
            _ => throw new ArgumentException($"unknown device '{device}': must be one of {string.Join(", ", Devices)}", nameof(device)),
        };
    }
}
