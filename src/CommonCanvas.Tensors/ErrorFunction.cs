namespace CommonCanvas.Tensors;

/// <summary>
/// The error function and the normal distribution in double precision, by the rational approximations of W. J. Cody,
/// "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969), with the coefficients of SPECFUN's
/// CALERF. Relative error about 1e-16.
/// </summary>
public static class ErrorFunction
{
    const double InverseRootPi = 0.56418958354775628695;
    const double InverseRootTwoPi = 0.39894228040143267794;
    const double InverseRootTwo = 0.70710678118654752440;

    // Numerators and denominators, highest power first; denominators are monic.
    static ReadOnlySpan<double> NearNumerator =>
        [1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3];

    static ReadOnlySpan<double> NearDenominator =>
        [1, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3];

    static ReadOnlySpan<double> MiddleNumerator =>
        [2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1, 2.98635138197400131e2,
         8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3];

    static ReadOnlySpan<double> MiddleDenominator =>
        [1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3, 3.29079923573345963e3,
         4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3];

    static ReadOnlySpan<double> FarNumerator =>
        [1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4];

    static ReadOnlySpan<double> FarDenominator =>
        [1, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3];

    /// <summary>erf(x) = 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.</summary>
    public static double Erf(double x) => Math.Abs(x) <= 0.46875 ? Near(x) : x < 0 ? ErfcOfPositive(-x) - 1 : 1 - ErfcOfPositive(x);

    /// <summary>erfc(x) = 1 - erf(x), without cancellation.</summary>
    public static double Erfc(double x) => Math.Abs(x) <= 0.46875 ? 1 - Near(x) : x < 0 ? 2 - ErfcOfPositive(-x) : ErfcOfPositive(x);

    /// <summary>Phi(x), the probability that a standard normal number is below x.</summary>
    public static double NormalCdf(double x) => 0.5 * Erfc(-x * InverseRootTwo);

    /// <summary>The density of the standard normal distribution.</summary>
    public static double NormalDensity(double x) => InverseRootTwoPi * Math.Exp(-0.5 * x * x);

    static double Near(double x) => x * Ratio(NearNumerator, NearDenominator, x * x);

    /// <summary>For arguments above 0.46875.</summary>
    static double ErfcOfPositive(double x)
    {
        if (x > 27) return 0; // below the smallest double; not-a-number goes on
        // exp(-x^2) with x^2 = a^2 + (x - a)(x + a): a has few digits, so that a^2 is exact
        double a = Math.Truncate(x * 16) / 16;
        double scale = Math.Exp(-a * a) * Math.Exp(-(x - a) * (x + a));
        if (x <= 4) return scale * Ratio(MiddleNumerator, MiddleDenominator, x);
        double z = 1 / (x * x);
        return scale * (InverseRootPi - z * Ratio(FarNumerator, FarDenominator, z)) / x;
    }

    static double Ratio(ReadOnlySpan<double> numerator, ReadOnlySpan<double> denominator, double x)
    {
        double above = 0, below = 0;
        foreach (double c in numerator) above = above * x + c;
        foreach (double c in denominator) below = below * x + c;
        return above / below;
    }
}
