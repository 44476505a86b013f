using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// The gradients of attention: probabilities are computed again from the log-sum-exp, block by block. A unit of work is a
/// head of a sample, so that dK, dV and dQ are each summed by one thread, in order.
/// </summary>
internal static unsafe class AttentionBackward<TV, S> where TV : struct where S : struct, ILanes<TV>
{
    static int NR => MicroKernels<TV, S>.Columns;
    static int MR => MicroKernels<TV, S>.RowTile;
    static int OuterRows => MicroKernels<TV, S>.OuterTile;
    static int QueryBlock => AttentionForward<TV, S>.QueryBlock;
    static int KeyBlock => AttentionForward<TV, S>.KeyBlock;

    static nint Panels(nint length, nint columns) => AttentionForward<TV, S>.Panels(length, columns);

    /// <summary>Bytes of a thread's working memory.</summary>
    public static nint ThreadBytes(in AttentionJob job) => sizeof(float) *
        (2 * Panels(job.Size, job.Keys) + Panels(job.Keys, job.Size) + 2 * Panels(job.Queries, job.Size)
        + (job.Queries + QueryBlock) * Panels(1, job.Size) + job.Queries + 2 * (QueryBlock + 1) * KeyBlock + 2 * KeyBlock * Panels(1, job.Size) + OuterRows * NR + 256);

    /// <summary>The job of each thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(AttentionJob*)argument;
        nint size = job.Size, wide = Panels(1, size);
        float* keysT = (float*)(job.Threads + thread * job.Apart), valuesT = keysT + Panels(size, job.Keys), keys = valuesT + Panels(size, job.Keys);
        float* queries = keys + Panels(job.Keys, size), slopes = queries + Panels(job.Queries, size);
        float* dQ = slopes + Panels(job.Queries, size), p = dQ + (job.Queries + QueryBlock) * wide, dS = p + (QueryBlock + 1) * KeyBlock;
        float* dK = dS + (QueryBlock + 1) * KeyBlock, dV = dK + KeyBlock * wide, tile = dV + KeyBlock * wide, delta = tile + OuterRows * NR;
        float** rows = stackalloc float*[QueryBlock];
        var (first, last) = team.Share(job.Batch * job.Heads, thread);
        for (nint unit = first; unit < last; unit++)
        {
            nint keyStart = job.KeyStart(unit, job.KeyPitch), keySlopeStart = job.KeyStart(unit, job.KeySlopePitch), resultStart = job.QueryStart(unit, job.ResultPitch);
            float* q = job.Q + job.QueryStart(unit, job.QueryPitch), dY = job.DY + resultStart, y = job.Y + resultStart, lse = job.LogSumExp + unit * job.Queries;
            AttentionForward<TV, S>.Transposed(job.K + keyStart, job.KeyPitch, job.Keys, size, keysT);
            AttentionForward<TV, S>.Transposed(job.V + keyStart, job.KeyPitch, job.Keys, size, valuesT);
            AttentionForward<TV, S>.Straight(job.K + keyStart, job.KeyPitch, job.Keys, size, keys);
            AttentionForward<TV, S>.Straight(q, job.QueryPitch, job.Queries, size, queries);
            AttentionForward<TV, S>.Straight(dY, job.ResultPitch, job.Queries, size, slopes);
            Clear(dQ, (job.Queries + QueryBlock) * wide);
            for (nint i = 0; i < job.Queries; i++) delta[i] = Dot(dY + i * job.ResultPitch, y + i * job.ResultPitch, size);

            for (nint k0 = 0; k0 < job.Keys; k0 += KeyBlock)
            {
                nint count = Math.Min(KeyBlock, job.Keys - k0);
                Clear(dK, KeyBlock * wide);
                Clear(dV, KeyBlock * wide);
                for (nint q0 = job.Causal ? k0 / QueryBlock * QueryBlock : 0; q0 < job.Queries; q0 += QueryBlock)
                {
                    nint n = Math.Min(QueryBlock, job.Queries - q0);
                    for (nint r = 0; r < QueryBlock; r++) rows[r] = r < n ? q + (q0 + r) * job.QueryPitch : job.Zeros;
                    AttentionForward<TV, S>.Scores(rows, n, size, keysT + k0 * size, count, p, tile);
                    for (nint r = 0; r < QueryBlock; r++) rows[r] = r < n ? dY + (q0 + r) * job.ResultPitch : job.Zeros;
                    AttentionForward<TV, S>.Scores(rows, n, size, valuesT + k0 * size, count, dS, tile);
                    for (nint r = 0; r < n; r++) Probabilities(p + r * KeyBlock, dS + r * KeyBlock, AttentionForward<TV, S>.Seen(job, q0 + r, k0, count), count, lse[q0 + r], delta[q0 + r], job.Scale, job.ScaleRest);

                    Outer(p, n, count, slopes + q0 * NR, job.Queries, wide, dV, tile);
                    Outer(dS, n, count, queries + q0 * NR, job.Queries, wide, dK, tile);
                    for (nint r = 0; r < QueryBlock; r++) rows[r] = dS + r * KeyBlock;
                    AttentionForward<TV, S>.Accumulate(rows, n, count, keys + k0 * NR, job.Keys, wide, dQ + q0 * wide, tile);
                }
                nint at = keySlopeStart + k0 * job.KeySlopePitch;
                CopyOut(dK, wide, count, size, job.DK == null ? null : job.DK + at, job.KeySlopePitch);
                CopyOut(dV, wide, count, size, job.DV == null ? null : job.DV + at, job.KeySlopePitch);
            }
            CopyOut(dQ, wide, job.Queries, size, job.DQ == null ? null : job.DQ + job.QueryStart(unit, job.QuerySlopePitch), job.QuerySlopePitch);
        }
    }

    /// <summary>p = exp(scale p - lse); dS = p (dS - delta) scale; both zero where a key is hidden.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Probabilities(float* p, float* dS, nint seen, nint count, float lse, float delta, float scale, float scaleRest)
    {
        TV down = S.Broadcast(-lse), average = S.Broadcast(delta), factor = S.Broadcast(scale), rest = S.Broadcast(scaleRest);
        for (nint c = 0; c < seen; c += S.Width) // rows are whole vectors; what lies behind the last key is not used
        {
            TV score = S.Load(p + c), probability = VectorMath<TV, S>.Exp(S.Fma(score, factor, S.Fma(score, rest, down)));
            S.Store(probability, p + c);
            S.Store(S.Multiply(S.Multiply(probability, factor), S.Subtract(S.Load(dS + c), average)), dS + c);
        }
        if (seen == count) return;
        Clear(p + seen, count - seen);
        Clear(dS + seen, count - seen);
    }

    /// <summary>to[key, d] += the sum over the block's queries of a[query, key] b[query, d].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Outer(float* a, nint queries, nint count, float* b, nint tokens, nint wide, float* to, float* tile)
    {
        for (nint d = 0; d < wide; d += NR, b += NR * tokens)
            for (nint c = 0; c < count; c += OuterRows)
            {
                MicroKernels<TV, S>.Outer(queries, a + c, KeyBlock, b, tile);
                float* from = tile, target = to + c * wide + d;
                for (int r = 0; r < OuterRows; r++, from += NR, target += wide)
                {
                    S.Store(S.Add(S.Load(target), S.Load(from)), target);
                    S.Store(S.Add(S.Load(target + S.Width), S.Load(from + S.Width)), target + S.Width);
                }
            }
    }

    static void CopyOut(float* from, nint wide, nint tokens, nint size, float* to, nint pitch)
    {
        if (to == null) return;
        for (nint t = 0; t < tokens; t++) Buffer.MemoryCopy(from + t * wide, to + t * pitch, size * sizeof(float), size * sizeof(float));
    }

    static void Clear(float* p, nint count) => System.Runtime.InteropServices.NativeMemory.Clear(p, (nuint)count * sizeof(float));

    static float Dot(float* a, float* b, nint count)
    {
        TV sum = S.Zero;
        nint i = 0;
        for (; i + S.Width <= count; i += S.Width) sum = S.Fma(S.Load(a + i), S.Load(b + i), sum);
        float rest = 0;
        for (; i < count; i++) rest += a[i] * b[i];
        return S.Sum(sum) + rest;
    }
}
