using System.Globalization;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>
/// A product with memory of its own, on which candidates are checked against the program's own kernels and timed: what the
/// caller computes with is not touched. Where GEGLU follows the product, candidates are checked on the product alone and timed
/// with it. Waits for the device.
/// </summary>
sealed unsafe class ProductTrial : IDisposable
{
    /// <summary>Measurements, of which the median counts, and launches in each.</summary>
    const int Rounds = 5, Launches = 3;

    const int PieceBytes = 16 << 20;

    readonly CudaDevice device;
    readonly CudaStream stream;
    readonly ProductProblem problem;
    readonly ProductPattern pattern;
    readonly List<nint> allocations = [];
    readonly ProductOperands operands, timed;
    readonly CudaArena arena;
    readonly Tensor expected;

    /// <summary>Allocates and fills the operands.</summary>
    /// <exception cref="CudaException">There is too little memory.</exception>
    public ProductTrial(CudaDevice device, CudaStream stream, ProductPattern pattern, ProductProblem problem)
    {
        (this.device, this.stream, this.pattern, this.problem) = (device, stream, pattern, problem);
        arena = new CudaArena(device, static () => { });
        try
        {
            bool forward = problem.Product.Kind is ProductKind.LinearForward or ProductKind.ConvForward, weights = problem.IsWeightGradient;
            int fine = ProductPattern.Bits(problem.Type), kernel = problem.Geometry.Kernel;
            var (x, w, y) = problem.IsConvolution
                ? (Shape(problem.Samples, problem.Height, problem.Width, problem.Inputs), Shape(problem.Outputs, kernel, kernel, problem.Inputs),
                    Shape(problem.Samples, problem.OutHeight, problem.OutWidth, problem.Outputs))
                : (Shape(problem.Samples, problem.Inputs), Shape(problem.Outputs, problem.Inputs), Shape(problem.Samples, problem.Outputs));
            var result = forward ? y : weights ? Retype(w, DType.F32) : x;
            var (held, residual) = (Allocate(result), forward ? y : x);
            operands = new ProductOperands(
                forward || weights ? Filled(x, fine) : default,
                weights ? default : Filled(w, 0),
                forward ? default : Filled(y, weights ? 0 : fine),
                Has(ProductAddends.Bias) ? Filled(Shape(problem.Outputs), fine) : default,
                Has(ProductAddends.PerSample) ? Filled(Shape(problem.Samples, problem.Outputs), fine) : default,
                Has(ProductAddends.InPlace) ? held : Has(ProductAddends.Residual) ? Filled(residual, fine) : default,
                held,
                Has(ProductAddends.Gradient));
            expected = Allocate(result);
            timed = problem.HasGeglu ? WithGeglu() : operands;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Runs the program's own kernels for the product once: the result that candidates are compared with.</summary>
    public void Expect(Action<ProductOperands> own)
    {
        var to = operands with { Result = expected, Residual = Has(ProductAddends.InPlace) ? expected : operands.Residual };
        Prepare(to.Result);
        own(to);
    }

    /// <summary>Runs a candidate for the product once.</summary>
    /// <exception cref="LibraryCallException">It refuses.</exception>
    public (ProductVerdict Verdict, string Difference) Check(IProductCandidate candidate)
    {
        Prepare(operands.Result);
        candidate.Run(stream, arena, operands);
        return Compare(candidate.ExtraRoundings);
    }

    /// <summary>
    /// Milliseconds of a launch, of the program's own kernels and then of each candidate, in turn, so that a clock which changes
    /// changes it for all. Each is launched once before, which loads its kernels and takes its memory.
    /// </summary>
    public double[] Time(Action<ProductOperands> own, IEnumerable<IProductCandidate> candidates)
    {
        Action<ProductOperands>[] ways = [own, .. candidates.Select(candidate => (Action<ProductOperands>)(operands => candidate.Run(stream, arena, operands)))];
        foreach (var way in ways) way(timed);
        using CudaEvent begin = new(device, timing: true), end = new(device, timing: true);
        var times = ways.Select(_ => new double[Rounds]).ToArray();
        for (int round = 0; round < Rounds; round++)
            for (int way = 0; way < ways.Length; way++)
            {
                begin.Record(stream);
                for (int launch = 0; launch < Launches; launch++) ways[way](timed);
                end.Record(stream);
                end.Synchronize();
                times[way][round] = begin.MillisecondsTo(end) / Launches;
            }
        return [.. times.Select(measured => measured.Order().ElementAt(Rounds / 2))];
    }

    // the gradient lies beside u, not over it as in a step: launched again and again it would grow beyond all numbers
    ProductOperands WithGeglu()
    {
        if (problem.Kind == ProductKind.LinearGegluForward)
            return operands with { Result = Allocate(Shape(problem.Samples, problem.Outputs / 2)), Hidden = problem.StoresHidden ? operands.Result : default };
        var u = Shape(problem.Samples, 2 * problem.Inputs);
        return operands with { Result = Allocate(u), Hidden = Filled(u, ProductPattern.Bits(problem.Type)) };
    }

    bool Has(ProductAddends addend) => problem.Addends.HasFlag(addend);

    Tensor Shape(int d0, int d1 = -1, int d2 = -1, int d3 = -1) => new(0, problem.Type, d0, d1, d2, d3);

    static Tensor Retype(Tensor shape, DType type) => At(shape, 0, type);

    static Tensor At(Tensor shape, nint address, DType type) => new(address, type, shape[0], shape.Rank > 1 ? shape[1] : -1, shape.Rank > 2 ? shape[2] : -1, shape.Rank > 3 ? shape[3] : -1);

    Tensor Filled(Tensor shape, int bits)
    {
        var tensor = Allocate(shape);
        pattern.Fill(tensor, bits);
        return tensor;
    }

    // no better aligned than the caller's tensors, for kernels are chosen by that
    Tensor Allocate(Tensor shape)
    {
        int offset = problem.Alignment < 16 ? problem.Alignment : 0;
        nint address = device.Allocate(shape.Bytes + offset);
        allocations.Add(address);
        return At(shape, address + offset, shape.Type);
    }

    // what is added to has values; elsewhere not-a-number stands wherever nothing is written
    void Prepare(Tensor result)
    {
        if (Has(ProductAddends.Gradient) || Has(ProductAddends.InPlace)) pattern.Fill(result, ProductPattern.Bits(problem.Type));
        else stream.Fill8(result.Data, 0xFF, result.Bytes);
    }

    (ProductVerdict, string) Compare(int extraRoundings)
    {
        long different = 0, wrong = 0, count = expected.Count;
        double worst = -1;
        (float Expected, float Actual) worstPair = default;
        int size = expected.Type.Size();
        byte[] ours = new byte[Math.Min(PieceBytes, expected.Bytes)], theirs = new byte[ours.Length];
        for (long done = 0; done < expected.Bytes; done += ours.Length)
        {
            int bytes = (int)Math.Min(ours.Length, expected.Bytes - done);
            Download(expected.Data + (nint)done, ours, bytes);
            Download(operands.Result.Data + (nint)done, theirs, bytes);
            if (ours.AsSpan(0, bytes).SequenceEqual(theirs.AsSpan(0, bytes))) continue;
            for (int i = 0; i < bytes / size; i++)
            {
                float right = Value(ours, i), answer = Value(theirs, i);
                double distance = Math.Abs((double)right - answer);
                if (distance <= Allowance(right, extraRoundings)) continue;
                different++;
                if (!(distance <= Allowance(right, extraRoundings + 1))) wrong++;
                if (!(distance > worst) && !double.IsNaN(distance)) continue;
                (worst, worstPair) = (double.IsNaN(distance) ? double.PositiveInfinity : distance, (right, answer));
            }
        }
        if (different == 0) return (ProductVerdict.Right, "");
        return (wrong == 0 && problem.Addends != 0 ? ProductVerdict.Coarse : ProductVerdict.Wrong, string.Create(CultureInfo.InvariantCulture,
            $"{different} of {count} values differ, the worst is {worstPair.Actual} where {worstPair.Expected} is right"));
    }

    /// <summary>
    /// How far a result may be from the right one: not at all where it is rounded as often. A further rounding, to storage, is of
    /// a sum that lacks addends below 1, and moves it by half a unit in its last place; after it the last rounding may fall to
    /// the other side, a whole unit. Two units of the larger of both sums are above that.
    /// </summary>
    double Allowance(float right, int extraRoundings) => extraRoundings * 2 * UnitInLastPlace(Math.Abs((double)right) + 1);

    // the power of two below it, by its exponent's bits: there may be millions of them
    double UnitInLastPlace(double value)
    {
        int digits = problem.Type switch { DType.F16 => 10, DType.BF16 => 7, _ => 23 };
        return double.IsFinite(value) ? BitConverter.UInt64BitsToDouble((BitConverter.DoubleToUInt64Bits(value) & 0x7FF0_0000_0000_0000) - ((ulong)digits << 52)) : 0;
    }

    float Value(byte[] from, int at) => expected.Type switch
    {
        DType.F32 => MemoryMarshal.Cast<byte, float>(from)[at],
        DType.F16 => (float)MemoryMarshal.Cast<byte, Half>(from)[at],
        _ => Rounding.FromBFloat16(MemoryMarshal.Cast<byte, ushort>(from)[at]),
    };

    void Download(nint from, byte[] to, int bytes)
    {
        fixed (byte* into = to)
        {
            stream.CopyToHost(from, (nint)into, bytes);
            stream.Synchronize();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        arena.Dispose();
        foreach (nint address in allocations) device.Free(address);
        allocations.Clear();
    }
}
