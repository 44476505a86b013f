namespace CommonCanvas.Tensors.Tests;

public class TimedOpsTests
{
    /// <summary>Sizes of which each part of the formulas can be told apart.</summary>
    [Fact]
    public void Calls_bytes_and_operations_are_counted()
    {
        using var ops = new TimedOps(new CpuOps());
        using var run = new OpRun(ops, DType.F32);
        ops.Reset();
        ops.LinearForward(run.Input("x", 2, 3), run.Input("weight", 5, 3), default, default, run.Output("y", 2, 5));
        ops.LinearForward(run["x"], run["weight"], run.Input("bias", 5), default, run["y"]);
        ops.LinearBackward(run["x"], run["weight"], run["y"], default, default, run.Sum("dWeight", 5, 3), default);
        ops.LinearBackward(run["x"], run["weight"], run["y"], default, default, default, new GradientTarget(run.Output("dBias", DType.F32, 5), Accumulate: false));
        ops.ConvForward(run.Input("image", 1, 4, 6, 3), run.Input("kernel", 2, 3, 3, 3), default, default, default, ConvGeometry.Down3, run.Output("smaller", 1, 2, 3, 2));
        ops.AttentionForward(run.Input("q", 1, 3, 8), run.Input("k", 1, 3, 8), run["k"], 2, true, run.Output("o", 1, 3, 8), run.Output("lse", 1, 2, 3));
        Columns part = new(run.Input("qkv", 1, 3, 24), 8, 8); // of which the other columns count as little as if they were not there
        ops.AttentionForward(run["q"], part, part, 2, true, run["o"], run["lse"]);
        ops.EmbeddingForward(run.Ids("ids", 10, 2), run.Input("table", 10, 4), default, run.Output("rows", 2, 4));

        OpTiming Row(string name) => ops.Rows.Single(row => row.Name == name);
        Assert.Equal((2L, 2 * 2.0 * 2 * 3 * 5, 4L * (2 * (6 + 15 + 10) + 5)), (Row("LinearForward").Calls, Row("LinearForward").Flops, Row("LinearForward").Bytes));
        Assert.Equal((2.0 * 2 * 3 * 5 + 10, 4L * (2 * (6 + 15 + 10) + 2 * 15 + 5)), (Row("LinearBackward").Flops, Row("LinearBackward").Bytes));
        Assert.Equal((2.0 * 2 * 3 * 2 * 9 * 3, 4L * (72 + 54 + 12)), (Row("ConvForward").Flops, Row("ConvForward").Bytes));
        Assert.Equal((2 * 6 * (4.0 * 8 + 4 * 2), 2 * 4L * (4 * 24 + 6)), (Row("AttentionForward").Flops, Row("AttentionForward").Bytes));
        Assert.Equal((0.0, 4L * (2 + 8 + 8)), (Row("EmbeddingForward").Flops, Row("EmbeddingForward").Bytes));
        Assert.Equal(ops.Rows.Sum(row => row.Time.Ticks), ops.Total.Ticks);
        Assert.Equal(ops.Rows.OrderByDescending(row => row.Time).Select(row => row.Name), ops.Rows.Select(row => row.Name));
        ops.Reset();
        Assert.Empty(ops.Rows);
    }

    [Fact]
    public void Rates_are_per_second()
    {
        var row = new OpTiming("Add", 1, TimeSpan.FromSeconds(2), 6_000_000_000, 4e9);
        Assert.Equal((2.0, 3.0), (row.GigaflopsPerSecond, row.GigabytesPerSecond));
        Assert.Equal((0.0, 0.0), (default(OpTiming).GigaflopsPerSecond, default(OpTiming).GigabytesPerSecond));
    }
}
