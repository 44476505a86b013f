namespace CommonCanvas.Tensors.Tests;

public abstract class DiffusionTests(TestDevice device) : OpTests(device)
{
    /// <summary>Batch, height, width, channels. The last is more than a block of the CUDA kernels sums.</summary>
    public static TheoryData<int, int, int, int> Sizes => new() { { 1, 1, 1, 1 }, { 3, 5, 7, 4 }, { 2, 16, 9, 3 }, { 3, 1, 3, 33 }, { 1, 66, 63, 5 } };

    /// <summary>An angle t w is rounded to fp32 on some devices, an error of eps/2 of up to 999: sqrt(terms) = 999.</summary>
    [Theory]
    [InlineData(1, 2)]
    [InlineData(3, 16)]
    [InlineData(3, 33)]
    [InlineData(1, 320)]
    [InlineData(3, 800)] // more than a small device's threads take at once
    public void Timestep_embedding_agrees(int batch, int channels)
    {
        foreach (var type in Types)
            foreach (bool flip in new[] { false, true })
                foreach (float shift in new[] { 0f, 0.5f })
                    Agree(type, 999 * 999, run => run.Ops.TimestepEmbedding(
                        run.Values("timesteps", DType.F32, [.. new float[] { 999, 0, 17.25f }.Take(batch)], batch), flip, shift, run.Output("y", batch, channels)));
    }

    /// <summary>Frequencies 1 and 1/100 for four channels: diffusers' Timesteps(4, flip, 0).</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Timestep_embedding_has_sines_and_cosines(bool flip)
    {
        using var run = new OpRun(Device, DType.F32);
        run.Ops.TimestepEmbedding(run.Values("timesteps", DType.F32, [3], 1), flip, 0, run.Output("y", 1, 5));
        double[] sines = [Math.Sin(3), Math.Sin(0.03)], cosines = [Math.Cos(3), Math.Cos(0.03)];
        double[] expected = flip ? [.. cosines, .. sines, 0] : [.. sines, .. cosines, 0];
        foreach (var (e, y) in expected.Zip(run.Read("y"))) Assert.Equal(e, y, 4 * Math.Pow(2, -23));
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Noise_and_velocity_agree(int batch, int height, int width, int channels)
    {
        foreach (var type in Types)
            Agree(type, 2, run =>
            {
                Tensor x0 = run.Input("x0", batch, height, width, channels), noise = run.Input("noise", batch, height, width, channels);
                Tensor signal = run.Values("signal", DType.F32, run.Normal("signal", batch), batch), level = run.Values("level", DType.F32, run.Normal("level", batch), batch);
                run.Ops.AddNoise(x0, noise, signal, level, run.Output("y", batch, height, width, channels));
                run.Ops.Velocity(x0, noise, signal, level, run.Output("v", batch, height, width, channels));
            });
    }

    /// <summary>With signal^2 + level^2 = 1, x0 = signal y - level v: the two definitions fit each other.</summary>
    [Fact]
    public void Velocity_and_noised_image_give_back_the_image()
    {
        using var run = new OpRun(Device, DType.F32);
        Tensor x0 = run.Input("x0", 2, 3), noise = run.Input("noise", 2, 3);
        Tensor signal = run.Values("signal", DType.F32, [0.6f, 0.28f], 2), level = run.Values("level", DType.F32, [0.8f, 0.96f], 2);
        run.Ops.AddNoise(x0, noise, signal, level, run.Output("y", 2, 3));
        run.Ops.Velocity(x0, noise, signal, level, run.Output("v", 2, 3));
        float[] y = run.Read("y"), v = run.Read("v"), s = run.Read("signal"), l = run.Read("level");
        for (int i = 0; i < 6; i++) Assert.Equal(run.Read("x0")[i], s[i / 3] * y[i] - l[i / 3] * v[i], 1e-6f);
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Mse_agrees(int batch, int height, int width, int channels)
    {
        foreach (var type in Types)
            Agree(type, height * width * channels, run =>
            {
                MseForward(run, batch, height, width, channels);
                MseBackward(run, batch, height, width, channels);
            });
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Mse_backward_is_the_slope_of_forward(int batch, int height, int width, int channels) =>
        Gradient(run => MseForward(run, batch, height, width, channels), run => MseBackward(run, batch, height, width, channels));

    [Theory, MemberData(nameof(Sizes))]
    public void Posterior_agrees(int batch, int height, int width, int channels)
    {
        foreach (var type in Types)
            foreach (var (noise, kl) in new[] { (false, false), (true, false), (true, true) })
                Agree(type, height * width * channels, run =>
                {
                    PosteriorForward(run, batch, height, width, channels, noise, kl);
                    PosteriorBackward(run, batch, height, width, channels, noise);
                });
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Posterior_backward_is_the_slope_of_forward(int batch, int height, int width, int channels)
    {
        foreach (bool noise in new[] { false, true })
            Gradient(run => PosteriorForward(run, batch, height, width, channels, noise, true), run => PosteriorBackward(run, batch, height, width, channels, noise));
    }

    [Fact]
    public void A_log_variance_beyond_the_clamp_has_no_gradient()
    {
        using var run = new OpRun(Device, DType.F32);
        var moments = run.Values("moments", DType.F32, [1, -31, 2, 21], 1, 1, 2, 2);
        var noise = run.Values("noise", DType.F32, [3, 0], 1, 1, 2, 1);
        run.Ops.PosteriorForward(moments, noise, run.Output("latent", 1, 1, 2, 1), run.Output("kl", DType.F32, 1));
        run.Ops.PosteriorBackward(moments, noise, run.Values("dLatent", DType.F32, [5, 7], 1, 1, 2, 1), 0.5f, run.Output("dMoments", 1, 1, 2, 2));
        Assert.Equal([1 + 3 * MathF.Exp(-15), 2], run.Read("latent"));
        Assert.Equal((1 + Math.Exp(-30) - 1 + 30 + (4 + Math.Exp(20) - 1 - 20)) / 2, run.Read("kl")[0], Math.Exp(20) * Math.Pow(2, -23));
        Assert.Equal([5.5f, 0, 8, 0], run.Read("dMoments"));
    }

    /// <summary>As of PyTorch's clamp: both ends belong to the range that has a slope.</summary>
    [Fact]
    public void A_log_variance_at_the_ends_of_the_clamp_has_its_gradient()
    {
        using var run = new OpRun(Device, DType.F32);
        run.Ops.PosteriorBackward(run.Values("moments", DType.F32, [1, -30, 2, 20], 1, 1, 2, 2), run.Values("noise", DType.F32, [3, 0], 1, 1, 2, 1),
            run.Values("dLatent", DType.F32, [5, 7], 1, 1, 2, 1), 0.5f, run.Output("dMoments", 1, 1, 2, 2));
        float[] dMoments = run.Read("dMoments");
        Assert.Equal((15 * Math.Exp(-15) + 0.5 * (Math.Exp(-30) - 1)) / 2, dMoments[1], tolerance: 1e-6);
        Assert.Equal(0.5 * (Math.Exp(20) - 1) / 2, dMoments[3], tolerance: 1e-6 * Math.Exp(20));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 35)]
    [InlineData(2, 4096)]
    [InlineData(257, 6)]
    [InlineData(1, 20007)] // more than a small device's threads take at once
    public void Random_numbers_agree(int batch, int size)
    {
        RandomKey[] keys = [.. Enumerable.Range(0, batch).Select(b => new RandomKey(17, RandomPurpose.Noise, (ulong)b * 1000003, 5))];
        foreach (var type in Types)
            Agree(type, 1, run =>
            {
                run.Ops.RandomNormal(keys, run.Output("normal", batch, size));
                run.Ops.RandomUniform(keys, run.Output("uniform", batch, size));
            });
    }

    /// <summary>A sample's noise is its own: neither its place in the batch nor the size of the batch changes it.</summary>
    [Fact]
    public void A_samples_random_numbers_do_not_depend_on_the_batch()
    {
        RandomKey Key(int sample) => new(17, RandomPurpose.Noise, (ulong)sample, 5);
        using var run = new OpRun(Device, DType.F32);
        run.Ops.RandomNormal([Key(1), Key(2), Key(3)], run.Output("three", 3, 7));
        run.Ops.RandomNormal([Key(3)], run.Output("one", 1, 7));
        Assert.Equal(run.Read("three")[14..], run.Read("one"));
        var expected = new float[7];
        Philox.Normal(Key(3), expected);
        Assert.Equal(expected, run.Read("one"));
    }

    /// <summary>Numbers are drawn four at a time, of which the last may be too many.</summary>
    [Fact]
    public void What_lies_behind_a_sample_is_left_alone()
    {
        foreach (var type in Types)
        {
            using var run = new OpRun(Device, type);
            var y = run.Updated("y", type, new float[2 * 7], 2, 7);
            run.Ops.RandomNormal([new RandomKey(17, RandomPurpose.Noise, 1, 5)], y.Slice(0, 1));
            run.Ops.RandomUniform([new RandomKey(17, RandomPurpose.Noise, 1, 5)], y.Slice(0, 1));
            Assert.Equal(new float[7], run.Read("y")[7..]);
        }
    }

    const float LossScale = 3.5f, KlScale = 0.25f;

    static void MseForward(OpRun run, int batch, int height, int width, int channels) =>
        run.Ops.MseForward(run.Input("prediction", batch, height, width, channels), run.Input("target", batch, height, width, channels),
            run.Values("weight", DType.F32, run.Normal("weight", batch), batch), run.Output("loss", DType.F32, batch));

    static void MseBackward(OpRun run, int batch, int height, int width, int channels)
    {
        run.Values("dLoss", DType.F32, [.. Enumerable.Repeat(LossScale, batch)], batch);
        run.Ops.MseBackward(run["prediction"], run["target"], run["weight"], LossScale, run.Output("dPrediction", batch, height, width, channels));
    }

    static void PosteriorForward(OpRun run, int batch, int height, int width, int channels, bool noise, bool kl) =>
        run.Ops.PosteriorForward(run.Input("moments", batch, height, width, 2 * channels), run.Optional(noise, "noise", batch, height, width, channels),
            run.Output("latent", batch, height, width, channels), kl ? run.Output("kl", DType.F32, batch) : default);

    static void PosteriorBackward(OpRun run, int batch, int height, int width, int channels, bool noise)
    {
        run.Values("dKl", DType.F32, [.. Enumerable.Repeat(KlScale, batch)], batch);
        run.Ops.PosteriorBackward(run["moments"], noise ? run["noise"] : default, run.Input("dLatent", batch, height, width, channels), KlScale,
            run.Output("dMoments", batch, height, width, 2 * channels));
    }
}
