namespace CommonCanvas.Tensors;

/// <summary>Attention.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    public override void AttentionForward(Columns q, Columns k, Columns v, int heads, bool causal, Tensor y, Tensor logSumExp)
    {
        OpChecks.AttentionForward(q, k, v, heads, causal, y, logSumExp);
        var job = Attention(q, k, v, heads, causal, logSumExp);
        job.Y = Result(y, Scratch.Slot.Partial);
        job.Threads = scratch.PerThread(Team.Threads, AttentionForward<TV, S>.ThreadBytes(job), out job.Apart);
        Team.Run(&AttentionForward<TV, S>.Run, &job);
        StoreResult(job.Y, y);
    }

    public override void AttentionBackward(Columns q, Columns k, Columns v, Tensor y, Tensor logSumExp, Tensor dY, int heads, bool causal, Columns dQ, Columns dK, Columns dV)
    {
        OpChecks.AttentionBackward(q, k, v, y, logSumExp, dY, heads, causal, dQ, dK, dV);
        var job = Attention(q, k, v, heads, causal, logSumExp);
        job.Y = Wide(y, Scratch.Slot.Partial);
        job.DY = Wide(dY, Scratch.Slot.Packed);
        job.DQ = Result(dQ, Scratch.Slot.Small);
        job.DK = Result(dK, Scratch.Slot.Sums);
        job.DV = Result(dV, Scratch.Slot.WideResult);
        (job.QuerySlopePitch, job.KeySlopePitch) = (WidePitch(dQ), WidePitch(dK.IsNone ? dV : dK));
        job.Threads = scratch.PerThread(Team.Threads, AttentionBackward<TV, S>.ThreadBytes(job), out job.Apart);
        Team.Run(&AttentionBackward<TV, S>.Run, &job);
        StoreResult(job.DQ, dQ);
        StoreResult(job.DK, dK);
        StoreResult(job.DV, dV);
    }

    AttentionJob Attention(Columns q, Columns k, Columns v, int heads, bool causal, Tensor logSumExp)
    {
        var job = new AttentionJob
        {
            Q = Wide(q, Scratch.Slot.WideX), K = Wide(k, Scratch.Slot.WideDY), V = Wide(v, Scratch.Slot.WideWeight), LogSumExp = (float*)logSumExp.Data,
            Batch = q[0], Heads = heads, Queries = q[1], Keys = k[1], Size = q.Width / heads, Causal = causal,
            QueryPitch = WidePitch(q), KeyPitch = WidePitch(k), ResultPitch = q.Width,
        };
        double scale = 1 / Math.Sqrt(job.Size);
        job.Scale = (float)scale;
        job.ScaleRest = (float)(scale - job.Scale);
        job.Zeros = scratch.Zeros(Math.Max(job.Size, AttentionForward<TV, S>.KeyBlock));
        return job;
    }
}
