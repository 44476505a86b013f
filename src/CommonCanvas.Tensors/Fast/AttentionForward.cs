using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// Attention in blocks of queries by keys with a running maximum and sum (FlashAttention, Dao et al. 2022, and the online
/// softmax of Milakov and Gimelshein 2018): memory grows linearly with the sequence. A unit of work is a block of queries.
/// </summary>
/// <remarks>TRIED: a very low score for keys that are not seen. An exp that underflows takes the processor's slow path: 77 causal on 77 took 1.6x.</remarks>
internal static unsafe class AttentionForward<TV, S> where TV : struct where S : struct, ILanes<TV>
{
    /// <summary>Queries of a block.</summary>
    public static int QueryBlock { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 8 * MR; }

    /// <summary>Keys of a block: whole panels, and whole tiles of outer products.</summary>
    public static int KeyBlock { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => S.Width == 16 ? 224 : 96; }

    static int NR => MicroKernels<TV, S>.Columns;
    static int MR => MicroKernels<TV, S>.RowTile;

    /// <summary>Floats in panels of NR: <paramref name="length"/> rows of <paramref name="columns"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Panels(nint length, nint columns) => (columns + NR - 1) / NR * NR * length;

    /// <summary>Bytes of a thread's working memory.</summary>
    public static nint ThreadBytes(in AttentionJob job) => sizeof(float) *
        (Panels(job.Size, job.Keys) + Panels(job.Keys, job.Size) + QueryBlock * KeyBlock + QueryBlock * (Panels(1, job.Size) + 3) + MR * NR + 64);

    /// <summary>The job of each thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(AttentionJob*)argument;
        nint blocks = (job.Queries + QueryBlock - 1) / QueryBlock, packed = -1, wide = Panels(1, job.Size);
        float* keys = (float*)(job.Threads + thread * job.Apart), values = keys + Panels(job.Size, job.Keys);
        float* scores = values + Panels(job.Keys, job.Size), sums = scores + QueryBlock * KeyBlock;
        float* highest = sums + QueryBlock * wide, totals = highest + QueryBlock, tile = totals + 2 * QueryBlock;
        float** rows = stackalloc float*[QueryBlock];
        var (first, last) = team.Share(job.Batch * job.Heads * blocks, thread);
        for (nint unit = first; unit < last; unit++)
        {
            nint head = unit / blocks, q0 = unit % blocks * QueryBlock, queries = Math.Min(QueryBlock, job.Queries - q0);
            if (head != packed)
            {
                nint start = job.KeyStart(head, job.KeyPitch);
                Transposed(job.K + start, job.KeyPitch, job.Keys, job.Size, keys);
                Straight(job.V + start, job.KeyPitch, job.Keys, job.Size, values);
                packed = head;
            }
            float* q = job.Q + job.QueryStart(head, job.QueryPitch) + q0 * job.QueryPitch;
            for (nint r = 0; r < queries; r++) (highest[r], totals[r]) = (float.NegativeInfinity, 0);
            NativeMemory.Clear(sums, (nuint)(QueryBlock * wide) * sizeof(float));
            nint seen = job.Causal ? q0 + queries : job.Keys;
            for (nint k0 = 0; k0 < seen; k0 += KeyBlock)
            {
                nint count = Math.Min(KeyBlock, seen - k0);
                for (nint r = 0; r < QueryBlock; r++) rows[r] = r < queries ? q + r * job.QueryPitch : job.Zeros;
                Scores(rows, queries, job.Size, keys + k0 * job.Size, count, scores, tile);
                Softmax(job, q0, queries, k0, count, scores, highest, totals, sums, wide);
                for (nint r = 0; r < QueryBlock; r++) rows[r] = scores + r * KeyBlock;
                Accumulate(rows, queries, count, values + k0 * NR, job.Keys, wide, sums, tile);
            }
            float* y = job.Y + job.QueryStart(head, job.ResultPitch) + q0 * job.ResultPitch, lse = job.LogSumExp + head * job.Queries + q0;
            for (nint r = 0; r < queries; r++, y += job.ResultPitch)
            {
                Scaled(sums + r * wide, 1 / totals[r], job.Size, y);
                lse[r] = highest[r] * job.Scale + MathF.Log(totals[r]);
            }
        }
    }

    /// <summary>to = from * factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Scaled(float* from, float factor, nint count, float* to)
    {
        TV by = S.Broadcast(factor);
        nint i = 0;
        for (; i + S.Width <= count; i += S.Width) S.Store(S.Multiply(S.Load(from + i), by), to + i);
        for (; i < count; i++) to[i] = from[i] * factor;
    }

    /// <summary>Panels [k of a head][NR tokens], one after another: tokens are columns.</summary>
    public static void Transposed(float* from, nint stride, nint tokens, nint size, float* panels)
    {
        for (nint t = 0; t < tokens; t += NR) Packing<TV, S>.Transposed(from + t * stride, stride, Math.Min(NR, tokens - t), size, panels + t * size);
    }

    /// <summary>Panels [tokens][NR values of a head], one after another: tokens are rows.</summary>
    public static void Straight(float* from, nint stride, nint tokens, nint size, float* panels)
    {
        for (nint d = 0; d < size; d += NR) Packing<TV, S>.Straight(from + d, stride, Math.Min(NR, size - d), tokens, panels + d * tokens);
    }

    /// <summary>to[r, c] = rows[r] . column c; rows of <paramref name="to"/> are KeyBlock apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scores(float** rows, nint queries, nint size, float* panels, nint count, float* to, float* tile)
    {
        for (nint c = 0; c < count; c += NR, panels += NR * size)
            for (nint r0 = 0; r0 < queries; r0 += MR)
            {
                MicroKernels<TV, S>.Rows(1, rows + r0, size, panels, tile);
                float* from = tile, target = to + r0 * KeyBlock + c;
                for (int r = 0; r < MR; r++, from += NR, target += KeyBlock)
                {
                    S.Store(S.Load(from), target);
                    S.Store(S.Load(from + S.Width), target + S.Width);
                }
            }
    }

    /// <summary>to[r, d] += the sum over k of rows[r][k] values[k, d].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Accumulate(float** rows, nint queries, nint count, float* values, nint tokens, nint wide, float* to, float* tile)
    {
        for (nint d = 0; d < wide; d += NR, values += NR * tokens)
            for (nint r0 = 0; r0 < queries; r0 += MR)
            {
                MicroKernels<TV, S>.Rows(1, rows + r0, count, values, tile);
                float* from = tile, target = to + r0 * wide + d;
                for (int r = 0; r < MR; r++, from += NR, target += wide)
                {
                    S.Store(S.Add(S.Load(target), S.Load(from)), target);
                    S.Store(S.Add(S.Load(target + S.Width), S.Load(from + S.Width)), target + S.Width);
                }
            }
    }

    /// <summary>How many of a block's keys a query sees: causality hides those after it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Seen(in AttentionJob job, nint query, nint k0, nint count) => job.Causal ? Math.Clamp(query + 1 - k0, 0, count) : count;

    /// <summary>Scores become exp(scale (score - highest)); what was summed under a lower maximum is scaled down.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Softmax(in AttentionJob job, nint q0, nint queries, nint k0, nint count, float* scores, float* highest, float* totals, float* sums, nint wide)
    {
        TV factor = S.Broadcast(job.Scale), lowest = S.Broadcast(float.NegativeInfinity);
        for (nint r = 0; r < queries; r++, scores += KeyBlock, sums += wide)
        {
            nint seen = Seen(job, q0 + r, k0, count), whole = seen / S.Width * S.Width;
            if (seen < count) NativeMemory.Clear(scores + seen, (nuint)(count - seen) * sizeof(float));
            if (seen == 0) continue;
            TV there = S.Broadcast(seen - whole), max = lowest;
            for (nint c = 0; c < whole; c += S.Width) max = S.Max(max, S.Load(scores + c));
            if (whole < seen) max = S.Max(max, S.SelectLess(S.Indices, there, S.Load(scores + whole), lowest));
            float before = highest[r], most = MathF.Max(before, S.MaxAcross(max));
            TV down = S.Broadcast(-most * job.Scale), total = S.Zero;
            for (nint c = 0; c < whole; c += S.Width)
            {
                TV p = VectorMath<TV, S>.Exp(S.Fma(S.Load(scores + c), factor, down));
                S.Store(p, scores + c);
                total = S.Add(total, p);
            }
            if (whole < seen)
            {
                TV p = S.SelectLess(S.Indices, there, VectorMath<TV, S>.Exp(S.Fma(S.Load(scores + whole), factor, down)), S.Zero);
                S.Store(p, scores + whole);
                total = S.Add(total, p);
            }
            bool first = k0 == 0, same = before == most;
            float fade = first ? 0 : same ? 1 : MathF.Exp((before - most) * job.Scale);
            (highest[r], totals[r]) = (most, totals[r] * fade + S.Sum(total));
            if (first || same) continue;
            TV fading = S.Broadcast(fade);
            for (nint d = 0; d < wide; d += S.Width) S.Store(S.Multiply(S.Load(sums + d), fading), sums + d);
        }
    }
}
