using System.Runtime.InteropServices;

namespace CommonCanvas.Tensors.Tests;

/// <summary>Attention of columns: as models have them, and with others between them.</summary>
public abstract partial class AttentionTests
{
    /// <summary>
    /// Batch, queries, keys, heads, size of a head, causal, and how many columns stand before, between and behind those that are
    /// meant: none, as many as leave rows at multiples of 16 bytes, and others.
    /// </summary>
    public static TheoryData<int, int, int, int, int, bool, int> ColumnCases
    {
        get
        {
            var data = new TheoryData<int, int, int, int, int, bool, int>();
            foreach (int between in new[] { 0, 8, 3 })
            {
                data.Add(3, 5, 7, 2, 4, false, between);
                data.Add(2, 33, 77, 3, 8, false, between);
                data.Add(2, 19, 19, 2, 16, true, between);
                data.Add(1, 70, 70, 2, 40, false, between);
                data.Add(1, 66, 10, 1, 64, false, between);
                data.Add(1, 9, 33, 1, 96, false, between);
                data.Add(1, 20, 20, 1, 200, true, between);
            }
            return data;
        }
    }

    /// <summary>
    /// Columns give the same bits as tensors of their own. Between the inputs' columns stands not-a-number, which would show in the
    /// results if it were read; what stands between those of the results is there afterwards.
    /// </summary>
    [Theory, MemberData(nameof(ColumnCases))]
    public void Columns_are_read_and_written_in_their_place(int batch, int queries, int keys, int heads, int size, bool causal, int between)
    {
        int width = heads * size;
        string[] joined = queries == keys ? ["q", "k", "v"] : ["k", "v"]; // in one tensor
        foreach (var type in Types)
            foreach (var device in Variants)
                foreach (int wanted in between == 0 ? new[] { 7 } : [7, 1, 2, 4])
                {
                    using OpRun own = new(device, type), run = new(device, type);
                    Forward(own, batch, queries, keys, heads, size, causal);
                    Backward(own, batch, queries, keys, heads, size, causal, wanted, ofForward: true);

                    Columns q = Input("q"), k = Input("k"), v = Input("v");
                    Tensor y = run.Output("y", batch, queries, width), logSumExp = run.Output("logSumExp", DType.F32, batch, heads, queries);
                    device.AttentionForward(q, k, v, heads, causal, y, logSumExp);
                    Columns dQ = Result("q", 1), dK = Result("k", 2), dV = Result("v", 4);
                    device.AttentionBackward(q, k, v, y, logSumExp, run.Input("dY", batch, queries, width), heads, causal, dQ, dK, dV);

                    foreach (string name in new[] { "y", "logSumExp" }) Assert.Equal(own.Bits(name), run.Bits(name));
                    foreach (var (name, columns) in new[] { ("dQ", dQ), ("dK", dK), ("dV", dV) })
                        if (!columns.IsNone) Assert.Equal(own.Bits(name), Bits(Part(run.Read(NameOf(columns)), columns)));
                    foreach (string name in new[] { "slopes", "slopes of queries" }.Where(run.Has))
                    {
                        float[] before = run.Initial(name), after = run.Read(name);
                        foreach (var columns in new[] { dQ, dK, dV })
                            if (columns.Tensor == run[name]) SetPart(after, columns, Part(before, columns));
                        Assert.Equal(Bits(before), Bits(after));
                    }

                    Columns Input(string role)
                    {
                        var columns = Place(role, "inputs", between, count => [.. Enumerable.Repeat(float.NaN, count)]);
                        run.Change(NameOf(columns), values => SetPart(values, columns, own.Read(role)));
                        return columns;
                    }

                    Columns Result(string role, int bit)
                    {
                        if ((wanted & bit) == 0) return default;
                        var columns = Place(role, "slopes", between == 8 ? 16 : between, count => run.Normal("others", count));
                        run.Change(NameOf(columns), values => SetPart(values, columns, [.. Enumerable.Repeat(float.NaN, (int)columns.Count)]));
                        return columns;
                    }

                    Columns Place(string role, string kind, int apart, Func<int, float[]> values)
                    {
                        bool together = joined.Contains(role);
                        int place = together ? Array.IndexOf(joined, role) : 0, pitch = (together ? joined.Length : 1) * (width + apart) + apart;
                        int tokens = role == "q" ? queries : keys;
                        var tensor = run.Values(together ? kind : $"{kind} of queries", type, values(batch * tokens * pitch), batch, tokens, pitch);
                        return new Columns(tensor, apart + place * (width + apart), width);
                    }

                    string NameOf(Columns columns) =>
                        new[] { "inputs", "slopes", "inputs of queries", "slopes of queries" }.Single(name => run.Has(name) && run[name] == columns.Tensor);
                }
    }

    /// <summary>Columns that models have: of a self-attention all of one product, of a cross-attention keys and values of one.</summary>
    [Theory, InlineData(9, 9, false), InlineData(12, 12, true), InlineData(7, 10, false)]
    public void Backward_over_columns_is_the_slope_of_Forward(int queries, int keys, bool causal)
    {
        const int Batch = 2, Heads = 2, Size = 8, Width = Heads * Size;
        bool self = queries == keys;

        (Columns Q, Columns K, Columns V) Split(Tensor all, Tensor q) => self
            ? (new(all, 0, Width), new(all, Width, Width), new(all, 2 * Width, Width))
            : (q, new(all, 0, Width), new(all, Width, Width));
        int pitch = (self ? 3 : 2) * Width;

        (Columns Q, Columns K, Columns V) Inputs(OpRun run) => Split(run.Input("columns", Batch, keys, pitch), self ? default : run.Input("queries", Batch, queries, Width));
        Gradient(
            run =>
            {
                var (q, k, v) = Inputs(run);
                run.Ops.AttentionForward(q, k, v, Heads, causal, run.Output("y", Batch, queries, Width), run.Output("logSumExp", DType.F32, Batch, Heads, queries));
            },
            run =>
            {
                var (q, k, v) = Inputs(run);
                var (dQ, dK, dV) = Split(run.Output("dColumns", Batch, keys, pitch), self ? default : run.Output("dQueries", Batch, queries, Width));
                run.Ops.AttentionBackward(q, k, v, run["y"], run["logSumExp"], run.Input("dY", Batch, queries, Width), Heads, causal, dQ, dK, dV);
            });
    }

    static float[] Part(float[] values, Columns columns) =>
        [.. Enumerable.Range(0, (int)columns.Rows).SelectMany(row => values.AsSpan(row * columns.Pitch + columns.First, columns.Width).ToArray())];

    static void SetPart(float[] values, Columns columns, float[] part)
    {
        for (int row = 0; row < columns.Rows; row++)
            part.AsSpan(row * columns.Width, columns.Width).CopyTo(values.AsSpan(row * columns.Pitch + columns.First));
    }

    static byte[] Bits(float[] values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
}
