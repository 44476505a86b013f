using System.Numerics;

namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// Products with GEGLU around them. What is rounded to storage on the way may fall on either side of a tie, and then no bound on
/// the result is tight; so operands here are small multiples of powers of two whose sums are exact in fp32: all devices round
/// the same numbers.
/// </summary>
public abstract class LinearGegluTests(TestDevice device) : OpTests(device)
{
    /// <summary>
    /// Rows, the product's inputs and outputs (of which half is the width of GEGLU forward; twice that backward): single ones, odd
    /// ones, multiples of two but not of four, of a tile, of many tiles.
    /// </summary>
    public static TheoryData<int, int, int> Sizes => new()
    {
        { 1, 1, 1 }, { 1, 7, 5 }, { 2, 16, 16 }, { 3, 33, 17 }, { 77, 40, 22 }, { 64, 64, 64 }, { 231, 19, 70 }, { 130, 200, 35 }, { 5, 320, 321 }, { 1101, 10, 40 },
    };

    [Theory, MemberData(nameof(Sizes))]
    public void Forward_agrees(int rows, int inputs, int width)
    {
        foreach (var type in Types)
            foreach (var (bias, stored) in new[] { (false, true), (true, true), (true, false) })
                Agree(type, inputs, run => Forward(run, rows, inputs, width, bias, stored));
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Backward_agrees(int rows, int outputs, int width)
    {
        foreach (var type in Types) Agree(type, outputs, run => Backward(run, rows, outputs, width));
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Backward_is_the_slope_of_Forward(int rows, int outputs, int width) =>
        Gradient(run => FollowedByLinear(run, rows, outputs, width), run => Backward(run, rows, outputs, width));

    /// <summary>
    /// The gradients of the operation forward are those of its two parts. x and weight are about 1 / sqrt(inputs), so that a step
    /// along a direction of +1 and -1 is a step of that length of u, as <see cref="OpTests.Gradient"/> takes for granted.
    /// </summary>
    [Theory, MemberData(nameof(Sizes))]
    public void The_backwards_of_the_parts_are_the_slope_of_Forward(int rows, int inputs, int width)
    {
        int denominator = 8 << (BitOperations.Log2((uint)inputs) + 1) / 2;
        Gradient(run => run.Ops.LinearGegluForward(Dyadic(run, "x", denominator, rows, inputs), Dyadic(run, "weight", denominator, 2 * width, inputs),
            Dyadic(run, "bias", 8, 2 * width), run.Output("u", rows, 2 * width), run.Output("y", rows, width)), run =>
        {
            var slope = run.Ops.Arena.Rent(run.Type, rows, 2 * width);
            run.Ops.GegluBackward(run["u"], run.Input("dY", rows, width), slope);
            run.Ops.LinearBackward(run["x"], run["weight"], slope, default, run.Output("dX", rows, inputs), run.Sum("dWeight", 2 * width, inputs), run.Sum("dBias", 2 * width));
            run.Ops.Arena.Release(slope);
        });
    }

    [Fact]
    public void The_gradient_may_lie_over_what_it_is_of()
    {
        foreach (var type in Types)
            Agree(type, 24, run =>
            {
                var u = run.Updated("u", type, run.Normal("u", 50 * 44), 50, 44);
                run.Ops.LinearGegluBackward(u, Dyadic(run, "weight", 64, 24, 22), Dyadic(run, "dY", 8, 50, 24), u);
            });
    }

    /// <summary>Within a larger tensor, at an address where two elements cannot be moved together.</summary>
    [Fact]
    public void Results_may_begin_at_any_element()
    {
        const int Rows = 9, Inputs = 24, Width = 20;
        foreach (var type in Types)
            Agree(type, Inputs, run =>
            {
                Tensor x = Dyadic(run, "x", 8, Rows, Inputs), weight = Dyadic(run, "weight", 64, 2 * Width, Inputs), next = Dyadic(run, "next", 64, Inputs, Width);
                run.Ops.LinearGegluForward(x, weight, default, run.Output("u", Rows, 2 * Width), FromSecond("y", Width));
                run.Ops.LinearGegluForward(x, weight, default, FromSecond("other u", 2 * Width), run.Output("other y", Rows, Width));
                run.Ops.LinearGegluBackward(run["u"], next, x, FromSecond("dU", 2 * Width));

                Tensor FromSecond(string name, int columns)
                {
                    var all = run.Updated(name, type, new float[Rows * columns + 1], Rows * columns + 1);
                    return new Tensor(all.Data + type.Size(), type, Rows, columns);
                }
            });
    }

    /// <summary>A batch of tokens is its rows.</summary>
    [Fact]
    public void Leading_dimensions_are_joined() =>
        Agree(DType.F32, 12, run => run.Ops.LinearGegluForward(Dyadic(run, "x", 8, 3, 11, 12), Dyadic(run, "weight", 64, 10, 12), default, run.Output("u", 3, 11, 10), run.Output("y", 3, 11, 5)));

    /// <summary>Ten values and ten gates; GELU of the gates 0, 1 and -1 is 0, 0.841345 and -0.158655.</summary>
    [Fact]
    public void The_formula_is_the_value_times_gelu_of_the_gate()
    {
        using var run = new OpRun(Device, DType.F32);
        var x = run.Values("x", DType.F32, [1, 2], 1, 2);
        var weight = run.Values("weight", DType.F32, [3, 1, 0, 4, -1, 0, 2, -1, 1, 0, -3, 1], 6, 2);
        var bias = run.Values("bias", DType.F32, [0.5f, 0, 1, 0, 0, 0], 6);
        run.Ops.LinearGegluForward(x, weight, bias, run.Output("u", 1, 6), run.Output("y", 1, 3));
        Assert.Equal([5.5f, 8, 0, 0, 1, -1], run.Read("u"));
        float[] y = run.Read("y");
        Assert.Equal([0, 6.73076f, 0], y.Select(v => MathF.Round(v, 5)));
    }

    /// <summary>Normal operands, whose sums are not exact: whatever they are rounded to, the parts one after the other round it so too.</summary>
    [Theory, MemberData(nameof(Sizes))]
    public void The_parts_one_after_the_other_give_the_same_bits(int rows, int inputs, int width) => SameBitsAsParts(Variants, rows, inputs, width);

    /// <summary>Whether both operations give the bits of their parts on each device, where both are laid out over the device alike.</summary>
    internal static void SameBitsAsParts(IEnumerable<IOps> devices, int rows, int inputs, int width)
    {
        foreach (var ops in devices)
            foreach (var type in Types)
            {
                using var run = new OpRun(ops, type);
                Tensor x = run.Input("x", rows, inputs), weight = run.Input("weight", 2 * width, inputs), bias = run.Input("bias", 2 * width), none = Tensor.None;
                Tensor u = run.Output("u", rows, 2 * width), gated = run.Output("gated", rows, width);
                ops.LinearForward(x, weight, bias, none, u);
                ops.GegluForward(u, gated);
                ops.LinearGegluForward(x, weight, bias, run.Output("fused u", rows, 2 * width), run.Output("fused", rows, width));
                ops.LinearGegluForward(x, weight, bias, none, run.Output("alone", rows, width));
                Assert.Equal(run.Bits("u"), run.Bits("fused u"));
                Assert.Equal(run.Bits("gated"), run.Bits("fused"));
                Assert.Equal(run.Bits("gated"), run.Bits("alone"));

                Tensor next = run.Input("next", inputs, width), dGated = run.Output("dGated", rows, width);
                ops.LinearBackward(gated, next, x, default, dGated, none, none);
                ops.GegluBackward(u, dGated, run.Output("dU", rows, 2 * width));
                ops.LinearGegluBackward(u, next, x, run.Output("fused dU", rows, 2 * width));
                Assert.Equal(run.Bits("dU"), run.Bits("fused dU"));
            }
    }

    internal static void Forward(OpRun run, int rows, int inputs, int width, bool bias, bool stored) =>
        run.Ops.LinearGegluForward(Dyadic(run, "x", 8, rows, inputs), Dyadic(run, "weight", 64, 2 * width, inputs), bias ? Dyadic(run, "bias", 8, 2 * width) : default,
            stored ? run.Output("u", rows, 2 * width) : default, run.Output("y", rows, width));

    internal static void Backward(OpRun run, int rows, int outputs, int width) =>
        run.Ops.LinearGegluBackward(run.Input("u", rows, 2 * width), Dyadic(run, "weight", 64, outputs, width), Dyadic(run, "dY", 8, rows, outputs), run.Output("dU", rows, 2 * width));

    static void FollowedByLinear(OpRun run, int rows, int outputs, int width)
    {
        var gated = run.Ops.Arena.Rent(run.Type, rows, width);
        run.Ops.GegluForward(run.Input("u", rows, 2 * width), gated);
        run.Ops.LinearForward(gated, Dyadic(run, "weight", 64, outputs, width), default, default, run.Output("y", rows, outputs));
        run.Ops.Arena.Release(gated);
    }

    /// <summary>
    /// Normal values rounded to eighths, then divided by <paramref name="denominator"/> / 8. Sums of products of eighths and
    /// of 64ths are multiples of 2^-9 and, up to 320 terms, below 2^14: exact in fp32 in any order.
    /// </summary>
    static Tensor Dyadic(OpRun run, string name, int denominator, params int[] shape) =>
        run.Values(name, run.Type, [.. run.Normal(name, shape.Aggregate(1, (a, b) => a * b)).Select(v => MathF.Round(8 * v) / denominator)], shape);
}
