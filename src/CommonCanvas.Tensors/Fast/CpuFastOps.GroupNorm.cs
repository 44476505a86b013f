using System.Numerics;
using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// Group normalisation in two passes over the image. Sums are taken for each channel over pieces of pixels, in fp32 of the
/// difference to the channel's mean over the first pixels (so that a large mean costs no digits), and put together in fp64.
/// </summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    /// <summary>Pixels of a piece, of the sums that a piece is the sum of, and of the first estimate of a mean.</summary>
    const int Piece = 64, Short = 8, PivotPixels = 16;

    struct GroupNormJob
    {
        public float* X, Gamma, Beta, DY, Residual, Y, Mean, Rstd, DGamma, DBeta;
        public float* Partial;  // [samples][pieces][2][channels]
        public double* Totals;  // [samples][2][channels]
        public float* Channel;  // [samples][4][channels]: mean, then what the second pass multiplies and adds
        public nint Samples, Pixels, Pieces, Channels, Groups;
        public float Epsilon;
        public bool Silu, AccumulateGamma, AccumulateBeta;

        public readonly nint Size => Channels / Groups;

        /// <summary>Piece <paramref name="unit"/>: its sample, first value and number of pixels.</summary>
        public readonly void Unit(nint unit, out nint sample, out nint start, out nint pixels)
        {
            sample = unit / Pieces;
            nint first = unit % Pieces * Piece;
            start = (sample * Pixels + first) * Channels;
            pixels = Math.Min(Piece, Pixels - first);
        }
    }

    public override void GroupNormForward(Tensor x, Tensor gamma, Tensor beta, int groups, float eps, bool silu, Tensor y, Tensor mean, Tensor rstd)
    {
        OpChecks.GroupNormForward(x, gamma, beta, groups, y, mean, rstd);
        var job = Prepare(x, gamma, beta, groups, silu, mean, rstd);
        job.Epsilon = eps;
        job.Y = Result(y, Scratch.Slot.WideDY);
        Team.Run(&GroupNormRun, &job);
        StoreResult(job.Y, y);
    }

    public override void GroupNormBackward(Tensor x, Tensor gamma, Tensor beta, Tensor mean, Tensor rstd, Tensor dY, int groups, bool silu, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta)
    {
        OpChecks.GroupNormBackward(x, gamma, beta, mean, rstd, dY, groups, residual, dX, dGamma, dBeta);
        var job = Prepare(x, gamma, beta, groups, silu, mean, rstd);
        job.DY = Wide(dY, Scratch.Slot.WideDY);
        job.Residual = Wide(residual, Scratch.Slot.WideResidual);
        job.Y = Result(dX, Scratch.Slot.WideWeight);
        job.DGamma = (float*)dGamma.Tensor.Data;
        job.DBeta = (float*)dBeta.Tensor.Data;
        (job.AccumulateGamma, job.AccumulateBeta) = (dGamma.Accumulate, dBeta.Accumulate);
        Team.Run(&GroupNormBackwardRun, &job);
        StoreResult(job.Y, dX);
    }

    GroupNormJob Prepare(Tensor x, Tensor gamma, Tensor beta, int groups, bool silu, Tensor mean, Tensor rstd)
    {
        var job = new GroupNormJob
        {
            X = Wide(x, Scratch.Slot.WideX), Samples = x[0], Channels = x.Channels, Groups = groups, Silu = silu,
            Mean = (float*)mean.Data, Rstd = (float*)rstd.Data,
        };
        job.Pixels = (nint)x.Rows / job.Samples;
        job.Pieces = (job.Pixels + Piece - 1) / Piece;
        nint partial = job.Samples * job.Pieces * 2 * job.Channels, channel = job.Samples * 4 * job.Channels;
        job.Partial = (float*)scratch.Get(Scratch.Slot.Partial, (partial + channel + 2 * job.Channels) * sizeof(float));
        job.Channel = job.Partial + partial;
        job.Totals = (double*)scratch.Get(Scratch.Slot.Sums, job.Samples * 2 * job.Channels * sizeof(double));
        job.Gamma = (float*)gamma.Data;
        job.Beta = (float*)beta.Data;
        if (gamma.Type != DType.F32)
        {
            job.Gamma = job.Channel + channel;
            job.Beta = job.Gamma + job.Channels;
            Packing<TV, S>.Widen((void*)gamma.Data, gamma.Type, 0, job.Channels, job.Gamma);
            Packing<TV, S>.Widen((void*)beta.Data, beta.Type, 0, job.Channels, job.Beta);
        }
        return job;
    }

    static void GroupNormRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(GroupNormJob*)argument;
        nint channels = job.Channels, size = job.Size;
        for (nint b = thread; b < job.Samples; b += team.Threads) Pivots(job.X + b * job.Pixels * channels, Math.Min(PivotPixels, job.Pixels), channels, job.Channel + (b * 4 + 3) * channels);
        team.Barrier();
        var (first, last) = team.Share(job.Samples * job.Pieces, thread);
        for (nint unit = first; unit < last; unit++)
        {
            job.Unit(unit, out nint sample, out nint start, out nint pixels);
            Moments(job.X + start, job.Channel + (sample * 4 + 3) * channels, pixels, channels, job.Partial + unit * 2 * channels);
        }
        team.Barrier();
        SampleTotals(team, thread, job);
        team.Barrier();

        // mean and variance of a group from the sums s, q over n pixels of x - p and (x - p)^2 of each channel:
        // the channel's mean is p + s / n, its sum of squares about the group's mean q - s^2 / n + n (p + s / n - mean)^2
        var (group0, group1) = team.Share(job.Samples * job.Groups, thread);
        for (nint unit = group0; unit < group1; unit++)
        {
            nint b = unit / job.Groups, c0 = unit % job.Groups * size;
            float* channel = job.Channel + b * 4 * channels, pivot = channel + 3 * channels;
            double* sums = job.Totals + b * 2 * channels;
            double total = 0, squares = 0;
            for (nint c = c0; c < c0 + size; c++) total += pivot[c] + sums[c] / job.Pixels;
            double mean = total / size;
            for (nint c = c0; c < c0 + size; c++)
            {
                double s = sums[c], q = sums[channels + c];
                double distance = pivot[c] + s / job.Pixels - mean;
                squares += q - s * s / job.Pixels + job.Pixels * distance * distance;
            }
            double rstd = 1 / Math.Sqrt(Math.Max(0, squares) / ((double)size * job.Pixels) + job.Epsilon);
            job.Mean[unit] = (float)mean;
            job.Rstd[unit] = (float)rstd;
            for (nint c = c0; c < c0 + size; c++)
            {
                channel[c] = (float)mean;
                channel[channels + c] = (float)(rstd * job.Gamma[c]);
            }
        }
        team.Barrier();

        for (nint unit = first; unit < last; unit++)
        {
            job.Unit(unit, out nint sample, out nint start, out nint pixels);
            Normalise(job.X + start, job.Channel + sample * 4 * channels, job.Beta, pixels, channels, job.Silu, job.Y + start);
        }
    }

    /// <summary>The totals of all samples, each thread a share of the columns.</summary>
    static void SampleTotals(ThreadTeam team, int thread, in GroupNormJob job)
    {
        nint columns = 2 * job.Channels;
        var (first, last) = team.Share(job.Samples * columns, thread);
        for (nint b = first / columns, start = b * columns; start < last; b++, start += columns)
            Totals(job.Partial + b * job.Pieces * columns, job.Pieces, columns, Math.Max(0, first - start), Math.Min(columns, last - start), job.Totals + start);
    }

    /// <summary>Columns c0 to c1 of partial sums [pieces][columns], added in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Totals(float* partial, nint pieces, nint columns, nint c0, nint c1, double* totals)
    {
        nint c = c0, end = pieces * columns;
        for (; c + Vector<float>.Count <= c1; c += Vector<float>.Count)
        {
            Vector<double> low = default, high = default;
            for (nint at = c; at < end; at += columns)
            {
                Vector.Widen(Vector.Load(partial + at), out var a, out var b);
                (low, high) = (low + a, high + b);
            }
            Vector.Store(low, totals + c);
            Vector.Store(high, totals + c + Vector<double>.Count);
        }
        for (; c < c1; c++)
        {
            double sum = 0;
            for (nint at = c; at < end; at += columns) sum += partial[at];
            totals[c] = sum;
        }
    }

    /// <summary>sums[c] = sum of x - pivot, sums[channels + c] = sum of its square.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Moments(float* x, float* pivot, nint pixels, nint channels, float* sums)
    {
        nint c = 0;
        for (; c + S.Width <= channels; c += S.Width)
        {
            TV p = S.Load(pivot + c), s = S.Zero, q = S.Zero;
            for (nint r0 = 0; r0 < pixels; r0 += Short)
            {
                TV s0 = S.Zero, q0 = S.Zero;
                float* from = x + r0 * channels + c;
                for (nint r = Math.Min(Short, pixels - r0); r > 0; r--, from += channels)
                {
                    TV d = S.Subtract(S.Load(from), p);
                    (s0, q0) = (S.Add(s0, d), S.Fma(d, d, q0));
                }
                (s, q) = (S.Add(s, s0), S.Add(q, q0));
            }
            S.Store(s, sums + c);
            S.Store(q, sums + channels + c);
        }
        for (; c < channels; c++)
        {
            double s = 0, q = 0;
            for (nint r = 0; r < pixels; r++)
            {
                double d = (double)x[r * channels + c] - pivot[c];
                s += d;
                q += d * d;
            }
            (sums[c], sums[channels + c]) = ((float)s, (float)q);
        }
    }

    /// <summary>The mean of each channel over the first pixels.</summary>
    static void Pivots(float* x, nint pixels, nint channels, float* pivots)
    {
        SumOfRows(x, DType.F32, 0, pixels, channels, pivots);
        for (nint c = 0; c < channels; c++) pivots[c] /= pixels;
    }

    /// <summary>y = (x - mean) scale + beta, then SiLU.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Normalise(float* x, float* channel, float* beta, nint pixels, nint channels, bool silu, float* y)
    {
        float* mean = channel, scale = channel + channels;
        for (nint r = 0; r < pixels; r++, x += channels, y += channels)
        {
            nint c = 0;
            for (; c + S.Width <= channels; c += S.Width)
            {
                TV u = S.Fma(S.Subtract(S.Load(x + c), S.Load(mean + c)), S.Load(scale + c), S.Load(beta + c));
                if (silu) u = S.Multiply(u, VectorMath<TV, S>.Sigmoid(u));
                S.Store(u, y + c);
            }
            if (c == channels) continue;
            nint n = channels - c;
            TV tail = S.Fma(S.Subtract(Part.Load<TV, S>(x + c, n), Part.Load<TV, S>(mean + c, n)), Part.Load<TV, S>(scale + c, n), Part.Load<TV, S>(beta + c, n));
            if (silu) tail = S.Multiply(tail, VectorMath<TV, S>.Sigmoid(tail));
            Part.Store<TV, S>(tail, y + c, n);
        }
    }
}
