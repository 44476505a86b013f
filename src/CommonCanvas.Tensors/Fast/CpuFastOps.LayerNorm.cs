using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Layer normalisation, row by row.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    struct LayerNormJob
    {
        public float* X, Gamma, Beta, DY, Residual, Y, Mean, Rstd, DGamma, DBeta;
        public float* Partial; // [pieces of rows][2][channels]
        public double* Totals; // [2][channels]
        public nint Rows, Channels;
        public float Epsilon;
        public bool AccumulateGamma, AccumulateBeta;

        public readonly nint Pieces => (Rows + Piece - 1) / Piece;
    }

    public override void LayerNormForward(Tensor x, Tensor gamma, Tensor beta, float eps, Tensor y, Tensor mean, Tensor rstd)
    {
        OpChecks.LayerNormForward(x, gamma, beta, y, mean, rstd);
        var job = new LayerNormJob
        {
            X = Wide(x, Scratch.Slot.WideX), Gamma = Wide(gamma, Scratch.Slot.Small), Beta = Wide(beta, Scratch.Slot.Sums), Y = Result(y, Scratch.Slot.WideDY),
            Mean = (float*)mean.Data, Rstd = (float*)rstd.Data, Rows = (nint)x.Rows, Channels = x.Channels, Epsilon = eps,
        };
        Team.Run(&LayerNormRun, &job);
        StoreResult(job.Y, y);
    }

    public override void LayerNormBackward(Tensor x, Tensor gamma, Tensor mean, Tensor rstd, Tensor dY, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta)
    {
        OpChecks.LayerNormBackward(x, gamma, mean, rstd, dY, residual, dX, dGamma, dBeta);
        var job = new LayerNormJob
        {
            X = Wide(x, Scratch.Slot.WideX), Gamma = Wide(gamma, Scratch.Slot.Small), DY = Wide(dY, Scratch.Slot.WideDY), Residual = Wide(residual, Scratch.Slot.WideResidual), Y = Result(dX, Scratch.Slot.WideWeight),
            Mean = (float*)mean.Data, Rstd = (float*)rstd.Data, Rows = (nint)x.Rows, Channels = x.Channels,
            DGamma = (float*)dGamma.Tensor.Data, DBeta = (float*)dBeta.Tensor.Data, AccumulateGamma = dGamma.Accumulate, AccumulateBeta = dBeta.Accumulate,
        };
        job.Partial = (float*)scratch.Get(Scratch.Slot.Partial, job.Pieces * 2 * job.Channels * sizeof(float));
        job.Totals = (double*)scratch.Get(Scratch.Slot.Sums, 2 * job.Channels * sizeof(double));
        Team.Run(&LayerNormBackwardRun, &job);
        StoreResult(job.Y, dX);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void LayerNormRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(LayerNormJob*)argument;
        nint channels = job.Channels, whole = channels / S.Width * S.Width;
        var (first, last) = team.Share(job.Rows, thread);
        for (nint r = first; r < last; r++)
        {
            float* x = job.X + r * channels, y = job.Y + r * channels;
            TV sums = S.Zero, squares = S.Zero;
            for (nint c = 0; c < whole; c += S.Width) sums = S.Add(sums, S.Load(x + c));
            double sum = S.Sum(sums), square = 0;
            for (nint c = whole; c < channels; c++) sum += x[c];
            float mean = (float)(sum / channels);
            TV average = S.Broadcast(mean);
            for (nint c = 0; c < whole; c += S.Width)
            {
                TV d = S.Subtract(S.Load(x + c), average);
                squares = S.Fma(d, d, squares);
            }
            square += S.Sum(squares);
            for (nint c = whole; c < channels; c++) square += (x[c] - mean) * (x[c] - mean);
            float rstd = (float)(1 / Math.Sqrt(square / channels + job.Epsilon));
            (job.Mean[r], job.Rstd[r]) = (mean, rstd);
            LayerNormApply(new Whole<TV, S>(), 0, whole, x, mean, rstd, job.Gamma, job.Beta, y);
            if (whole < channels) LayerNormApply(new Rest<TV, S>(channels - whole), whole, channels, x, mean, rstd, job.Gamma, job.Beta, y);
        }
    }

    /// <summary>Channels c0 to c1: y = (x - mean) rstd gamma + beta.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void LayerNormApply<R>(R reach, nint c0, nint c1, float* x, float mean, float rstd, float* gamma, float* beta, float* y) where R : struct, IReach<TV>
    {
        TV average = S.Broadcast(mean), scale = S.Broadcast(rstd);
        for (nint c = c0; c < c1; c += S.Width) reach.Store(S.Fma(S.Multiply(S.Subtract(reach.Load(x + c), average), scale), reach.Load(gamma + c), reach.Load(beta + c)), y + c);
    }

    static void LayerNormBackwardRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(LayerNormJob*)argument;
        nint channels = job.Channels, pieces = job.Pieces;
        var (first, last) = team.Share(pieces, thread);
        for (nint piece = first; piece < last; piece++)
        {
            float* sums = job.Partial + piece * 2 * channels;
            new Span<float>(sums, (int)(2 * channels)).Clear();
            nint end = Math.Min(job.Rows, (piece + 1) * Piece);
            for (nint r = piece * Piece; r < end; r++)
                LayerNormSlopeRow(job.X + r * channels, job.DY + r * channels, job.Gamma, job.Mean[r], job.Rstd[r], channels, sums,
                    job.Residual == null ? null : job.Residual + r * channels, job.Y == null ? null : job.Y + r * channels);
        }
        team.Barrier();
        var (c0, c1) = team.Share(channels, thread);
        Totals(job.Partial, pieces, 2 * channels, c0, c1, job.Totals);
        Totals(job.Partial, pieces, 2 * channels, channels + c0, channels + c1, job.Totals);
        for (nint c = c0; c < c1; c++)
        {
            if (job.DGamma != null) job.DGamma[c] = Received(job.DGamma[c], job.Totals[c], job.AccumulateGamma);
            if (job.DBeta != null) job.DBeta[c] = Received(job.DBeta[c], job.Totals[channels + c], job.AccumulateBeta);
        }
    }

    /// <summary>sums += (dY n, dY);  dX = rstd (gamma dY - average of (gamma dY) - n * average of (gamma dY n)) + residual.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void LayerNormSlopeRow(float* x, float* dY, float* gamma, float mean, float rstd, nint channels, float* sums, float* residual, float* dX)
    {
        nint whole = channels / S.Width * S.Width;
        var rest = new Rest<TV, S>(channels - whole);
        float* totals = stackalloc float[2 * S.Width];
        S.Store(S.Zero, totals);
        S.Store(S.Zero, totals + S.Width);
        LayerNormSums(new Whole<TV, S>(), 0, whole, x, dY, gamma, mean, rstd, channels, sums, totals);
        if (whole < channels) LayerNormSums(rest, whole, channels, x, dY, gamma, mean, rstd, channels, sums, totals);
        if (dX == null) return;
        float a = S.Sum(S.Load(totals)) / channels, b = S.Sum(S.Load(totals + S.Width)) / channels;
        LayerNormSlope(new Whole<TV, S>(), 0, whole, x, dY, gamma, mean, rstd, a, b, residual, dX);
        if (whole < channels) LayerNormSlope(rest, whole, channels, x, dY, gamma, mean, rstd, a, b, residual, dX);
    }

    /// <summary>Channels c0 to c1: sums += (dY n, dY); totals += (gamma dY, gamma dY n), lane by lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void LayerNormSums<R>(R reach, nint c0, nint c1, float* x, float* dY, float* gamma, float mean, float rstd, nint channels, float* sums, float* totals) where R : struct, IReach<TV>
    {
        TV average = S.Broadcast(mean), scale = S.Broadcast(rstd), total = S.Load(totals), totalN = S.Load(totals + S.Width);
        for (nint c = c0; c < c1; c += S.Width)
        {
            TV slope = reach.Load(dY + c), n = S.Multiply(S.Subtract(reach.Load(x + c), average), scale), scaled = S.Multiply(slope, reach.Load(gamma + c));
            reach.Store(S.Fma(slope, n, reach.Load(sums + c)), sums + c);
            reach.Store(S.Add(slope, reach.Load(sums + channels + c)), sums + channels + c);
            (total, totalN) = (S.Add(total, scaled), S.Fma(scaled, n, totalN));
        }
        S.Store(total, totals);
        S.Store(totalN, totals + S.Width);
    }

    /// <summary>Channels c0 to c1: dX = rstd (gamma dY - a - n b) + residual.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void LayerNormSlope<R>(R reach, nint c0, nint c1, float* x, float* dY, float* gamma, float mean, float rstd, float a, float b, float* residual, float* dX) where R : struct, IReach<TV>
    {
        TV average = S.Broadcast(mean), scale = S.Broadcast(rstd), constant = S.Broadcast(a), slope = S.Broadcast(b);
        for (nint c = c0; c < c1; c += S.Width)
        {
            TV n = S.Multiply(S.Subtract(reach.Load(x + c), average), scale);
            TV centred = S.Subtract(S.Multiply(reach.Load(dY + c), reach.Load(gamma + c)), S.Fma(n, slope, constant));
            reach.Store(residual == null ? S.Multiply(scale, centred) : S.Fma(scale, centred, reach.Load(residual + c)), dX + c);
        }
    }
}
