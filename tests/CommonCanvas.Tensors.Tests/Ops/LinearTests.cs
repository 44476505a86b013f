namespace CommonCanvas.Tensors.Tests;

public abstract class LinearTests(TestDevice device) : OpTests(device)
{
    /// <summary>Rows, inputs, outputs: one row, one token, none a multiple of a tile, some of many tiles, one of several blocks of rows.</summary>
    public static TheoryData<int, int, int> Sizes => new()
    {
        { 1, 1, 1 }, { 1, 7, 5 }, { 2, 16, 16 }, { 3, 33, 17 }, { 77, 40, 24 }, { 64, 64, 64 }, { 231, 19, 70 }, { 130, 200, 35 }, { 5, 320, 321 }, { 1101, 10, 40 },
    };

    [Theory, MemberData(nameof(Sizes))]
    public void Forward_agrees(int rows, int inputs, int outputs)
    {
        foreach (var type in Types)
            foreach (var (bias, residual) in new[] { (false, false), (true, false), (false, true), (true, true) })
                Agree(type, inputs, run => Forward(run, rows, inputs, outputs, bias, residual));
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Backward_agrees(int rows, int inputs, int outputs)
    {
        foreach (var type in Types)
            for (int wanted = 0; wanted < 16; wanted++)
                Agree(type, Math.Max(rows, outputs), run => Backward(run, rows, inputs, outputs, wanted));
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Gradients_can_be_assigned(int rows, int inputs, int outputs)
    {
        foreach (var type in Types) Assigns(type, run => Backward(run, rows, inputs, outputs, 7));
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Backward_is_the_slope_of_Forward(int rows, int inputs, int outputs) =>
        Gradient(run => Forward(run, rows, inputs, outputs, true, true), run => Backward(run, rows, inputs, outputs, 7));

    /// <summary>A residual may be the gradient's own memory.</summary>
    [Fact]
    public void A_residual_in_place_agrees()
    {
        foreach (var type in Types)
            Agree(type, 24, run =>
            {
                var dX = run.Updated("dX", type, run.Normal("dX", 33 * 40), 33, 40);
                run.Ops.LinearBackward(run.Input("x", 33, 40), run.Input("weight", 24, 40), run.Input("dY", 33, 24), dX, dX, default, default);
            });
    }

    /// <summary>Long and short ones, of one tile and of several, with columns that lie in fours or eights or not, more than a launch takes.</summary>
    [Fact]
    public void Weights_of_several_layers_agree()
    {
        foreach (var type in Types)
        {
            Agree(type, 1101, run => Weights(run, several));
            Agree(type, 231, run => Weights(run, [.. Enumerable.Range(0, 19).Select(i => several[i % 4])]));
        }
    }

    [Fact]
    public void Weights_of_several_layers_can_be_assigned()
    {
        foreach (var type in Types) Assigns(type, run => Weights(run, several));
    }

    /// <summary>Each has its own: what is assigned is not read.</summary>
    [Fact]
    public void Weights_are_added_to_or_assigned_one_by_one()
    {
        foreach (var type in Types)
            Agree(type, 64, run =>
            {
                Tensor x = run.Input("x", 64, 48), dY = run.Input("dY", 64, 40);
                var assigned = run.Updated("dSecond", DType.F32, [.. Enumerable.Repeat(float.NaN, 40 * 48)], 40, 48);
                run.Ops.LinearBackwardWeights([new(x, dY, run.Sum("dFirst", 40, 48)), new(x, dY, new GradientTarget(assigned, Accumulate: false)), new(dY, x, run.Sum("dThird", 48, 40))]);
            });
    }

    [Fact]
    public void Weights_of_several_layers_are_the_slope_of_Forward()
    {
        Gradient(run =>
        {
            for (int i = 0; i < several.Length; i++)
            {
                var (rows, inputs, outputs) = several[i];
                run.Ops.LinearForward(run.Input($"x{i}", rows, inputs), run.Input($"weight{i}", outputs, inputs), default, default, run.Output($"y{i}", rows, outputs));
            }
        }, run => Weights(run, several));
    }

    [Fact]
    public void No_weights_are_nothing() => Device.LinearBackwardWeights([]);

    static readonly (int Rows, int Inputs, int Outputs)[] several = [(64, 64, 64), (231, 24, 72), (1, 8, 16), (130, 200, 40), (1101, 16, 40), (33, 33, 17), (70, 168, 328)];

    static void Weights(OpRun run, (int Rows, int Inputs, int Outputs)[] layers) => run.Ops.LinearBackwardWeights([.. layers.Select((layer, i) => new LinearGradient(
        run.Has($"x{i}") ? run[$"x{i}"] : run.Input($"x{i}", layer.Rows, layer.Inputs), run.Input($"dY{i}", layer.Rows, layer.Outputs), run.Gradient($"dWeight{i}", layer.Outputs, layer.Inputs)))]);

    /// <summary>A batch of tokens is its rows.</summary>
    [Fact]
    public void Leading_dimensions_are_joined() =>
        Agree(DType.F32, 12, run => run.Ops.LinearForward(run.Input("x", 3, 11, 12), run.Input("weight", 5, 12), default, default, run.Output("y", 3, 11, 5)));

    [Fact]
    public void The_formula_is_x_times_the_transposed_weight()
    {
        using var run = new OpRun(Device, DType.F32);
        var x = run.Values("x", DType.F32, [1, 2, 3, 4, 5, 6], 2, 3);
        var weight = run.Values("weight", DType.F32, [1, 0, 0, 0, 10, 100], 2, 3);
        var bias = run.Values("bias", DType.F32, [0.5f, -0.5f], 2);
        var residual = run.Values("residual", DType.F32, [1000, 2000, 3000, 4000], 2, 2);
        run.Ops.LinearForward(x, weight, bias, residual, run.Output("y", 2, 2));
        Assert.Equal([1001.5f, 2319.5f, 3004.5f, 4649.5f], run.Read("y"));
    }

    static void Forward(OpRun run, int rows, int inputs, int outputs, bool bias, bool residual) =>
        run.Ops.LinearForward(run.Input("x", rows, inputs), run.Input("weight", outputs, inputs), run.Optional(bias, "bias", outputs),
            run.Optional(residual, "residual", rows, outputs), run.Output("y", rows, outputs));

    static void Backward(OpRun run, int rows, int inputs, int outputs, int wanted) =>
        run.Ops.LinearBackward(run.Input("x", rows, inputs), run.Input("weight", outputs, inputs), run.Input("dY", rows, outputs),
            run.Optional((wanted & 8) != 0, "residual", rows, inputs), (wanted & 1) != 0 ? run.Output("dX", rows, inputs) : default,
            (wanted & 2) != 0 ? run.Gradient("dWeight", outputs, inputs) : default,
            (wanted & 4) != 0 ? run.Gradient("dBias", outputs) : default);
}
