using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>How an operation uses an argument.</summary>
public enum ArgumentUse
{
    /// <summary>Read only.</summary>
    Read,
    /// <summary>Assigned.</summary>
    Write,
    /// <summary>Read and written: a gradient that accumulates, an optimizer's state.</summary>
    Update,
}

/// <summary>An argument of a call.</summary>
/// <param name="Name">As <see cref="IOps"/> names it.</param>
/// <param name="Columns">What was given, which is a tensor with all of its columns but where an operation takes a part; may be absent.</param>
/// <param name="Use">What happens to these columns; nothing happens to the others.</param>
public readonly record struct OpArgument(string Name, Columns Columns, ArgumentUse Use)
{
    /// <summary>The tensor that was given, or that the columns are of.</summary>
    public Tensor Tensor => Columns.Tensor;
}

/// <summary>
/// What a call costs at least. Products of matrices count two operations for each pair multiplied and added, padding
/// included; in element-wise formulas each addition, multiplication, division and function is one; copies are none.
/// </summary>
/// <param name="Flops">Floating-point operations.</param>
/// <param name="Terms">Length of the longest sum, which the error of an fp32 result depends on.</param>
/// <param name="Untouched">Bytes of arguments that are neither read nor written: rows of a table that no id names.</param>
/// <param name="RoundedFactors">Sums that are rounded to storage before a result takes them as factors.</param>
public readonly record struct OpCost(double Flops, long Terms, long Untouched = 0, int RoundedFactors = 0);

/// <summary>The tensor that stands for an argument when an operation runs on another device.</summary>
delegate Tensor TensorMap(Tensor argument);

/// <summary>
/// A device around another one: describes each call once (arguments, what is read and written, cost), so that timing and
/// checking need no code for each operation. Owns and disposes the inner device.
/// </summary>
public abstract partial class OpsDecorator : IOps
{
    private protected OpsDecorator(IOps inner) => Inner = inner;

    /// <summary>The device that does the work.</summary>
    public IOps Inner { get; }

    /// <inheritdoc/>
    public string Name => Inner.Name;

    /// <inheritdoc/>
    public Arena Arena => Inner.Arena;

    /// <summary>Runs <paramref name="operation"/> on <see cref="Inner"/>; asks for the cost afterwards, when the arguments have been checked.</summary>
    private protected abstract void Run(string op, ReadOnlySpan<OpArgument> arguments, Func<OpCost> cost, Action<IOps, TensorMap> operation);

    /// <inheritdoc/>
    public virtual void Upload<T>(ReadOnlySpan<T> host, Tensor y) where T : unmanaged => Inner.Upload(host, y);

    /// <inheritdoc/>
    public virtual void Download<T>(Tensor x, Span<T> host) where T : unmanaged => Inner.Download(x, host);

    /// <inheritdoc/>
    public void Synchronize() => Inner.Synchronize();

    /// <inheritdoc/>
    public void BeginStep() => Inner.BeginStep();

    /// <inheritdoc/>
    public void EndStep() => Inner.EndStep();

    /// <inheritdoc/>
    public virtual void Label(Tensor memory, string name) => Inner.Label(memory, name);

    /// <inheritdoc/>
    public virtual void BeginRange(string name) => Inner.BeginRange(name);

    /// <inheritdoc/>
    public virtual void EndRange() => Inner.EndRange();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes the inner device.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing) Inner.Dispose();
    }

    /// <inheritdoc/>
    public void Fill(float value, Tensor y) =>
        Run(nameof(Fill), [Writes(y)], () => new(0, 1), (ops, at) => ops.Fill(value, at(y)));

    /// <inheritdoc/>
    public void Cast(Tensor x, Tensor y) =>
        Run(nameof(Cast), [Reads(x), Writes(y)], () => new(0, 1), (ops, at) => ops.Cast(at(x), at(y)));

    /// <inheritdoc/>
    public void Transpose(Tensor x, Tensor y) =>
        Run(nameof(Transpose), [Reads(x), Writes(y)], () => new(0, 1), (ops, at) => ops.Transpose(at(x), at(y)));

    /// <inheritdoc/>
    public void ActivationForward(Tensor x, Activation f, Tensor y) => // x / (1 + exp(-x)), or of that size
        Run(nameof(ActivationForward), [Reads(x), Writes(y)], () => new(4.0 * x.Count, 1), (ops, at) => ops.ActivationForward(at(x), f, at(y)));

    /// <inheritdoc/>
    public void ActivationBackward(Tensor x, Activation f, Tensor dY, Tensor dX) => // dY (s + x s (1 - s)), s = 1 / (1 + exp(-x))
        Run(nameof(ActivationBackward), [Reads(x), Reads(dY), Writes(dX)], () => new(8.0 * x.Count, 1), (ops, at) => ops.ActivationBackward(at(x), f, at(dY), at(dX)));

    /// <inheritdoc/>
    public void GegluForward(Tensor x, Tensor y) => // value * (0.5 gate (1 + erf(gate / sqrt 2)))
        Run(nameof(GegluForward), [Reads(x), Writes(y)], () => new(6.0 * y.Count, 1), (ops, at) => ops.GegluForward(at(x), at(y)));

    /// <inheritdoc/>
    public void GegluBackward(Tensor x, Tensor dY, Tensor dX) => // gelu of the gate, its slope, and a product with each
        Run(nameof(GegluBackward), [Reads(x), Reads(dY), Writes(dX)], () => new(13.0 * dY.Count, 1), (ops, at) => ops.GegluBackward(at(x), at(dY), at(dX)));

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y) =>
        Run(nameof(Add), [Reads(a), Reads(b), Writes(y)], () => new(y.Count, 1), (ops, at) => ops.Add(at(a), at(b), at(y)));

    /// <inheritdoc/>
    public void Scale(Tensor x, float factor, Tensor y) =>
        Run(nameof(Scale), [Reads(x), Writes(y)], () => new(y.Count, 1), (ops, at) => ops.Scale(at(x), factor, at(y)));

    /// <inheritdoc/>
    public void UpsampleForward(Tensor x, Tensor y) =>
        Run(nameof(UpsampleForward), [Reads(x), Writes(y)], () => new(0, 1), (ops, at) => ops.UpsampleForward(at(x), at(y)));

    /// <inheritdoc/>
    public void UpsampleBackward(Tensor dY, Tensor dX) =>
        Run(nameof(UpsampleBackward), [Reads(dY), Writes(dX)], () => new(dY.Count, dY.Count / Math.Max(1, dX.Count) + 1), (ops, at) => ops.UpsampleBackward(at(dY), at(dX)));

    /// <inheritdoc/>
    public void ConcatForward(Tensor a, Tensor b, Tensor y) =>
        Run(nameof(ConcatForward), [Reads(a), Reads(b), Writes(y)], () => new(0, 1), (ops, at) => ops.ConcatForward(at(a), at(b), at(y)));

    /// <inheritdoc/>
    public void ConcatBackward(Tensor dY, Tensor dA, Tensor dB) =>
        Run(nameof(ConcatBackward), [Reads(dY), Writes(dA), Writes(dB)], () => new(0, 1), (ops, at) => ops.ConcatBackward(at(dY), at(dA), at(dB)));

    private protected static OpArgument Reads(Columns t, [CallerArgumentExpression(nameof(t))] string name = "") => new(name, t, ArgumentUse.Read);

    private protected static OpArgument Writes(Columns t, [CallerArgumentExpression(nameof(t))] string name = "") => new(name, t, ArgumentUse.Write);

    private protected static OpArgument Receives(GradientTarget t, [CallerArgumentExpression(nameof(t))] string name = "") =>
        new(name, t.Tensor, t.Accumulate ? ArgumentUse.Update : ArgumentUse.Write);

    private protected static OpArgument Updates(Tensor t, [CallerArgumentExpression(nameof(t))] string name = "") => new(name, t, ArgumentUse.Update);
}
