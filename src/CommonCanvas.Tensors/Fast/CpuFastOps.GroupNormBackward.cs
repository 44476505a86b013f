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
        for (nint unit = first; unit < last; unit++)
        {
            job.Unit(unit, out nint sample, out nint start, out nint pixels);
            SlopeSums(job.X + start, job.DY + start, job.Channel + sample * 4 * channels, job.Gamma, job.Beta, pixels, channels, job.Silu, job.Partial + unit * 2 * channels);
        }
        team.Barrier();

        for (nint g = group0; g < group1; g++) GroupSlopes(ref job, g);
        if (job.Y == null) return;
        team.Barrier();
        for (nint unit = first; unit < last; unit++)
        {
            job.Unit(unit, out nint sample, out nint start, out nint pixels);
            SlopeApply(job.X + start, job.DY + start, job.Channel + sample * 4 * channels, job.Gamma, job.Beta, pixels, channels, job.Silu, job.Residual == null ? null : job.Residual + start, job.Y + start);
        }
    }

    /// <summary>dGamma, dBeta of a group's channels, and rstd times the averages that the second pass subtracts.</summary>
    static void GroupSlopes(ref GroupNormJob job, nint g)
    {
        nint channels = job.Channels, size = job.Size;
        for (nint b = 0; b < job.Samples; b++)
        {
            float* partial = job.Partial + b * job.Pieces * 2 * channels, channel = job.Channel + b * 4 * channels;
            double sum = 0, sumN = 0;
            for (nint c = g * size; c < (g + 1) * size; c++)
            {
                sum += job.Gamma[c] * Total(partial, c, channels, job.Pieces);
                sumN += job.Gamma[c] * Total(partial + channels, c, channels, job.Pieces);
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
                float* partial = job.Partial + b * job.Pieces * 2 * channels;
                beta += Total(partial, c, channels, job.Pieces);
                gamma += Total(partial + channels, c, channels, job.Pieces);
            }
            if (job.DBeta != null) job.DBeta[c] = Received(job.DBeta[c], beta, job.AccumulateBeta);
            if (job.DGamma != null) job.DGamma[c] = Received(job.DGamma[c], gamma, job.AccumulateGamma);
        }
    }

    /// <summary>sums[c] = sum of dU, sums[channels + c] = sum of dU n.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void SlopeSums(float* x, float* dY, float* channel, float* gamma, float* beta, nint pixels, nint channels, bool silu, float* sums)
    {
        for (nint c = 0; c < channels; c += S.Width)
        {
            nint there = channels - c;
            bool full = there >= S.Width;
            TV mean = Lanes(channel + c, there), rstd = Lanes(channel + channels + c, there), g = Lanes(gamma + c, there), h = Lanes(beta + c, there);
            TV s = S.Zero, q = S.Zero;
            for (nint r = 0; r < pixels; r++)
            {
                nint at = r * channels + c;
                TV value = full ? S.Load(x + at) : Part.Load<TV, S>(x + at, there), slope = full ? S.Load(dY + at) : Part.Load<TV, S>(dY + at, there);
                TV n = S.Multiply(S.Subtract(value, mean), rstd);
                if (silu) slope = S.Multiply(slope, VectorMath<TV, S>.SiluSlope(S.Fma(n, g, h)));
                s = S.Add(s, slope);
                q = S.Fma(slope, n, q);
            }
            StoreLanes(s, sums + c, there);
            StoreLanes(q, sums + channels + c, there);
        }
    }

    /// <summary>dX = rstd gamma dU - a - n b + residual.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void SlopeApply(float* x, float* dY, float* channel, float* gamma, float* beta, nint pixels, nint channels, bool silu, float* residual, float* dX)
    {
        for (nint r = 0; r < pixels; r++, x += channels, dY += channels, dX += channels)
            for (nint c = 0; c < channels; c += S.Width)
            {
                nint there = channels - c;
                TV rstd = Lanes(channel + channels + c, there), g = Lanes(gamma + c, there), slope = Lanes(dY + c, there);
                TV n = S.Multiply(S.Subtract(Lanes(x + c, there), Lanes(channel + c, there)), rstd);
                if (silu) slope = S.Multiply(slope, VectorMath<TV, S>.SiluSlope(S.Fma(n, g, Lanes(beta + c, there))));
                TV result = S.Fma(S.Multiply(rstd, g), slope, S.Subtract(S.Zero, S.Fma(n, Lanes(channel + 3 * channels + c, there), Lanes(channel + 2 * channels + c, there))));
                StoreLanes(residual == null ? result : S.Add(result, Lanes(residual + r * channels + c, there)), dX + c, there);
            }
    }

    /// <summary>A vector, or what there is of one at the end of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static TV Lanes(float* p, nint there) => there >= S.Width ? S.Load(p) : Part.Load<TV, S>(p, there);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void StoreLanes(TV v, float* p, nint there)
    {
        if (there >= S.Width) S.Store(v, p);
        else Part.Store<TV, S>(v, p, there);
    }
}
