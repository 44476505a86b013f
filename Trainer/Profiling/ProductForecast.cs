using System.Globalization;
using CommonCanvas.Emulator.Roofline;
using CommonCanvas.Tensors;

namespace CommonCanvas.Trainer.Profiling;

/// <summary>The three products of a layer with weights.</summary>
public enum ProductPass
{
    /// <summary>y.</summary>
    Forward,
    /// <summary>dX.</summary>
    Input,
    /// <summary>dWeight.</summary>
    Weight,
}

/// <summary>What the products of all layers of one shape are predicted to take, each pass by itself.</summary>
/// <param name="name">The shape, to read.</param>
/// <param name="flops">Floating-point operations of one pass.</param>
public sealed class ProductForecast(string name, double flops)
{
    readonly (long Calls, double Seconds, double Least)[] passes = new (long, double, double)[Enum.GetValues<ProductPass>().Length];

    /// <summary>The shape, to read.</summary>
    public string Name { get; } = name;

    /// <summary>Layers of this shape, in the pass that most of them have.</summary>
    public long Layers => passes.Max(pass => pass.Calls);

    /// <summary>Floating-point operations of one pass of one layer.</summary>
    public double Flops { get; } = flops;

    /// <summary>Calls that computed a pass.</summary>
    public long Calls(ProductPass pass) => passes[(int)pass].Calls;

    /// <summary>Whether a pass was computed at all; without, it has neither time nor share.</summary>
    public bool Has(ProductPass pass) => Calls(pass) > 0;

    /// <summary>Predicted time of a call with all of its launches.</summary>
    public double Seconds(ProductPass pass) => passes[(int)pass].Seconds / passes[(int)pass].Calls;

    /// <summary>The time that operations and bytes take at the GPU's peaks, of the predicted one.</summary>
    public double Share(ProductPass pass) => passes[(int)pass].Least / passes[(int)pass].Seconds;

    /// <summary>Starts a call whose operations and bytes take <paramref name="least"/> seconds at the GPU's peaks.</summary>
    internal void Begin(ProductPass pass, double least)
    {
        passes[(int)pass].Calls++;
        passes[(int)pass].Least += least;
    }

    /// <summary>Adds a launch's time.</summary>
    internal void Add(ProductPass pass, double seconds) => passes[(int)pass].Seconds += seconds;

    /// <summary>A product's shape: a name and its operations; null for other operations.</summary>
    /// <param name="operation">The method of <see cref="IOps"/>.</param>
    /// <param name="arguments">Its arguments.</param>
    public static (string Name, double Flops)? Shape(string operation, ReadOnlySpan<OpArgument> arguments)
    {
        bool conv = operation.StartsWith("Conv", StringComparison.Ordinal);
        if (!conv && !operation.StartsWith("Linear", StringComparison.Ordinal)) return null;
        Tensor weight = Find(arguments, "weight"), result = Find(arguments, operation is "LinearForward" or "ConvForward" ? "y" : operation == "LinearGegluForward" ? "u" : "dY");
        double flops = 2.0 * result.Rows * weight.Count;
        if (!conv) return (Linear(result.Rows, weight[1], weight[0]), flops);
        return (string.Create(CultureInfo.InvariantCulture, $"conv {weight[1]}x{weight[2]}, {result[0]} x {result[1]}x{result[2]}, {weight[3]} -> {weight[0]}"), flops);
    }

    /// <summary>Shape, operations and bytes of one of the products of <see cref="IOps.LinearBackwardWeights"/>.</summary>
    /// <param name="arguments">Its x, dY and dWeight.</param>
    public static (string Name, double Flops, double Bytes) WeightGradient(ReadOnlySpan<OpArgument> arguments)
    {
        Tensor x = arguments[0].Tensor, dY = arguments[1].Tensor;
        return (Linear(x.Rows, x.Channels, dY.Channels), 2.0 * x.Count * dY.Channels, x.Bytes + dY.Bytes + Bytes(arguments[2]));
    }

    /// <summary>The passes that a call computes, with the bytes that each must move.</summary>
    /// <param name="operation">The method of <see cref="IOps"/>.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="bytes">That the call must move.</param>
    public static IEnumerable<(ProductPass Pass, double Bytes)> Passes(string operation, ReadOnlySpan<OpArgument> arguments, double bytes)
    {
        if (operation.EndsWith("Forward", StringComparison.Ordinal)) return [(ProductPass.Forward, bytes)];
        if (operation == "LinearGegluBackward") return [(ProductPass.Input, bytes)];
        double dY = Bytes(arguments, "dY"), dX = Bytes(arguments, "dX"), dWeight = Bytes(arguments, "dWeight");
        var passes = new List<(ProductPass, double)>();
        if (dX > 0) passes.Add((ProductPass.Input, dY + Bytes(arguments, "weight") + Bytes(arguments, "residual") + dX));
        if (dWeight > 0) passes.Add((ProductPass.Weight, dY + Bytes(arguments, "x") + dWeight));
        return passes;
    }

    /// <summary>The pass that a kernel of such a call works for; null for sums that belong to neither, as a bias's gradient.</summary>
    public static ProductPass? PassOf(string operation, string kernel) => kernel switch
    {
        _ when kernel.StartsWith("ColumnSums", StringComparison.Ordinal) => null,
        _ when operation.EndsWith("Forward", StringComparison.Ordinal) => ProductPass.Forward,
        _ when kernel.Contains("Weight", StringComparison.Ordinal) || kernel == "FinishGradients" => ProductPass.Weight,
        _ => ProductPass.Input,
    };

    static double Bytes(ReadOnlySpan<OpArgument> arguments, string name)
    {
        foreach (var argument in arguments)
            if (argument.Name == name && !argument.Tensor.IsNone) return Bytes(argument);
        return 0;
    }

    static double Bytes(OpArgument argument) => (argument.Use == ArgumentUse.Update ? 2.0 : 1.0) * argument.Tensor.Bytes;

    static string Linear(long rows, int inputs, int outputs) => string.Create(CultureInfo.InvariantCulture, $"linear {rows} x {inputs} -> {outputs}");

    static Tensor Find(ReadOnlySpan<OpArgument> arguments, string name)
    {
        foreach (var argument in arguments)
            if (argument.Name == name) return argument.Tensor;
        throw new ArgumentException($"there is no argument {name}", nameof(arguments));
    }
}
