namespace CommonCanvas.Tensors.Tests;

public abstract class OptimizerTests(TestDevice device) : OpTests(device)
{
    static readonly AdamWSettings Settings = new(1e-2, 0.9, 0.999, 1e-8, 0.01, 1);

    public static TheoryData<int> Counts => [1, 7, 256, 5003, 70001];

    [Theory, MemberData(nameof(Counts))]
    public void Sum_of_squares_agrees(int count) =>
        Agree(DType.F32, count, run => run.Ops.SumSquares(run.Input("x", count), run.Output("sum", 1)));

    [Theory, MemberData(nameof(Counts))]
    public void AdamW_agrees_over_steps(int count)
    {
        foreach (var type in Types)
            Agree(type, 3, run =>
            {
                Tensor master = run.Updated("master", DType.F32, run.Normal("master", count), count), gradient = run.Values("gradient", DType.F32, run.Normal("gradient", count), count);
                Tensor m = run.Updated("m", DType.F32, new float[count], count), v = run.Updated("v", DType.F32, new float[count], count);
                var compute = run.Output("compute", count);
                var scale = run.Values("scale", DType.F32, [0.3f], 1);
                for (int step = 1; step <= 3; step++) run.Ops.AdamW(master, gradient, m, v, scale, Settings with { Step = step }, step == 2 ? default : compute);
            });
    }

    /// <summary>At the first step m / (1 - beta1) = g and v / (1 - beta2) = g^2: the step is the learning rate against the sign of g, after the decay.</summary>
    [Fact]
    public void AdamWs_first_step_is_the_learning_rate()
    {
        using var run = new OpRun(Device, DType.F32);
        AdamW(run, [1, -2, 3], [5, -0.1f, 1e-3f], 1, Settings);
        double shrink = 1 - 1e-2 * 0.01;
        foreach (var (e, p) in new[] { shrink - 0.01, -2 * shrink + 0.01, 3 * shrink - 0.01 }.Zip(run.Read("master"))) Assert.Equal(e, p, 1e-6);
        Assert.Equal([0.5f, -0.01f, 1e-4f], run.Read("m"), new Relative(1e-6));
        Assert.Equal([0.025f, 1e-5f, 1e-9f], run.Read("v"), new Relative(1e-6));
        Assert.Equal(run.Read("master"), run.Read("compute"));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_scale_that_is_not_finite_changes_nothing(float scale)
    {
        using var run = new OpRun(Device, DType.F32);
        AdamW(run, [1, -2, 3], [1, float.NaN, 2], scale, Settings);
        Assert.Equal([1f, -2, 3], run.Read("master"));
        Assert.Equal([0f, 0, 0], run.Read("m"));
        Assert.Equal([0f, 0, 0], run.Read("v"));
        Assert.Equal([9f, 9, 9], run.Read("compute"));
    }

    /// <summary>Sum of squares, unscale, largest norm; norm and scale.</summary>
    [Theory]
    [InlineData(25f, 1f, 1f, 5f, 0.2f)]
    [InlineData(0.25f, 1f, 1f, 0.5f, 1f)]
    [InlineData(400f, 0.5f, 5f, 10f, 0.25f)]
    [InlineData(400f, 0.5f, float.PositiveInfinity, 10f, 0.5f)]
    [InlineData(0f, 1f, 1f, 0f, 1f)]
    [InlineData(float.PositiveInfinity, 1f, 1f, float.PositiveInfinity, float.NaN)]
    [InlineData(float.PositiveInfinity, 1f, float.PositiveInfinity, float.PositiveInfinity, float.NaN)]
    [InlineData(float.NaN, 1f, 1f, float.NaN, float.NaN)]
    public void Clipping_scales_by_the_norm(float squares, float unscale, float largest, float norm, float scale)
    {
        using var run = new OpRun(Device, DType.F32);
        run.Ops.ClipScale(run.Values("squares", DType.F32, [squares], 1), unscale, largest, run.Output("norm", 1), run.Output("scale", 1));
        Assert.Equal([norm], run.Read("norm"), new Relative(1e-6));
        Assert.Equal([scale], run.Read("scale"), new Relative(1e-6));
    }

    [Theory, MemberData(nameof(Counts))]
    public void Ema_agrees(int count) =>
        Agree(DType.F32, 2, run => run.Ops.Ema(run.Updated("average", DType.F32, run.Normal("average", count), count), run.Input("value", count), 0.9999));

    /// <summary>1 - 0.9999 in double: in float it would be 1.7e-4 too large.</summary>
    [Fact]
    public void Ema_moves_by_the_exact_share()
    {
        using var run = new OpRun(Device, DType.F32);
        run.Ops.Ema(run.Updated("average", DType.F32, [0], 1), run.Values("value", DType.F32, [1], 1), 0.9999);
        Assert.Equal([1e-4f], run.Read("average"), new Relative(1e-6));
    }

    [Fact]
    public void Values_that_are_not_finite_are_counted()
    {
        foreach (var type in Types)
        {
            using var run = new OpRun(Device, type);
            float[] values = run.Normal("x", 5003);
            foreach (int i in new[] { 0, 17, 18, 4096, 5002 }) values[i] = i % 2 == 0 ? float.NaN : float.NegativeInfinity;
            Assert.Equal(5, run.Ops.CountNonFinite(run.Values("x", type, values, 5003)));
            Assert.Equal(0, run.Ops.CountNonFinite(run.Input("y", 77)));
        }
    }

    static void AdamW(OpRun run, float[] values, float[] gradient, float scale, AdamWSettings settings) =>
        run.Ops.AdamW(run.Updated("master", DType.F32, values, 3), run.Values("gradient", DType.F32, gradient, 3), run.Updated("m", DType.F32, new float[3], 3),
            run.Updated("v", DType.F32, new float[3], 3), run.Values("scale", DType.F32, [scale], 1), settings, run.Updated("compute", DType.F32, [9, 9, 9], 3));

    /// <summary>Equal within a share of the value; not-a-number equals itself.</summary>
    sealed class Relative(double share) : IEqualityComparer<float>
    {
        public bool Equals(float x, float y) => x.Equals(y) || Math.Abs((double)x - y) <= share * Math.Abs(x);

        public int GetHashCode(float value) => 0;
    }
}
