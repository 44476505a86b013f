using CsCheck;

namespace CommonCanvas.Tensors.Tests;

public class ErrorFunctionTests
{
    /// <summary>
    /// Against two other ways to compute it: below 2.5 the series 2/sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (2n+1)!!, whose
    /// terms are positive, in 28 decimal digits; above, erfc's continued fraction, evaluated from its 200th term back.
    /// Arguments are multiples of 2^-20, which a decimal holds.
    /// </summary>
    [Fact]
    public void Erf_and_erfc_agree_with_series_and_continued_fraction() =>
        Gen.Int[-26 << 20, 26 << 20].Sample(numerator =>
        {
            double x = numerator / (double)(1 << 20), magnitude = Math.Abs(x);
            if (magnitude < 2.5)
            {
                decimal erf = Series(numerator / (decimal)(1 << 20));
                Assert.Equal((double)erf, ErrorFunction.Erf(x), 1e-15);
                Assert.Equal((double)(1 - erf), ErrorFunction.Erfc(x), 1e-15);
            }
            else
            {
                double fraction = magnitude;
                for (int n = 200; n >= 1; n--) fraction = magnitude + n / 2.0 / fraction;
                double erfc = Math.Exp(-x * x) / Math.Sqrt(Math.PI) / fraction;
                // exp(-x^2) with a rounded x^2 is off by x^2 2^-53 of itself
                Assert.Equal(erfc, ErrorFunction.Erfc(magnitude), (x * x + 8) * Math.Pow(2, -52) * erfc);
                Assert.Equal(Math.Sign(x) * (1 - erfc), ErrorFunction.Erf(x), 1e-15);
            }
        }, iter: 20_000);

    static decimal Series(decimal x)
    {
        decimal square = x * x, term = x, sum = x, power = 1, exponential = 1;
        for (int n = 1; n < 100; n++)
        {
            sum += term *= 2 * square / (2 * n + 1);
            exponential += power *= square / n;
        }
        return 1.1283791670955125738961589031m * sum / exponential; // 2/sqrt(pi), exp(x^2)
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.5, 0.5204998778130465)]
    [InlineData(-1, -0.8427007929497149)]
    [InlineData(double.PositiveInfinity, 1)]
    [InlineData(double.NegativeInfinity, -1)]
    [InlineData(double.NaN, double.NaN)]
    public void Erf_has_its_known_values(double x, double expected) => Assert.Equal(expected, ErrorFunction.Erf(x), 1e-15);
}
