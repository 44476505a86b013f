using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// What every family of operations shares: agreement of a device with <see cref="CpuOps"/>, and of Backward with finite
/// differences of Forward.
/// </summary>
public abstract class OpTests : IDisposable
{
    protected static readonly DType[] Types = [DType.F32, DType.F16, DType.BF16];

    readonly CpuOps reference = new();
    readonly DeviceLease[] leases;
    readonly IOps[] devices;
    readonly int repeats;

    protected OpTests(TestDevice device)
    {
        HasMatrixInstructions = device.HasMatrixInstructions;
        repeats = device.Repeats;
        Assert.SkipWhen(device.Missing is not null, device.Missing ?? "");
        leases = [.. device.Variants.Select(device.Lease)];
        devices = [.. leases.Select(lease => lease.Ops)];
    }

    /// <summary>Whether the device multiplies 16-bit storage with matrix instructions.</summary>
    protected bool HasMatrixInstructions { get; }

    /// <summary>The device under test in its first variant.</summary>
    protected IOps Device => devices[0];

    /// <summary>The device's variants.</summary>
    protected IReadOnlyList<IOps> Variants => devices;

    public void Dispose()
    {
        foreach (var lease in leases) lease.Dispose();
        reference.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// Runs on every variant of the device, repeatedly, and on the reference. The device's results have the same bits
    /// each time and agree with the reference's within the bound that <see cref="Agreement"/> derives.
    /// </summary>
    /// <param name="type">Type of activations and weights.</param>
    /// <param name="terms">Length of the longest sum.</param>
    /// <param name="operation">Runs the operation.</param>
    /// <param name="roundsOperands">Whether a device with matrix instructions rounds intermediate results to the type.</param>
    protected void Agree(DType type, int terms, Action<OpRun> operation, bool roundsOperands = false)
    {
        using var expected = new OpRun(reference, type);
        operation(expected);
        var first = new Dictionary<string, byte[]>();
        foreach (var device in devices)
            for (int repeat = 0; repeat < repeats; repeat++)
            {
                using (var actual = new OpRun(device, type))
                {
                    operation(actual);
                    foreach (string name in expected.Outputs)
                    {
                        byte[] bits = actual.Bits(name);
                        if (first.TryAdd(name, bits)) AssertClose(name, actual[name], expected.Read(name), actual.Read(name), terms, roundsOperands && type.IsReduced() && actual[name].Type == type);
                        else Assert.True(first[name].AsSpan().SequenceEqual(bits), $"{name}: other bits in another run, or with another number of threads or order of blocks");
                    }
                }
                Assert.Equal(0, device.Arena.LiveBlocks);
            }
    }

    /// <summary>
    /// Gradients that are assigned have the same bits as ones that are added to zeros, where not-a-number stood before: nothing of
    /// it is read, and all of it is written over.
    /// </summary>
    protected void Assigns(DType type, Action<OpRun> operation)
    {
        foreach (var device in devices)
        {
            using OpRun added = new(device, type, gradients: GradientStart.Zero), assigned = new(device, type, gradients: GradientStart.Assigned);
            operation(added);
            operation(assigned);
            foreach (string name in assigned.Outputs)
                if (!added.Bits(name).AsSpan().SequenceEqual(assigned.Bits(name))) Assert.Fail($"{name} of {assigned[name]}: assigned it has other bits than added to zeros");
        }
    }

    /// <summary>
    /// Gradients that are assigned agree with the reference's, where not-a-number stood before: for a device that may add to a
    /// gradient in another order than it assigns it in, so that <see cref="Assigns(DType, Action{OpRun})"/> would ask too much.
    /// </summary>
    protected void Assigns(DType type, int terms, Action<OpRun> operation)
    {
        using var expected = new OpRun(reference, type, gradients: GradientStart.Assigned);
        operation(expected);
        foreach (var device in devices)
        {
            using var assigned = new OpRun(device, type, gradients: GradientStart.Assigned);
            operation(assigned);
            foreach (string name in assigned.Outputs) AssertClose(name, assigned[name], expected.Read(name), assigned.Read(name), terms, roundsOperands: false);
        }
    }

    static void AssertClose(string name, Tensor tensor, float[] expected, float[] actual, int terms, bool roundsOperands)
    {
        int i = Agreement.FirstDifference(tensor.Type, expected, actual, terms, roundsOperands);
        if (i < 0) return;
        double tolerance = Agreement.Tolerance(tensor.Type, expected[i], Agreement.RootMeanSquare(expected), terms, roundsOperands);
        Assert.Fail($"{name}[{i}] of {tensor} is {actual[i]:g9}, expected {expected[i]:g9}: error {Math.Abs((double)actual[i] - expected[i]):g3}, tolerance {tolerance:g3}");
    }

    /// <summary>
    /// The device's Backward against central differences of the reference's Forward, in F32, along a random direction r of
    /// +1 and -1 for each input that has a gradient. With L(x) = sum over outputs y of dY . y(x),
    ///
    ///   dX . r  =  (8 (L(x + h r) - L(x - h r)) - (L(x + 2 h r) - L(x - 2 h r))) / (12 h)  +  O(h^4 / 30 L'''''), h = 2^-5.
    ///
    /// Inputs are multiples of 2^-10, so x + k h r is exact. Outputs are rounded once, each by 2^-24 |y| at most, of standard
    /// deviation 2^-24 |y| / sqrt(3) at most, and the weights' squares sum to 2 (8^2 + 1) / (12 h)^2: the noise has at
    /// most 0.55 / h * 2^-24 * |dY * y|_2; six of those are allowed. An accumulated gradient and its initial value are rounded
    /// too: 2^-23 of them. The truncation is a small multiple of h^4 / 30 = 3e-8 of |dX|_2, which is the size of dX . r; fp32
    /// arithmetic in Backward is sums as in <see cref="Agree"/>; together 2e-5 |dX|_2 is allowed.
    ///
    /// Backward's output dName belongs to Forward's input name; Forward's output y counts in L where Backward has an input dY.
    /// </summary>
    protected void Gradient(Action<OpRun> forward, Action<OpRun> backward)
    {
        const double Step = 1.0 / 32;
        using var run = new OpRun(Device, DType.F32, coarse: true);
        forward(run);
        string[] results = [.. run.Outputs];
        backward(run);
        string[] weighted = [.. results.Where(name => run.Has(GradientOf(name)))];
        Assert.NotEmpty(weighted);
        foreach (string gradient in run.Outputs.Except(results))
        {
            string input = char.ToLowerInvariant(gradient[1]) + gradient[2..];
            float[] slope = run.Read(gradient), x = run.Initial(input);
            bool added = run.IsSum(gradient);
            float[] before = added ? run.Initial(gradient) : new float[slope.Length];
            double[] direction = [.. run.Normal("direction " + input, x.Length).Select(v => v < 0 ? -1.0 : 1.0)];

            double L(double distance, out double noise)
            {
                float[] moved = [.. x.Zip(direction, (v, r) => (float)(v + distance * r))];
                using var there = new OpRun(reference, DType.F32, coarse: true, new Dictionary<string, float[]> { [input] = moved });
                forward(there);
                double sum = 0, squares = 0;
                foreach (string name in weighted)
                    foreach (var (y, dY) in there.Read(name).Zip(run.Read(GradientOf(name))))
                    {
                        sum += (double)dY * y;
                        squares += Math.Pow((double)dY * y, 2);
                    }
                noise = Math.Sqrt(squares);
                return sum;
            }

            double expected = (8 * (L(Step, out _) - L(-Step, out _)) - (L(2 * Step, out double size) - L(-2 * Step, out _))) / (12 * Step);
            double actual = 0, length = 0, rounding = 0;
            for (int i = 0; i < slope.Length; i++)
            {
                double value = (double)slope[i] - before[i];
                actual += value * direction[i];
                length += value * value;
                rounding += added ? Math.Pow(slope[i], 2) : 0;
            }
            double tolerance = 6 * 0.55 / Step * Math.Pow(2, -24) * size + Math.Pow(2, -23) * 6 * Math.Sqrt(rounding) + 2e-5 * Math.Sqrt(length);
            Assert.True(Math.Abs(actual - expected) <= tolerance,
                $"{gradient} . direction = {actual:g9}, differences of Forward give {expected:g9}: error {Math.Abs(actual - expected):g3}, tolerance {tolerance:g3}");
        }
    }

    static string GradientOf(string name) => "d" + char.ToUpperInvariant(name[0]) + name[1..];
}
