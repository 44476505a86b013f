namespace CommonCanvas.Tensors.Tests;

public abstract class NormTests(TestDevice device) : OpTests(device)
{
    const float Epsilon = 1e-5f;

    /// <summary>Batch, height, width, channels, groups. The last two have more pixels than a block of the CUDA kernels takes.</summary>
    public static TheoryData<int, int, int, int, int> GroupSizes => new()
    {
        { 1, 4, 3, 4, 2 }, { 3, 5, 7, 12, 4 }, { 1, 9, 2, 33, 11 }, { 2, 1, 1, 64, 8 }, { 3, 16, 8, 32, 32 }, { 2, 3, 11, 40, 1 }, { 1, 8, 8, 96, 32 }, { 1, 17, 16, 16, 2 }, { 2, 10, 7, 10, 5 },
    };

    /// <summary>
    /// Rows, channels. From 60 rows for each other multiprocessor on a CUDA kernel makes all gradients in one pass, up to 320, 640 or
    /// 1280 channels: here on the emulated GPU of one multiprocessor, once on all.
    /// </summary>
    public static TheoryData<int, int> LayerSizes => new()
    {
        { 1, 5 }, { 3, 16 }, { 77, 40 }, { 11, 33 }, { 2, 320 }, { 130, 7 }, { 4000, 8 }, { 60, 320 }, { 63, 328 }, { 61, 640 }, { 60, 648 }, { 65, 1280 }, { 60, 1288 },
    };

    [Theory, MemberData(nameof(GroupSizes))]
    public void Group_forward_agrees(int batch, int height, int width, int channels, int groups)
    {
        foreach (var type in Types)
            foreach (bool silu in new[] { false, true })
                Agree(type, height * width * channels / groups, run => GroupForward(run, batch, height, width, channels, groups, silu));
    }

    [Theory, MemberData(nameof(GroupSizes))]
    public void Group_backward_agrees(int batch, int height, int width, int channels, int groups)
    {
        foreach (var type in Types)
            foreach (bool silu in new[] { false, true })
                foreach (int wanted in new[] { 1, 2, 4, 7, 9, 15 })
                    Agree(type, batch * height * width * channels / groups, run =>
                    {
                        GroupForward(run, batch, height, width, channels, groups, silu);
                        GroupBackward(run, batch, height, width, channels, groups, silu, wanted);
                    });
    }

    [Theory, MemberData(nameof(GroupSizes))]
    public void Group_gradients_can_be_assigned(int batch, int height, int width, int channels, int groups)
    {
        foreach (var type in Types)
            Assigns(type, run =>
            {
                GroupForward(run, batch, height, width, channels, groups, silu: true);
                GroupBackward(run, batch, height, width, channels, groups, silu: true, 7);
            });
    }

    [Theory, MemberData(nameof(GroupSizes))]
    public void Group_backward_is_the_slope_of_forward(int batch, int height, int width, int channels, int groups)
    {
        foreach (bool silu in new[] { false, true })
            Gradient(run => GroupForward(run, batch, height, width, channels, groups, silu), run => GroupBackward(run, batch, height, width, channels, groups, silu, 7));
    }

    /// <summary>Channels 0 and 1 are the first group; the variance is divided by the count, not by one less.</summary>
    [Fact]
    public void Groups_are_consecutive_channels_and_the_variance_is_biased()
    {
        using var run = new OpRun(Device, DType.F32);
        var x = run.Values("x", DType.F32, [1, 3, 10, 30, 1, 3, 10, 30], 1, 2, 1, 4);
        var (gamma, beta) = (run.Values("gamma", DType.F32, [1, 1, 1, 2], 4), run.Values("beta", DType.F32, [0, 0, 0, 5], 4));
        run.Ops.GroupNormForward(x, gamma, beta, 2, 0, false, run.Output("y", 1, 2, 1, 4), run.Output("mean", DType.F32, 1, 2), run.Output("rstd", DType.F32, 1, 2));
        Assert.Equal([-1f, 1, -1, 7, -1, 1, -1, 7], run.Read("y").Select(v => MathF.Round(v, 5)));
        Assert.Equal([2f, 20], run.Read("mean"));
        Assert.Equal([1f, 0.1f], run.Read("rstd"));
    }

    /// <summary>A mean a thousand times the deviation: the difference of mean squares would have lost every digit.</summary>
    [Fact]
    public void A_large_mean_does_not_cancel()
    {
        using var run = new OpRun(Device, DType.F32);
        float[] values = [.. run.Normal("x", 64 * 8).Select(v => 1000 + v)];
        var x = run.Values("x", DType.F32, values, 1, 8, 8, 8);
        var (gamma, beta) = (run.Values("gamma", DType.F32, [.. Enumerable.Repeat(1f, 8)], 8), run.Values("beta", DType.F32, new float[8], 8));
        run.Ops.GroupNormForward(x, gamma, beta, 1, 0, false, run.Output("y", 1, 8, 8, 8), run.Output("mean", DType.F32, 1, 1), run.Output("rstd", DType.F32, 1, 1));
        double mean = values.Average(v => (double)v), deviation = Math.Sqrt(values.Average(v => (v - mean) * (v - mean)));
        // a mean stored as fp32 is off by 2^-24 of 1024 at most
        foreach (var (v, y) in values.Zip(run.Read("y"))) Assert.Equal((v - mean) / deviation, y, 1024 * Math.Pow(2, -23));
    }

    [Theory, MemberData(nameof(LayerSizes))]
    public void Layer_forward_agrees(int rows, int channels)
    {
        foreach (var type in Types) Agree(type, channels, run => LayerForward(run, rows, channels));
    }

    [Theory, MemberData(nameof(LayerSizes))]
    public void Layer_backward_agrees(int rows, int channels)
    {
        foreach (var type in Types)
            foreach (int wanted in new[] { 1, 2, 4, 7, 9, 15 })
                Agree(type, Math.Max(rows, channels), run =>
                {
                    LayerForward(run, rows, channels);
                    LayerBackward(run, rows, channels, wanted);
                });
    }

    [Theory, MemberData(nameof(LayerSizes))]
    public void Layer_gradients_can_be_assigned(int rows, int channels)
    {
        foreach (var type in Types)
            Assigns(type, run =>
            {
                LayerForward(run, rows, channels);
                LayerBackward(run, rows, channels, 7);
            });
    }

    /// <summary>One of two gradients may be assigned and the other one added to.</summary>
    [Theory, InlineData(true), InlineData(false)]
    public void Each_gradient_has_its_own_way(bool layer)
    {
        const int Channels = 40;
        foreach (bool gamma in new[] { true, false })
            Agree(DType.F32, 77, run =>
            {
                GradientTarget Target(string name, bool accumulate) => new(accumulate ? run.Sum(name, Channels) : run.Output(name, DType.F32, Channels), accumulate);
                if (layer)
                {
                    LayerForward(run, 77, Channels);
                    run.Ops.LayerNormBackward(run["x"], run["gamma"], run["mean"], run["rstd"], run.Input("dY", 77, Channels), default, default, Target("dGamma", gamma), Target("dBeta", !gamma));
                    return;
                }
                GroupForward(run, 1, 11, 7, Channels, 1, silu: false);
                run.Ops.GroupNormBackward(run["x"], run["gamma"], run["beta"], run["mean"], run["rstd"], run.Input("dY", 1, 11, 7, Channels), 1, false, default, default,
                    Target("dGamma", gamma), Target("dBeta", !gamma));
            });
    }

    [Theory, MemberData(nameof(LayerSizes))]
    public void Layer_backward_is_the_slope_of_forward(int rows, int channels) =>
        Gradient(run => LayerForward(run, rows, channels), run => LayerBackward(run, rows, channels, 7));

    /// <summary>A residual may be the gradient's own memory.</summary>
    [Fact]
    public void A_residual_in_place_agrees()
    {
        foreach (var type in Types)
        {
            Agree(type, 77, run =>
            {
                LayerForward(run, 77, 40);
                var dX = run.Updated("dX", type, run.Normal("dX", 77 * 40), 77, 40);
                run.Ops.LayerNormBackward(run["x"], run["gamma"], run["mean"], run["rstd"], run.Input("dY", 77, 40), dX, dX, default, default);
            });
            Agree(type, 77, run => // with sums, where a kernel may make all in one pass
            {
                LayerForward(run, 77, 40);
                var dX = run.Updated("dX", type, run.Normal("dX", 77 * 40), 77, 40);
                run.Ops.LayerNormBackward(run["x"], run["gamma"], run["mean"], run["rstd"], run.Input("dY", 77, 40), dX, dX, run.Gradient("dGamma", 40), run.Gradient("dBeta", 40));
            });
            Agree(type, 77, run =>
            {
                GroupForward(run, 1, 11, 7, 40, 4, silu: true);
                var dX = run.Updated("dX", type, run.Normal("dX", 77 * 40), 1, 11, 7, 40);
                run.Ops.GroupNormBackward(run["x"], run["gamma"], run["beta"], run["mean"], run["rstd"], run.Input("dY", 1, 11, 7, 40), 4, true, dX, dX, default, default);
            });
        }
    }

    static void GroupForward(OpRun run, int batch, int height, int width, int channels, int groups, bool silu) =>
        run.Ops.GroupNormForward(run.Input("x", batch, height, width, channels), run.Input("gamma", channels), run.Input("beta", channels), groups, Epsilon, silu,
            run.Output("y", batch, height, width, channels), run.Output("mean", DType.F32, batch, groups), run.Output("rstd", DType.F32, batch, groups));

    static void GroupBackward(OpRun run, int batch, int height, int width, int channels, int groups, bool silu, int wanted) =>
        run.Ops.GroupNormBackward(run["x"], run["gamma"], run["beta"], run["mean"], run["rstd"], run.Input("dY", batch, height, width, channels), groups, silu,
            run.Optional((wanted & 8) != 0, "residual", batch, height, width, channels), (wanted & 1) != 0 ? run.Output("dX", batch, height, width, channels) : default,
            (wanted & 2) != 0 ? run.Gradient("dGamma", channels) : default,
            (wanted & 4) != 0 ? run.Gradient("dBeta", channels) : default);

    static void LayerForward(OpRun run, int rows, int channels) =>
        run.Ops.LayerNormForward(run.Input("x", rows, channels), run.Input("gamma", channels), run.Input("beta", channels), Epsilon,
            run.Output("y", rows, channels), run.Output("mean", DType.F32, rows), run.Output("rstd", DType.F32, rows));

    static void LayerBackward(OpRun run, int rows, int channels, int wanted) =>
        run.Ops.LayerNormBackward(run["x"], run["gamma"], run["mean"], run["rstd"], run.Input("dY", rows, channels),
            run.Optional((wanted & 8) != 0, "residual", rows, channels), (wanted & 1) != 0 ? run.Output("dX", rows, channels) : default,
            (wanted & 2) != 0 ? run.Gradient("dGamma", channels) : default,
            (wanted & 4) != 0 ? run.Gradient("dBeta", channels) : default);
}
