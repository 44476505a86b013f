using CsCheck;

namespace CommonCanvas.Tensors.Tests;

public class PhiloxTests
{
    /// <summary>The known answers that Random123 publishes for philox4x32 with ten rounds (its file kat_vectors).</summary>
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu,
        0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u,
        0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Rounds_give_the_published_answers(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint x, uint y, uint z, uint w) =>
        Assert.Equal((x, y, z, w), Philox.Rounds(c0, c1, c2, c3, k0, k1));

    /// <summary>Counter and key words are where the class comment says; a checkpoint's numbers depend on it for ever.</summary>
    [Fact]
    public void A_block_is_the_rounds_of_block_step_and_sample_under_the_mixed_seed() =>
        Gen.Select(Gen.ULong, Purposes, Gen.ULong, Gen.UInt, Gen.UInt).Sample((seed, purpose, sample, step, block) =>
        {
            var key = new RandomKey(seed, purpose, sample, step);
            ulong mixed = Philox.MixedSeed(key);
            Assert.Equal(
                Philox.Rounds(block, step, (uint)sample, (uint)(sample >> 32), (uint)mixed, (uint)(mixed >> 32)),
                Philox.Block(key, block));
        });

    /// <summary>Seed 0 with purpose 1 is SplitMix64's first output, known from its reference implementation.</summary>
    [Fact]
    public void The_mixed_seed_is_SplitMix64() =>
        Assert.Equal(0xe220a8397b1dcdaful, Philox.MixedSeed(new RandomKey(0, (RandomPurpose)1, 0, 0)));

    [Theory]
    [InlineData(0u, 0f)]
    [InlineData(0x80000000u, 0.5f)]
    [InlineData(0xffffffffu, 1 - 1f / (1 << 24))]
    public void Uniform_is_in_0_to_1_without_1(uint word, float expected) => Assert.Equal(expected, Philox.ToUniform(word));

    [Fact]
    public void Normal_is_finite_for_every_word() =>
        Gen.Select(Words, Words).Sample((first, second) =>
        {
            var (a, b) = Philox.ToNormal(first, second);
            Assert.True(float.IsFinite(a) && float.IsFinite(b) && Math.Abs(a) < 6 && Math.Abs(b) < 6, $"{a} {b}");
        });

    /// <summary>E[u^p] = 1 / (p + 1), within five standard errors.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Uniform_has_the_moments_of_its_law(int power)
    {
        const int Count = 1 << 20;
        var values = new float[Count];
        Philox.Uniform(new RandomKey(17, RandomPurpose.Noise, 3, 9), values);
        double mean = 1.0 / (power + 1), variance = 1.0 / (2 * power + 1) - mean * mean;
        Assert.Equal(mean, values.Average(v => Math.Pow(v, power)), 5 * Math.Sqrt(variance / Count));
    }

    /// <summary>Mean, variance, skewness, kurtosis and neighbours' correlation within five standard errors.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(17)]
    public void Normal_has_the_moments_of_its_law(int seed)
    {
        const int Count = 1 << 20;
        var values = new float[Count];
        Philox.Normal(new RandomKey((ulong)seed, RandomPurpose.Noise, 3, 9), values);
        double unit = 5 / Math.Sqrt(Count);
        Assert.Equal(0, values.Average(v => (double)v), unit);
        Assert.Equal(1, values.Average(v => (double)v * v), unit * Math.Sqrt(2));
        Assert.Equal(0, values.Average(v => Math.Pow(v, 3)), unit * Math.Sqrt(15));
        Assert.Equal(3, values.Average(v => Math.Pow(v, 4)), unit * Math.Sqrt(96));
        Assert.Equal(0, Enumerable.Range(0, Count - 1).Average(i => (double)values[i] * values[i + 1]), unit);
        double beyondTwo = values.Count(v => Math.Abs(v) > 2) / (double)Count;
        Assert.Equal(0.0455, beyondTwo, 5 * Math.Sqrt(0.0455 / Count));
    }

    /// <summary>A buffer's numbers do not depend on how long it is, so a batch may be filled in any pieces of four.</summary>
    [Fact]
    public void A_prefix_does_not_depend_on_the_length() =>
        Gen.Select(Gen.ULong, Gen.Int[0, 64], Gen.Int[0, 64]).Sample((seed, a, b) =>
        {
            var key = new RandomKey(seed, RandomPurpose.Noise, 5, 6);
            var (shorter, longer) = (new float[Math.Min(a, b)], new float[Math.Max(a, b)]);
            Philox.Normal(key, shorter);
            Philox.Normal(key, longer);
            Assert.Equal(shorter, longer[..shorter.Length]);
            Philox.Uniform(key, shorter);
            Philox.Uniform(key, longer);
            Assert.Equal(shorter, longer[..shorter.Length]);
        });

    /// <summary>Keys that differ in one part alone yield uncorrelated numbers.</summary>
    [Fact]
    public void Seed_purpose_sample_and_step_each_give_another_stream()
    {
        var key = new RandomKey(17, RandomPurpose.Noise, 1000, 20);
        RandomKey[] keys =
        [
            key, key with { Seed = 18 }, key with { Purpose = RandomPurpose.OffsetNoise }, key with { Purpose = RandomPurpose.Validation },
            key with { Sample = 1001 }, key with { Sample = 1000 + (1ul << 32) }, key with { Step = 21 },
        ];
        const int Count = 1 << 16;
        float[][] streams = [.. keys.Select(k => { var v = new float[Count]; Philox.Normal(k, v); return v; })];
        for (int i = 0; i < streams.Length; i++)
            for (int j = 0; j < i; j++)
            {
                double correlation = streams[i].Zip(streams[j], (a, b) => (double)a * b).Average();
                Assert.True(Math.Abs(correlation) < 5 / Math.Sqrt(Count), $"{keys[i]} and {keys[j]}: {correlation}");
            }
    }

    /// <summary>No two purposes share a stream by accident of mixing, whatever the seed.</summary>
    [Fact]
    public void Purposes_have_different_keys() =>
        Gen.ULong.Sample(seed =>
        {
            ulong[] mixed = [.. Enum.GetValues<RandomPurpose>().Select(p => Philox.MixedSeed(new RandomKey(seed, p, 0, 0)))];
            Assert.Equal(mixed.Length, mixed.Distinct().Count());
        });

    [Fact]
    public void Permutation_holds_every_index_once() =>
        Gen.Select(Gen.ULong, Gen.Int[0, 500]).Sample((seed, count) =>
        {
            var order = Philox.Permutation(new RandomKey(seed, RandomPurpose.Shuffle, 0, 1), count);
            Assert.Equal(Enumerable.Range(0, count), order.Order());
        });

    /// <summary>Each of the 24 orders of four items comes about equally often (chi-squared, 23 degrees of freedom, p below 1e-6).</summary>
    [Fact]
    public void Permutations_are_equally_likely()
    {
        const int Trials = 24_000;
        var counts = new Dictionary<string, int>();
        for (uint epoch = 0; epoch < Trials; epoch++)
        {
            string order = string.Concat(Philox.Permutation(new RandomKey(3, RandomPurpose.Shuffle, 0, epoch), 4));
            counts[order] = counts.GetValueOrDefault(order) + 1;
        }
        Assert.Equal(24, counts.Count);
        double expected = Trials / 24.0;
        Assert.InRange(counts.Values.Sum(n => (n - expected) * (n - expected) / expected), 0, 73);
    }

    [Fact]
    public void Integer_covers_its_range_and_stays_within()
    {
        var counts = new int[10];
        for (uint step = 0; step < 10_000; step++) counts[Philox.Integer(new RandomKey(1, RandomPurpose.Timestep, 0, step), 10)]++;
        Assert.All(counts, n => Assert.InRange(n, 850, 1150));
    }

    static readonly Gen<RandomPurpose> Purposes = Gen.Enum<RandomPurpose>();

    static readonly Gen<uint> Words =
        Gen.OneOf([Gen.UInt, .. new[] { 0u, 1u, 255u, 256u, 0x7fffffffu, 0x80000000u, 0xffffff00u, 0xffffffffu }.Select(Gen.Const)]);
}
