namespace CommonCanvas.Tensors.Tests;

/// <summary>A device under test. The same bits are expected of every thread count.</summary>
public sealed record TestDevice(string Name, Func<int, IOps> Create, params int[] Threads)
{
    public static TestDevice CpuReference { get; } = new("cpu-reference", threads => OpsFactory.Create("cpu-reference", threads), 1);

    public static TestDevice Cpu { get; } = new("cpu", threads => OpsFactory.Create("cpu", threads), 1, 2, 3, 5);

    /// <summary>Both decorators: they pass every argument on, and the reference agrees with itself.</summary>
    public static TestDevice Decorated { get; } = new("decorated", _ => new TimedOps(new CheckedOps(new CpuOps())), 1);
}
