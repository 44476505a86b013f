using CsCheck;

namespace CommonCanvas.Tensors.Tests;

public class RoundingTests
{
    /// <summary>No other bfloat16 is nearer, and of two equally near ones the even is taken.</summary>
    [Fact]
    public void A_bfloat16_is_the_nearest() =>
        Gen.Single.Where(v => float.IsFinite(v) && Math.Abs(v) < 3.3e38f).Sample(value =>
        {
            ushort bits = Rounding.ToBFloat16(value);
            double error = Math.Abs((double)Rounding.FromBFloat16(bits) - value);
            foreach (int step in new[] { -1, 1 })
            {
                float neighbour = Rounding.FromBFloat16((ushort)(bits + step));
                if (!float.IsFinite(neighbour)) continue;
                double other = Math.Abs((double)neighbour - value);
                Assert.True(error < other || (error == other && (bits & 1) == 0), $"{value:g9} became {bits:x4}");
            }
        }, iter: 10_000);

    [Theory]
    [InlineData(float.PositiveInfinity, 0x7F80)]
    [InlineData(float.NegativeInfinity, 0xFF80)]
    [InlineData(float.MaxValue, 0x7F80)]
    [InlineData(0f, 0)]
    [InlineData(-0f, 0x8000)]
    public void Limits_are_kept(float value, int bits) => Assert.Equal((ushort)bits, Rounding.ToBFloat16(value));

    /// <summary>A signalling not-a-number whose upper half alone would read as infinity.</summary>
    [Fact]
    public void Not_a_number_stays_so() =>
        Gen.UInt[0x7F800001, 0x7FFFFFFF].Sample(bits => Assert.True(float.IsNaN(Rounding.Round(BitConverter.UInt32BitsToSingle(bits), DType.BF16))));

    [Fact]
    public void Every_bfloat16_survives_the_round_trip()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            float value = Rounding.FromBFloat16((ushort)bits);
            if (!float.IsNaN(value)) Assert.Equal((ushort)bits, Rounding.ToBFloat16(value));
            else Assert.True(float.IsNaN(Rounding.FromBFloat16(Rounding.ToBFloat16(value))));
        }
    }
}
