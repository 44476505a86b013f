namespace CommonCanvas.Tensors.Tests;

public abstract partial class AttentionTests(TestDevice device) : OpTests(device)
{
    /// <summary>Batch, queries, keys, heads, size of a head, causal.</summary>
    public static TheoryData<int, int, int, int, int, bool> Cases => new()
    {
        { 1, 1, 1, 1, 1, false }, { 1, 1, 77, 2, 8, false }, { 3, 5, 7, 2, 4, false }, { 1, 64, 64, 1, 16, false }, { 2, 33, 77, 3, 5, false },
        { 1, 70, 11, 2, 40, false }, { 1, 130, 67, 1, 64, false }, { 1, 9, 9, 1, 160, false },
        { 1, 1, 1, 2, 3, true }, { 2, 77, 77, 2, 8, true }, { 3, 19, 19, 1, 33, true },
        { 1, 20, 50, 1, 200, false },
        { 1, 250, 250, 1, 4, true }, // longer than the processor's blocks: some queries of a block see none of its keys
    };

    /// <summary>
    /// Every size that the kernels for 16-bit storage are compiled for, rows of whole 16-byte pieces and others, tiles on both
    /// sides of the diagonal. Not in F32, which has other kernels: their sizes are among <see cref="Cases"/>.
    /// </summary>
    public static TheoryData<int, int, int, int, int, bool> ReducedCases => new()
    {
        { 1, 66, 130, 1, 80, false }, { 1, 17, 70, 2, 96, false }, { 1, 33, 40, 1, 128, false }, { 1, 9, 33, 1, 95, false },
        { 1, 200, 200, 1, 32, true }, { 1, 140, 140, 1, 64, true }, { 1, 70, 70, 1, 128, true }, { 1, 40, 40, 1, 512, true },
    };

    [Theory, MemberData(nameof(Cases))]
    public void Forward_agrees(int batch, int queries, int keys, int heads, int size, bool causal)
    {
        foreach (var type in Types) Agree(type, size + keys, run => Forward(run, batch, queries, keys, heads, size, causal), HasMatrixInstructions);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Backward_agrees(int batch, int queries, int keys, int heads, int size, bool causal)
    {
        foreach (var type in Types) BackwardAgrees(type, batch, queries, keys, heads, size, causal);
    }

    [Theory, MemberData(nameof(ReducedCases))]
    public void Reduced_precision_agrees(int batch, int queries, int keys, int heads, int size, bool causal)
    {
        foreach (var type in new[] { DType.F16, DType.BF16 })
        {
            Agree(type, size + keys, run => Forward(run, batch, queries, keys, heads, size, causal), HasMatrixInstructions);
            BackwardAgrees(type, batch, queries, keys, heads, size, causal);
        }
    }

    void BackwardAgrees(DType type, int batch, int queries, int keys, int heads, int size, bool causal)
    {
        foreach (int wanted in new[] { 1, 6, 7 })
            // three sums over the head's values (scores, dY . v and dY . y, which are subtracted), then one over tokens of products of two such
            Agree(type, 3 * size + 2 * Math.Max(queries, keys), run => Backward(run, batch, queries, keys, heads, size, causal, wanted, ofForward: false), HasMatrixInstructions);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Backward_is_the_slope_of_Forward(int batch, int queries, int keys, int heads, int size, bool causal) =>
        Gradient(run => Forward(run, batch, queries, keys, heads, size, causal), run => Backward(run, batch, queries, keys, heads, size, causal, 7, ofForward: true));

    [Fact]
    public void One_key_is_copied()
    {
        using var run = new OpRun(Device, DType.F32);
        Forward(run, 2, 3, 1, 2, 4, false);
        float[] v = run.Read("v"), y = run.Read("y");
        for (int i = 0; i < y.Length; i++) Assert.Equal(v[i / 24 * 8 + i % 8], y[i], 1e-6f);
    }

    /// <summary>Scores of a thousand overflow exp unless the largest is taken off first.</summary>
    [Fact]
    public void Large_scores_do_not_overflow()
    {
        using var run = new OpRun(Device, DType.F32);
        var q = run.Values("q", DType.F32, [100, 0, 0, 0], 1, 1, 4);
        var k = run.Values("k", DType.F32, [20, 0, 0, 0, -20, 0, 0, 0], 1, 2, 4);
        var v = run.Values("v", DType.F32, [1, 2, 3, 4, 5, 6, 7, 8], 1, 2, 4);
        run.Ops.AttentionForward(q, k, v, 1, false, run.Output("y", 1, 1, 4), run.Output("logSumExp", DType.F32, 1, 1, 1));
        Assert.Equal([1f, 2, 3, 4], run.Read("y"));
        Assert.Equal([1000f], run.Read("logSumExp"));
    }

    /// <summary>The same wherever the largest one stands among keys of several tiles.</summary>
    [Fact]
    public void A_large_score_is_found_at_every_place()
    {
        const int Keys = 70, Size = 8;
        foreach (var type in Types)
            for (int place = 0; place < Keys; place++)
            {
                using var run = new OpRun(Device, type);
                float[] keys = new float[Keys * Size];
                for (int key = 0; key < Keys; key++) keys[key * Size] = key == place ? 16 : -16;
                var q = run.Values("q", type, [64, 0, 0, 0, 0, 0, 0, 0], 1, 1, Size);
                run.Ops.AttentionForward(q, run.Values("k", type, keys, 1, Keys, Size), run.Input("v", 1, Keys, Size), 1, false, run.Output("y", 1, 1, Size), run.Output("logSumExp", DType.F32, 1, 1, 1));
                Assert.Equal(run.Read("v")[(place * Size)..((place + 1) * Size)], run.Read("y"));
                Assert.Equal(64 * 16 / Math.Sqrt(Size), run.Read("logSumExp")[0], 1e-4);
            }
    }

    [Fact]
    public void A_causal_query_does_not_see_later_keys()
    {
        float[] First(string later)
        {
            using var run = new OpRun(Device, DType.F32);
            var k = run.Values("k", DType.F32, [.. run.Normal("k", 5 * 4), .. run.Normal(later, 4 * 4)], 1, 9, 4);
            run.Ops.AttentionForward(run.Input("q", 1, 9, 4), k, k, 2, true, run.Output("y", 1, 9, 4), run.Output("logSumExp", DType.F32, 1, 2, 9));
            return run.Read("y")[..(5 * 4)];
        }
        Assert.Equal(First("these"), First("those"));
    }

    internal static void Forward(OpRun run, int batch, int queries, int keys, int heads, int size, bool causal) =>
        run.Ops.AttentionForward(run.Input("q", batch, queries, heads * size), run.Input("k", batch, keys, heads * size), run.Input("v", batch, keys, heads * size), heads, causal,
            run.Output("y", batch, queries, heads * size), run.Output("logSumExp", DType.F32, batch, heads, queries));

    /// <summary>Either after Forward, or alone with y and logSumExp of the reference, so that devices get the same inputs.</summary>
    internal static void Backward(OpRun run, int batch, int queries, int keys, int heads, int size, bool causal, int wanted, bool ofForward)
    {
        Tensor q = run.Input("q", batch, queries, heads * size), k = run.Input("k", batch, keys, heads * size), v = run.Input("v", batch, keys, heads * size);
        if (!ofForward)
        {
            using var reference = new CpuOps();
            using var before = new OpRun(reference, run.Type);
            Forward(before, batch, queries, keys, heads, size, causal);
            run.Values("y", run.Type, before.Read("y"), batch, queries, heads * size);
            run.Values("logSumExp", DType.F32, before.Read("logSumExp"), batch, heads, queries);
        }
        run.Ops.AttentionBackward(q, k, v, run["y"], run["logSumExp"], run.Input("dY", batch, queries, heads * size), heads, causal,
            (wanted & 1) != 0 ? run.Output("dQ", batch, queries, heads * size) : default,
            (wanted & 2) != 0 ? run.Output("dK", batch, keys, heads * size) : default,
            (wanted & 4) != 0 ? run.Output("dV", batch, keys, heads * size) : default);
    }
}
