using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>
/// Shows a profiler's timeline the layers by name: a range for each stretch that a model names (forward, a block) and, within,
/// one for each operation, with the name of its weight's layer where it has one. Each call is made by itself: it does not record.
/// </summary>
/// <param name="inner">The device.</param>
/// <param name="profiler">Receives the ranges.</param>
public sealed class RangedOps(IOps inner, Nvtx profiler) : OpsDecorator(inner)
{
    readonly Dictionary<nint, (long Count, string Name)> layers = [];
    readonly Dictionary<(string Op, string Layer), string> names = [];

    /// <inheritdoc/>
    public override void BeginRange(string name) => profiler.Push(name);

    /// <inheritdoc/>
    public override void EndRange() => profiler.Pop();

    /// <inheritdoc/>
    public override void Label(Tensor memory, string name)
    {
        layers[memory.Data] = (memory.Count, name.EndsWith(".weight", StringComparison.Ordinal) ? name[..^".weight".Length] : name);
        base.Label(memory, name);
    }

    /// <inheritdoc/>
    public override void Upload<T>(ReadOnlySpan<T> host, Tensor y)
    {
        using var range = this.Range(nameof(Upload));
        Inner.Upload(host, y);
    }

    /// <inheritdoc/>
    public override void Download<T>(Tensor x, Span<T> host)
    {
        using var range = this.Range(nameof(Download));
        Inner.Download(x, host);
    }

    private protected override void Run(string op, ReadOnlySpan<OpArgument> arguments, Func<OpCost> cost, Action<IOps, TensorMap> operation)
    {
        using var range = this.Range(NameOf(op, arguments));
        operation(Inner, static argument => argument);
    }

    string NameOf(string op, ReadOnlySpan<OpArgument> arguments)
    {
        foreach (var argument in arguments)
        {
            // all parameters together begin where the first of them does
            if (!layers.TryGetValue(argument.Tensor.Data, out var layer) || layer.Count != argument.Tensor.Count) continue;
            if (!names.TryGetValue((op, layer.Name), out string? name)) names[(op, layer.Name)] = name = $"{layer.Name} {op}";
            return name;
        }
        return op;
    }
}
