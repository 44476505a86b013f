using System.Globalization;

namespace CommonCanvas.Tensors;

/// <summary>A device's result differs from the reference's.</summary>
public sealed class OpMismatchException(string message) : Exception(message);

/// <summary>
/// Runs every operation on a device and on the reference with the same inputs, and stops at the first result that differs by
/// more than fp32 arithmetic and the rounding of the result explain (the bound is <see cref="Agreement"/>'s): the message
/// names the operation, the output, the index, both values, the tolerance and all shapes. Slow, for hunting an error.
/// Behind a norm's Backward sums cancel, and a result says nothing of the size of its terms; so where a difference seems too
/// large the reference runs again with its inputs moved by about a unit in the last place, and what that changes is the scale.
/// </summary>
public sealed class CheckedOps(IOps inner) : OpsDecorator(inner)
{
    const float Unit = 1f / (1 << 23);

    readonly CpuOps reference = new();

    private protected override void Run(string op, ReadOnlySpan<OpArgument> arguments, Func<OpCost> cost, Action<IOps, TensorMap> operation)
    {
        // Before the device changes anything: an output may lie over an input.
        var copies = Copies(arguments);
        var moved = Copies(arguments);
        try
        {
            operation(Inner, static argument => argument);
            operation(reference, argument => argument.IsNone ? argument : Like(argument, copies[KeyOf(argument)]));
            bool ran = false;
            Tensor Moved(Tensor output)
            {
                if (!ran)
                {
                    foreach (var copy in moved.Values) Move(copy);
                    operation(reference, argument => argument.IsNone ? argument : Like(argument, moved[KeyOf(argument)]));
                }
                ran = true;
                return moved[KeyOf(output)];
            }

            foreach (var argument in arguments)
                if (argument.Use != ArgumentUse.Read && !argument.Tensor.IsNone)
                    Compare(op, argument, copies[KeyOf(argument.Tensor)], Moved, cost(), arguments);
        }
        finally
        {
            foreach (var copy in copies.Values.Concat(moved.Values)) reference.Arena.Release(copy);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) reference.Dispose();
        base.Dispose(disposing);
    }

    static (nint, long) KeyOf(Tensor tensor) => (tensor.Data, tensor.Bytes);

    Dictionary<(nint, long), Tensor> Copies(ReadOnlySpan<OpArgument> arguments)
    {
        var copies = new Dictionary<(nint, long), Tensor>();
        foreach (var argument in arguments)
            if (!argument.Tensor.IsNone && !copies.ContainsKey(KeyOf(argument.Tensor))) copies.Add(KeyOf(argument.Tensor), CopyOf(argument.Tensor));
        return copies;
    }

    /// <summary>Moves every value by one unit of fp32, up or down as chance has it; a narrower type holds no such number and stays.</summary>
    static void Move(Tensor tensor)
    {
        if (tensor.Type != DType.F32) return;
        var random = new Random(1);
        foreach (ref float value in tensor.Span<float>()) value *= 1 + (random.Next(2) == 0 ? -Unit : Unit);
    }

    Tensor CopyOf(Tensor tensor)
    {
        var copy = reference.Arena.RentLike(tensor);
        if (tensor.Type.Size() == 2) Inner.Download(tensor, copy.Span<ushort>());
        else Inner.Download(tensor, copy.Span<uint>());
        return copy;
    }

    void Compare(string op, OpArgument output, Tensor expected, Func<Tensor, Tensor> moved, OpCost cost, ReadOnlySpan<OpArgument> arguments)
    {
        var (_, terms, _, factors) = cost;
        var actual = CopyOf(output.Tensor);
        try
        {
            if (actual.Type == DType.I32) return; // only ever filled or copied
            using Values actuals = Written(actual), expecteds = Written(expected);
            int count = checked((int)output.Columns.Count);
            ReadOnlySpan<float> a = actuals.Slice(0, count), e = expecteds.Slice(0, count);
            double scale = Agreement.RootMeanSquare(e);
            if (Agreement.FirstDifference(actual.Type, e, a, terms, scale, roundedFactors: factors) < 0) return;
            using (var others = Written(moved(output.Tensor)))
                scale = Math.Max(scale, Agreement.RootMeanSquareDifference(e, others.Slice(0, e.Length)) / Unit);
            int i = Agreement.FirstDifference(actual.Type, e, a, terms, scale, roundedFactors: factors);
            if (i < 0) return;
            double tolerance = Agreement.Tolerance(actual.Type, e[i], scale, terms, roundedFactors: factors);
            string shapes = string.Join(", ", arguments.ToArray().Select(argument => $"{argument.Name} {argument.Columns}"));
            throw new OpMismatchException(string.Create(CultureInfo.InvariantCulture,
                $"{op} on {Inner.Name}: {output.Name}{IndexOf(i, output.Columns)} is {a[i]:g9}, {reference.Name} gives {e[i]:g9}: error {Math.Abs((double)a[i] - e[i]):g3}, tolerance {tolerance:g3} ({shapes})"));
        }
        finally
        {
            reference.Arena.Release(actual);
        }

        // Of a copy of the output's tensor, the columns that the operation writes.
        Values Written(Tensor copy) => new(reference.Arena, output.Columns with { Tensor = Like(output.Tensor, copy) }, load: true, store: false);
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
    static string IndexOf(int i, Columns columns)
    {
        var index = new int[columns.Tensor.Rank];
        for (int d = index.Length - 1; d >= 0; d--) (i, index[d]) = Math.DivRem(i, columns[d]);
        return $"[{string.Join(", ", index)}]";
    }
}
