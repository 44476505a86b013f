using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// The gradient of group normalisation, in two passes: with n = (x - mean) rstd and dU = dY silu'(gamma n + beta),
/// dX = rstd gamma dU - rstd average(gamma dU) - n rstd average(gamma dU n) + residual, averages over the group.
/// </summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    static void GroupNormBackwardRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(GroupNormJob*)argument;
        nint channels = job.Channels, size = job.Size;

        // the mean and rstd of each channel, then the sums of dU and dU n over each piece
        var (group0, group1) = team.Share(job.Groups, thread);
        for (nint g = group0; g < group1; g++)
            for (nint b = 0; b < job.Samples; b++)
                for (nint c = g * size; c < (g + 1) * size; c++)
                {
                    float* channel = job.Channel + b * 4 * channels;
                    channel[c] = job.Mean[b * job.Groups + g];
                    channel[channels + c] = job.Rstd[b * job.Groups + g];
                }
        team.Barrier();
        var (first, last) = team.Share(job.Samples * job.Pieces, thread);
        bool keep = job.Silu && job.Y != null && job.Residual != job.Y; // dX holds dU between the passes, unless it holds the residual
        for (nint unit = first; unit < last; unit++)
        {
            job.Unit(unit, out nint sample, out nint start, out nint pixels);
            SlopeSums(job.X + start, job.DY + start, job.Channel + sample * 4 * channels, job.Gamma, job.Beta, pixels, channels, job.Silu, keep ? job.Y + start : null, job.Partial + unit * 2 * channels);
        }
        team.Barrier();
        SampleTotals(team, thread, job);
        team.Barrier();

        for (nint g = group0; g < group1; g++) GroupSlopes(ref job, g);
        if (job.Y == null) return;
        team.Barrier();
        for (nint unit = first; unit < last; unit++)
        {
            job.Unit(unit, out nint sample, out nint start, out nint pixels);
            SlopeApply(job.X + start, (keep ? job.Y : job.DY) + start, job.Channel + sample * 4 * channels, job.Gamma, job.Beta, pixels, channels, job.Silu && !keep, job.Residual == null ? null : job.Residual + start, job.Y + start);
        }
    }

    /// <summary>dGamma, dBeta of a group's channels, and rstd times the averages that the second pass subtracts.</summary>
    static void GroupSlopes(ref GroupNormJob job, nint g)
    {
        nint channels = job.Channels, size = job.Size;
        for (nint b = 0; b < job.Samples; b++)
        {
            float* channel = job.Channel + b * 4 * channels;
            double* sums = job.Totals + b * 2 * channels;
            double sum = 0, sumN = 0;
            for (nint c = g * size; c < (g + 1) * size; c++)
            {
                sum += job.Gamma[c] * sums[c];
                sumN += job.Gamma[c] * sums[channels + c];
            }
            double rstd = job.Rstd[b * job.Groups + g], count = (double)size * job.Pixels;
            for (nint c = g * size; c < (g + 1) * size; c++)
            {
                channel[2 * channels + c] = (float)(rstd * sum / count);
                channel[3 * channels + c] = (float)(rstd * sumN / count);
            }
        }
        for (nint c = g * size; c < (g + 1) * size; c++)
        {
            double gamma = 0, beta = 0;
            for (nint b = 0; b < job.Samples; b++)
            {
                double* sums = job.Totals + b * 2 * channels;
                (beta, gamma) = (beta + sums[c], gamma + sums[channels + c]);
            }
            if (job.DBeta != null) job.DBeta[c] = Received(job.DBeta[c], beta, job.AccumulateBeta);
            if (job.DGamma != null) job.DGamma[c] = Received(job.DGamma[c], gamma, job.AccumulateGamma);
        }
    }

    /// <summary>sums[c] = sum of dU, sums[channels + c] = sum of dU n; <paramref name="kept"/>, where it is wanted, = dU.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void SlopeSums(float* x, float* dY, float* channel, float* gamma, float* beta, nint pixels, nint channels, bool silu, float* kept, float* sums)
    {
        nint whole = channels / S.Width * S.Width;
        new Span<float>(sums, (int)(2 * channels)).Clear();
        // a few rows at a time, for memory gives rows faster than columns
        for (nint r = 0; r < pixels; r += Short, x += Short * channels, dY += Short * channels)
        {
            nint rows = Math.Min(Short, pixels - r);
            SlopeSums(new Whole<TV, S>(), 0, whole, x, dY, channel, gamma, beta, rows, channels, silu, kept, sums);
            if (whole < channels) SlopeSums(new Rest<TV, S>(channels - whole), whole, channels, x, dY, channel, gamma, beta, rows, channels, silu, kept, sums);
            if (kept != null) kept += Short * channels;
        }
    }

    /// <summary>Adds a few rows' values at channels c0 to c1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void SlopeSums<R>(R reach, nint c0, nint c1, float* x, float* dY, float* channel, float* gamma, float* beta, nint rows, nint channels, bool silu, float* kept, float* sums) where R : struct, IReach<TV>
    {
        for (nint c = c0; c < c1; c += S.Width)
        {
            TV mean = reach.Load(channel + c), rstd = reach.Load(channel + channels + c), g = reach.Load(gamma + c), h = reach.Load(beta + c);
            TV s = reach.Load(sums + c), q = reach.Load(sums + channels + c);
            for (nint r = 0, at = c; r < rows; r++, at += channels)
            {
                TV n = S.Multiply(S.Subtract(reach.Load(x + at), mean), rstd), slope = reach.Load(dY + at);
                if (silu) slope = S.Multiply(slope, VectorMath<TV, S>.SiluSlope(S.Fma(n, g, h)));
                if (kept != null) reach.Store(slope, kept + at);
                (s, q) = (S.Add(s, slope), S.Fma(slope, n, q));
            }
            reach.Store(s, sums + c);
            reach.Store(q, sums + channels + c);
        }
    }

    /// <summary>dX = rstd gamma dU - a - n b + residual.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void SlopeApply(float* x, float* dY, float* channel, float* gamma, float* beta, nint pixels, nint channels, bool silu, float* residual, float* dX)
    {
        nint whole = channels / S.Width * S.Width;
        for (nint at = 0; at < pixels * channels; at += channels)
        {
            float* add = residual == null ? null : residual + at;
            SlopeApply(new Whole<TV, S>(), 0, whole, x + at, dY + at, channel, gamma, beta, channels, silu, add, dX + at);
            if (whole < channels) SlopeApply(new Rest<TV, S>(channels - whole), whole, channels, x + at, dY + at, channel, gamma, beta, channels, silu, add, dX + at);
        }
    }

    /// <summary>Channels c0 to c1 of a pixel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void SlopeApply<R>(R reach, nint c0, nint c1, float* x, float* dY, float* channel, float* gamma, float* beta, nint channels, bool silu, float* residual, float* dX) where R : struct, IReach<TV>
    {
        float* deviations = channel + channels, constants = channel + 2 * channels, slopes = channel + 3 * channels;
        for (nint c = c0; c < c1; c += S.Width)
        {
            TV rstd = reach.Load(deviations + c), g = reach.Load(gamma + c), slope = reach.Load(dY + c);
            TV n = S.Multiply(S.Subtract(reach.Load(x + c), reach.Load(channel + c)), rstd);
            if (silu) slope = S.Multiply(slope, VectorMath<TV, S>.SiluSlope(S.Fma(n, g, reach.Load(beta + c))));
            TV result = S.Fma(S.Multiply(rstd, g), slope, S.Subtract(S.Zero, S.Fma(n, reach.Load(slopes + c), reach.Load(constants + c))));
            reach.Store(residual == null ? result : S.Add(result, reach.Load(residual + c)), dX + c);
        }
    }
}
