namespace CommonCanvas.Tensors.Tests;

public abstract class ShapeTests(TestDevice device) : OpTests(device)
{
    /// <summary>Batch, height, width, channels, rows and columns of the output.</summary>
    public static TheoryData<int, int, int, int, int, int> Upsamples => new()
    {
        { 1, 1, 1, 3, 2, 2 }, { 3, 4, 5, 7, 8, 10 }, { 1, 3, 2, 16, 7, 5 }, { 2, 5, 4, 33, 5, 9 }, { 1, 6, 7, 4, 3, 2 }, { 1, 8, 8, 20, 16, 16 },
    };

    [Theory, MemberData(nameof(Upsamples))]
    public void Upsample_agrees(int batch, int height, int width, int channels, int outHeight, int outWidth)
    {
        foreach (var type in Types)
            Agree(type, 4, run =>
            {
                run.Ops.UpsampleForward(run.Input("x", batch, height, width, channels), run.Output("y", batch, outHeight, outWidth, channels));
                run.Ops.UpsampleBackward(run.Input("dY", batch, outHeight, outWidth, channels), run.Output("dX", batch, height, width, channels));
            });
    }

    [Theory, MemberData(nameof(Upsamples))]
    public void Upsample_backward_is_the_slope_of_forward(int batch, int height, int width, int channels, int outHeight, int outWidth) =>
        Gradient(run => run.Ops.UpsampleForward(run.Input("x", batch, height, width, channels), run.Output("y", batch, outHeight, outWidth, channels)),
            run => run.Ops.UpsampleBackward(run.Input("dY", batch, outHeight, outWidth, channels), run.Output("dX", batch, height, width, channels)));

    [Fact]
    public void Upsample_takes_the_floor()
    {
        using var run = new OpRun(Device, DType.F32);
        run.Ops.UpsampleForward(run.Values("x", DType.F32, [1, 2, 3], 1, 1, 3, 1), run.Output("y", 1, 1, 7, 1));
        Assert.Equal([1f, 1, 1, 2, 2, 3, 3], run.Read("y"));
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(77, 16, 5)]
    [InlineData(35, 33, 64)]
    public void Concat_joins_and_splits(int rows, int left, int right)
    {
        foreach (var type in Types)
        {
            Agree(type, 1, run =>
            {
                run.Ops.ConcatForward(run.Input("a", rows, left), run.Input("b", rows, right), run.Output("y", rows, left + right));
                run.Ops.ConcatBackward(run.Input("dY", rows, left + right), run.Output("dA", rows, left), run.Output("dB", rows, right));
            });
            using var back = new OpRun(Device, type);
            back.Ops.ConcatForward(back.Input("a", rows, left), back.Input("b", rows, right), back.Output("y", rows, left + right));
            back.Ops.ConcatBackward(back["y"], back.Output("dA", rows, left), back.Output("dB", rows, right));
            Assert.Equal(back.Read("a"), back.Read("dA"));
            Assert.Equal(back.Read("b"), back.Read("dB"));
        }
    }

    /// <summary>Batch, tokens, rows of the table, channels, whether there are positions: ids repeat, so that gradients meet.</summary>
    public static TheoryData<int, int, int, int, bool> Embeddings => new()
    {
        { 1, 1, 1, 1, true }, { 3, 5, 4, 7, true }, { 2, 77, 50, 16, true }, { 1, 11, 3, 33, false }, { 3, 77, 9, 5, false }, { 2, 3, 4, 2056, true }, { 4, 77, 9, 3, true },
    };

    [Theory, MemberData(nameof(Embeddings))]
    public void Embedding_agrees(int batch, int tokens, int rows, int channels, bool positions)
    {
        foreach (var type in Types)
            Agree(type, batch * tokens, run =>
            {
                EmbeddingForward(run, batch, tokens, rows, channels, positions);
                EmbeddingBackward(run, batch, tokens, rows, channels, positions);
            });
    }

    /// <summary>Rows that no id names, and positions past the last token, are 0.</summary>
    [Theory, MemberData(nameof(Embeddings))]
    public void Embedding_gradients_can_be_assigned(int batch, int tokens, int rows, int channels, bool positions)
    {
        foreach (var type in Types)
            Assigns(type, run =>
            {
                EmbeddingForward(run, batch, tokens, rows, channels, positions);
                EmbeddingBackward(run, batch, tokens, rows, channels, positions);
            });
    }

    [Theory, MemberData(nameof(Embeddings))]
    public void Embedding_backward_is_the_slope_of_forward(int batch, int tokens, int rows, int channels, bool positions) =>
        Gradient(run => EmbeddingForward(run, batch, tokens, rows, channels, positions), run => EmbeddingBackward(run, batch, tokens, rows, channels, positions));

    [Fact]
    public void Rows_are_gathered_by_one_dimension_of_ids()
    {
        using var run = new OpRun(Device, DType.F32);
        var ids = Device.Arena.Rent(DType.I32, 3);
        Device.Upload<int>([2, 0, 2], ids);
        run.Ops.EmbeddingForward(ids, run.Values("table", DType.F32, [1, 2, 3, 4, 5, 6], 3, 2), default, run.Output("y", 3, 2));
        Device.Arena.Release(ids);
        Assert.Equal([5f, 6, 1, 2, 5, 6], run.Read("y"));
    }

    /// <summary>More ids than a block has threads, and one whose first two places are behind as many.</summary>
    [Fact]
    public void The_gradient_of_an_id_that_comes_late_is_added_once()
    {
        const int Count = 600, First = 300, Second = 590;
        using var run = new OpRun(Device, DType.F32);
        var ids = Device.Arena.Rent(DType.I32, 1, Count);
        Device.Upload<int>([.. Enumerable.Range(0, Count).Select(r => r is First or Second ? 1 : 0)], ids);
        run.Ops.EmbeddingBackward(ids, run.Values("dY", DType.F32, [.. Enumerable.Range(0, Count).Select(r => (float)r)], 1, Count, 1),
            run.Updated("dTable", DType.F32, [0, 0], 2, 1), default);
        Device.Arena.Release(ids);
        Assert.Equal([Count * (Count - 1) / 2 - First - Second, First + Second], run.Read("dTable"));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    public void An_id_outside_the_table_is_an_error_naming_it(int id)
    {
        using var run = new OpRun(Device, DType.F32);
        var ids = Device.Arena.Rent(DType.I32, 2);
        Device.Upload<int>([0, id], ids);
        var error = Assert.Throws<ArgumentException>(() => run.Ops.EmbeddingForward(ids, run.Input("table", 3, 2), default, run.Output("y", 2, 2)));
        Device.Arena.Release(ids);
        Assert.Contains($"ids[1] is {id}, must be 0 to 2", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(3, 35, 4)]
    [InlineData(1, 17, 33)]
    [InlineData(2, 64, 32)]
    public void Transpose_turns_pixels_and_channels(int batch, int rows, int columns)
    {
        foreach (var type in Types)
        {
            Agree(type, 1, run => run.Ops.Transpose(run.Input("x", batch, rows, columns), run.Output("y", batch, columns, rows)));
            using var back = new OpRun(Device, type);
            back.Ops.Transpose(back.Input("x", batch, rows, columns), back.Output("y", batch, columns, rows));
            back.Ops.Transpose(back["y"], back.Output("z", batch, rows, columns));
            Assert.Equal(back.Read("x"), back.Read("z"));
            Assert.Equal(back.Read("x")[columns > 1 ? 1 : 0], back.Read("y")[columns > 1 ? rows : 0]);
        }
    }

    /// <summary>Every type to every other, with ties, overflow, subnormal numbers, infinities and not-a-number.</summary>
    [Fact]
    public void Cast_rounds_to_nearest_ties_to_even()
    {
        float[] special = [0, -0f, 1 + 1f / 2048, 1 + 3f / 2048, 1 + 1f / 256, 1 + 3f / 256, 65519, 65520, -7e4f, 1e-7f, 3e-8f, 1e-40f, 3.4e38f, float.PositiveInfinity, float.NaN];
        foreach (var from in Types)
            foreach (var to in Types)
                Agree(from, 1, run =>
                {
                    run.Ops.Cast(run.Values("x", from, [.. special, .. run.Normal("x", 1000)], 203, 5), run.Output("y", to, 203, 5));
                    Assert.Equal(run.Initial("x").Select(v => Rounding.Round(v, to)), run.Read("y"));
                    run.Ops.Fill(0.1f, run.Output("z", to, 3, 5));
                    Assert.All(run.Read("z"), v => Assert.Equal(Rounding.Round(0.1f, to), v));
                });
    }

    /// <summary>More than a small device's threads take at once, together and, where addresses do not fit that, one by one.</summary>
    [Fact]
    public void Cast_of_many_and_of_misaligned_numbers_agrees()
    {
        const int Count = 20007;
        foreach (var from in Types)
            foreach (var to in Types)
                Agree(from, 1, run =>
                {
                    float[] values = run.Normal("x", Count), zeros = new float[Count];
                    Tensor x = run.Values("x", from, values, Count), misaligned = run.Updated("misaligned", to, zeros, Count);
                    run.Ops.Cast(x, run.Output("y", to, Count));
                    run.Ops.Cast(x.Slice(1, Count - 1), misaligned.Slice(1, Count - 1));
                });
    }

    static void EmbeddingForward(OpRun run, int batch, int tokens, int rows, int channels, bool positions) =>
        run.Ops.EmbeddingForward(run.Ids("ids", rows, batch, tokens), run.Input("table", rows, channels), run.Optional(positions, "position", tokens + 2, channels),
            run.Output("y", batch, tokens, channels));

    static void EmbeddingBackward(OpRun run, int batch, int tokens, int rows, int channels, bool positions) =>
        run.Ops.EmbeddingBackward(run["ids"], run.Input("dY", batch, tokens, channels), run.Gradient("dTable", rows, channels), positions ? run.Gradient("dPosition", tokens + 2, channels) : default);
}
