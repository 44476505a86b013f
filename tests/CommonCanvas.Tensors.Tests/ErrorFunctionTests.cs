using CsCheck;

namespace CommonCanvas.Tensors.Tests;

public class ErrorFunctionTests
{
    /// <summary>
    /// Against two other ways to compute it: below 2.5 the series 2/sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (2n+1)!!, whose
    /// terms are positive; above, erfc's continued fraction, evaluated from its 200th term back.
    /// </summary>
    [Fact]
    public void Erf_and_erfc_agree_with_series_and_continued_fraction() =>
        Gen.Double[-26, 26].Sample(x =>
        {
            double magnitude = Math.Abs(x), erf, erfc;
            if (magnitude < 2.5)
            {
                double term = magnitude, sum = magnitude;
                for (int n = 1; n < 200; n++) sum += term *= 2 * x * x / (2 * n + 1);
                erf = 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
                erfc = 1 - erf;
                Assert.Equal(Math.Sign(x) * erf, ErrorFunction.Erf(x), 1e-15);
                Assert.Equal(x < 0 ? 1 + erf : erfc, ErrorFunction.Erfc(x), 1e-15);
            }
            else
            {
                double fraction = magnitude;
                for (int n = 200; n >= 1; n--) fraction = magnitude + n / 2.0 / fraction;
                erfc = Math.Exp(-x * x) / Math.Sqrt(Math.PI) / fraction;
                // exp(-x^2) with a rounded x^2 is off by x^2 2^-53 of itself
                Assert.Equal(erfc, ErrorFunction.Erfc(magnitude), (x * x + 8) * Math.Pow(2, -52) * erfc);
                Assert.Equal(Math.Sign(x) * (1 - erfc), ErrorFunction.Erf(x), 1e-15);
            }
        }, iter: 20_000);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.5, 0.5204998778130465)]
    [InlineData(-1, -0.8427007929497149)]
    [InlineData(double.PositiveInfinity, 1)]
    [InlineData(double.NegativeInfinity, -1)]
    [InlineData(double.NaN, double.NaN)]
    public void Erf_has_its_known_values(double x, double expected) => Assert.Equal(expected, ErrorFunction.Erf(x), 1e-15);
}
