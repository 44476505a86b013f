namespace CommonCanvas.Tensors.Tests;

public abstract class ElementwiseTests(TestDevice device) : OpTests(device)
{
    public static TheoryData<int, int> Sizes => new() { { 1, 1 }, { 3, 5 }, { 77, 16 }, { 130, 33 }, { 1, 4099 } };

    [Theory, MemberData(nameof(Sizes))]
    public void Activations_agree(int rows, int width)
    {
        foreach (var type in Types)
            foreach (var f in Enum.GetValues<Activation>())
                Agree(type, 1, run =>
                {
                    var x = run.Values("x", type, Wide(run, rows * width), rows, width);
                    run.Ops.ActivationForward(x, f, run.Output("y", rows, width));
                    run.Ops.ActivationBackward(x, f, run.Input("dY", rows, width), run.Output("dX", rows, width));
                });
    }

    [Theory, MemberData(nameof(Sizes))]
    public void An_activation_backward_is_the_slope_of_forward(int rows, int width)
    {
        foreach (var f in Enum.GetValues<Activation>())
            Gradient(run => run.Ops.ActivationForward(run.Input("x", rows, width), f, run.Output("y", rows, width)),
                run => run.Ops.ActivationBackward(run["x"], f, run.Input("dY", rows, width), run.Output("dX", rows, width)));
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Geglu_agrees(int rows, int width)
    {
        foreach (var type in Types)
            Agree(type, 1, run =>
            {
                GegluForward(run, rows, width);
                GegluBackward(run, rows, width);
            });
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Geglu_backward_is_the_slope_of_forward(int rows, int width) =>
        Gradient(run => GegluForward(run, rows, width), run => GegluBackward(run, rows, width));

    [Theory, MemberData(nameof(Sizes))]
    public void Add_and_scale_agree(int rows, int width)
    {
        foreach (var type in Types)
            Agree(type, 1, run =>
            {
                run.Ops.Add(run.Input("a", rows, width), run.Input("b", rows, width), run.Output("y", rows, width));
                run.Ops.Scale(run["a"], -0.37f, run.Output("z", rows, width));
            });
    }

    /// <summary>The documented exception to "outputs are other memory than inputs".</summary>
    [Fact]
    public void An_element_wise_output_may_lie_over_an_input()
    {
        foreach (var type in Types)
            Agree(type, 1, run =>
            {
                float[] values = run.Normal("values", 35);
                var x = run.Updated("x", type, values, 5, 7);
                run.Ops.ActivationForward(x, Activation.Silu, x);
                run.Ops.Add(x, run.Input("b", 5, 7), x);
                run.Ops.Scale(x, 3, x);
                var dY = run.Updated("dY", type, values, 5, 7);
                run.Ops.ActivationBackward(run.Input("a", 5, 7), Activation.Gelu, dY, dY);
            });
    }

    /// <summary>Values from tables of the error function, and of the sigmoid.</summary>
    [Theory]
    [InlineData(Activation.Silu, 1, 0.7310585786300049)]
    [InlineData(Activation.Silu, -2, -0.2384058440442351)]
    [InlineData(Activation.Gelu, 1, 0.8413447460685429)]
    [InlineData(Activation.Gelu, -2, -0.04550026389635842)]
    [InlineData(Activation.Gelu, -6, -5.919525922e-09)]
    [InlineData(Activation.QuickGelu, 1, 0.8457957659328212)]
    public void An_activation_has_its_known_value(Activation f, float x, double expected)
    {
        using var run = new OpRun(Device, DType.F32);
        run.Ops.ActivationForward(run.Values("x", DType.F32, [x], 1), f, run.Output("y", 1));
        Assert.Equal(expected, run.Read("y")[0], 2 * Math.Pow(2, -23) * Math.Max(Math.Abs(expected), 0.1)); // fp32 Phi is exact to an eps of 1, not of itself
    }

    [Theory]
    [InlineData(Activation.Silu)]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.QuickGelu)]
    public void Far_arguments_saturate(Activation f)
    {
        using var run = new OpRun(Device, DType.F32);
        var x = run.Values("x", DType.F32, [-1e4f, -200, 200, 1e4f, float.NaN], 5);
        run.Ops.ActivationForward(x, f, run.Output("y", 5));
        run.Ops.ActivationBackward(x, f, run.Values("dY", DType.F32, [1, 1, 1, 1, 1], 5), run.Output("dX", 5));
        Assert.Equal([0f, 0, 200, 1e4f, float.NaN], run.Read("y").Select(v => v + 0f));
        Assert.Equal([0f, 0, 1, 1, float.NaN], run.Read("dX").Select(v => v + 0f));
    }

    /// <summary>From one tail to the other.</summary>
    static float[] Wide(OpRun run, int count) => [.. run.Normal("x", count).Select(v => 4 * v)];

    static void GegluForward(OpRun run, int rows, int width) => run.Ops.GegluForward(run.Input("x", rows, 2 * width), run.Output("y", rows, width));

    static void GegluBackward(OpRun run, int rows, int width) => run.Ops.GegluBackward(run["x"], run.Input("dY", rows, width), run.Output("dX", rows, 2 * width));
}
