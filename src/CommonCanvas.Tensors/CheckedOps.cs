using System.Globalization;

namespace CommonCanvas.Tensors;

/// <summary>A device's result differs from the reference's.</summary>
public sealed class OpMismatchException(string message) : Exception(message);

/// <summary>
/// Runs every operation on a device and on the reference with the same inputs, and stops at the first result that differs by
/// more than fp32 arithmetic and the rounding of the result explain (the bound is <see cref="Agreement"/>'s): the message
/// names the operation, the output, the index, both values, the tolerance and all shapes. Slow, for hunting an error.
/// </summary>
public sealed class CheckedOps(IOps inner) : OpsDecorator(inner)
{
    readonly CpuOps reference = new();

    private protected override void Run(string op, ReadOnlySpan<OpArgument> arguments, Func<OpCost> cost, Action<IOps, TensorMap> operation)
    {
        // Before the device changes anything: an output may lie over an input.
        var copies = new Dictionary<(nint, long), Tensor>();
        try
        {
            foreach (var (_, tensor, _) in arguments)
                if (!tensor.IsNone && !copies.ContainsKey((tensor.Data, tensor.Bytes))) copies.Add((tensor.Data, tensor.Bytes), CopyOf(tensor));

            operation(Inner, static argument => argument);
            operation(reference, argument => argument.IsNone ? argument : Like(argument, copies[(argument.Data, argument.Bytes)]));

            foreach (var argument in arguments)
                if (argument.Use != ArgumentUse.Read && !argument.Tensor.IsNone)
                    Compare(op, argument, copies[(argument.Tensor.Data, argument.Tensor.Bytes)], cost().Terms, arguments);
        }
        finally
        {
            foreach (var copy in copies.Values) reference.Arena.Release(copy);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) reference.Dispose();
        base.Dispose(disposing);
    }

    Tensor CopyOf(Tensor tensor)
    {
        var copy = reference.Arena.RentLike(tensor);
        if (tensor.Type.Size() == 2) Inner.Download(tensor, copy.Span<ushort>());
        else Inner.Download(tensor, copy.Span<uint>());
        return copy;
    }

    void Compare(string op, OpArgument output, Tensor expected, long terms, ReadOnlySpan<OpArgument> arguments)
    {
        var actual = CopyOf(output.Tensor);
        try
        {
            if (actual.Type == DType.I32) return; // only ever filled or copied
            using Values actuals = new(reference.Arena, actual, load: true, store: false), expecteds = new(reference.Arena, expected, load: true, store: false);
            ReadOnlySpan<float> a = actuals.Slice(0, checked((int)actual.Count)), e = expecteds.Slice(0, checked((int)actual.Count));
            int i = Agreement.FirstDifference(actual.Type, e, a, terms);
            if (i < 0) return;
            double tolerance = Agreement.Tolerance(actual.Type, e[i], Agreement.RootMeanSquare(e), terms);
            string shapes = string.Join(", ", arguments.ToArray().Select(argument => $"{argument.Name} {argument.Tensor}"));
            throw new OpMismatchException(string.Create(CultureInfo.InvariantCulture,
                $"{op} on {Inner.Name}: {output.Name}{IndexOf(i, output.Tensor)} is {a[i]:g9}, {reference.Name} gives {e[i]:g9}: error {Math.Abs((double)a[i] - e[i]):g3}, tolerance {tolerance:g3} ({shapes})"));
        }
        finally
        {
            reference.Arena.Release(actual);
        }
    }

    /// <summary>The memory of <paramref name="copy"/> with the shape of <paramref name="argument"/>.</summary>
    static Tensor Like(Tensor argument, Tensor copy) => argument.Rank switch
    {
        1 => new(copy.Data, argument.Type, argument[0]),
        2 => new(copy.Data, argument.Type, argument[0], argument[1]),
        3 => new(copy.Data, argument.Type, argument[0], argument[1], argument[2]),
        _ => new(copy.Data, argument.Type, argument[0], argument[1], argument[2], argument[3]),
    };

    /// <summary>Element <paramref name="i"/> as [b, h, w, c].</summary>
    static string IndexOf(int i, Tensor tensor)
    {
        var index = new int[tensor.Rank];
        for (int d = tensor.Rank - 1; d >= 0; d--) (i, index[d]) = Math.DivRem(i, tensor[d]);
        return $"[{string.Join(", ", index)}]";
    }
}
