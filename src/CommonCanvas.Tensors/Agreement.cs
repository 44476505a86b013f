namespace CommonCanvas.Tensors;

/// <summary>
/// How far a device's result may be from the reference's, which sums in fp64 and rounds once.
///
/// Rounding to the output's type may fall on the other side of a tie: one unit in the last place, eps |y|. A sum of n
/// products of random sign, added one after another in fp32 as PyTorch's kernels add, has partial sums that grow like
/// sqrt(k) and an error of standard deviation eps sqrt(n) / 4.9 times the result's root mean square (each addition errs
/// uniformly within half a unit); the largest of some thousand results is within five standard deviations: eps sqrt(n) rms.
/// Where the result y itself is larger than that, so were its partial sums, k y / n on the average: then |y| takes the place
/// of rms (standard deviation eps sqrt(n) / 6 |y|). The fp32 functions (exp, sqrt, division) add a few eps; 4 eps rms is allowed for them.
///
/// Matrix instructions take operands of 16 bits, so a device with them rounds attention's probabilities and their slopes
/// to storage before it multiplies, as PyTorch's fused kernels do. Each then errs uniformly within half a unit, relative
/// standard deviation 0.29 eps at most, and a sum of random sign by 0.29 eps times its own standard deviation. Where weight
/// falls on a few terms only, that is up to twice the root mean square of all results; the largest of some thousand is
/// within five standard deviations: 3 eps rms, eps of the storage type.
///
/// A sum that is rounded to storage before a result takes it as a factor may fall on the other side there too: one more unit,
/// eps |y|, for each such factor. GEGLU's gate g changes y = v g Phi(g) by |1 + g phi(g) / Phi(g)| eps |y|: at most 1.3 eps |y| where
/// it is positive, and where it is negative at most 0.17 eps |v|, which may be many times eps |y|. 3 eps rms are allowed for
/// that: v may then be 17 times the root mean square of y.
/// </summary>
static class Agreement
{
    static readonly double SingleUnit = Math.Pow(2, -23);

    /// <summary>Root mean square of a result.</summary>
    public static double RootMeanSquare(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values) sum += (double)value * value;
        return Math.Sqrt(sum / values.Length);
    }

    /// <summary>Root mean square of the difference of two results.</summary>
    public static double RootMeanSquareDifference(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        return Math.Sqrt(sum / a.Length);
    }

    /// <summary>The largest error of an element.</summary>
    /// <param name="type">Type that the result was rounded to.</param>
    /// <param name="expected">The reference's value.</param>
    /// <param name="rms">Root mean square of the reference's result.</param>
    /// <param name="terms">Length of the longest sum.</param>
    /// <param name="roundsOperands">Whether intermediate results are rounded to the type before they are multiplied.</param>
    /// <param name="roundedFactors">How many sums are rounded to the type before a result takes them as factors.</param>
    public static double Tolerance(DType type, double expected, double rms, long terms, bool roundsOperands = false, int roundedFactors = 0)
    {
        double unit = type switch { DType.F16 => Math.Pow(2, -10), DType.BF16 => Math.Pow(2, -7), _ => SingleUnit };
        double subnormal = type == DType.F16 ? Math.Pow(2, -24) : 0; // their spacing
        return unit * ((1 + roundedFactors) * Math.Abs(expected) + (roundsOperands || roundedFactors > 0 ? 3 * rms : 0)) + subnormal + SingleUnit * (4 + Math.Sqrt(terms)) * Math.Max(rms, Math.Abs(expected));
    }

    /// <summary>The first element that differs by more than the tolerance, or -1; infinities and not-a-number must be the same.</summary>
    public static int FirstDifference(DType type, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, long terms, bool roundsOperands = false) =>
        FirstDifference(type, expected, actual, terms, RootMeanSquare(expected), roundsOperands);

    /// <summary>The same with another measure of the partial sums than the result's root mean square.</summary>
    public static int FirstDifference(DType type, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, long terms, double rms, bool roundsOperands = false, int roundedFactors = 0)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i].Equals(actual[i])) continue;
            bool close = Math.Abs((double)actual[i] - expected[i]) <= Tolerance(type, expected[i], rms, terms, roundsOperands, roundedFactors);
            if (!close) return i;
        }
        return -1;
    }
}
