using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Sums over rows: gradients of biases and of per-sample values.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    /// <summary>Rows whose sum is taken in fp32; the sums of such pieces are added in fp64.</summary>
    const int SumRows = 64;

    struct ColumnSumsJob
    {
        public void* X;
        public DType Type;
        public float* Partial, PerSample, Total;
        public bool Accumulate;
        public nint Samples, Rows, Columns, Pieces;
    }

    /// <summary>perSample[s, c] = and total[c] = or += the sum over r of x[s, r, c]; either may be absent.</summary>
    void ColumnSums(Tensor x, nint samples, nint rows, nint columns, float* perSample, GradientTarget total)
    {
        var job = new ColumnSumsJob { X = (void*)x.Data, Type = x.Type, Samples = samples, Rows = rows, Columns = columns, PerSample = perSample, Total = (float*)total.Tensor.Data, Accumulate = total.Accumulate, Pieces = (rows + SumRows - 1) / SumRows };
        job.Partial = (float*)scratch.Get(Scratch.Slot.Partial, samples * job.Pieces * columns * sizeof(float));
        Team.Run(&ColumnSumsRun, &job);
    }

    static void ColumnSumsRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(ColumnSumsJob*)argument;
        var (unit0, unit1) = team.Share(job.Samples * job.Pieces, thread);
        for (nint unit = unit0; unit < unit1; unit++)
        {
            nint sample = unit / job.Pieces, row = unit % job.Pieces * SumRows;
            SumOfRows(job.X, job.Type, (sample * job.Rows + row) * job.Columns, Math.Min(SumRows, job.Rows - row), job.Columns, job.Partial + unit * job.Columns);
        }
        team.Barrier();
        var (c0, c1) = team.Share(job.Columns, thread);
        for (nint c = c0; c < c1; c++)
        {
            double all = 0;
            for (nint s = 0; s < job.Samples; s++)
            {
                double sum = 0;
                for (nint piece = 0; piece < job.Pieces; piece++) sum += job.Partial[(s * job.Pieces + piece) * job.Columns + c];
                if (job.PerSample != null) job.PerSample[s * job.Columns + c] = (float)sum;
                all += sum;
            }
            if (job.Total != null) job.Total[c] = Received(job.Total[c], all, job.Accumulate);
        }
    }

    /// <summary>A parameter's gradient after <paramref name="sum"/> has come to it: assigned, or added to what is there.</summary>
    static float Received(float there, double sum, bool accumulate) => (float)((accumulate ? there : 0) + sum);

    /// <summary>sums[c] = the sum over rows of x[start + row * columns + c].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void SumOfRows(void* x, DType type, nint start, nint rows, nint columns, float* sums)
    {
        int w = S.Width;
        nint c = 0;
        for (; c + 4 * w <= columns; c += 4 * w)
        {
            TV s0 = S.Zero, s1 = S.Zero, s2 = S.Zero, s3 = S.Zero;
            nint at = start + c;
            for (nint r = 0; r < rows; r++, at += columns)
            {
                s0 = S.Add(s0, Packing<TV, S>.Load(x, type, at));
                s1 = S.Add(s1, Packing<TV, S>.Load(x, type, at + w));
                s2 = S.Add(s2, Packing<TV, S>.Load(x, type, at + 2 * w));
                s3 = S.Add(s3, Packing<TV, S>.Load(x, type, at + 3 * w));
            }
            S.Store(s0, sums + c);
            S.Store(s1, sums + c + w);
            S.Store(s2, sums + c + 2 * w);
            S.Store(s3, sums + c + 3 * w);
        }
        for (; c + w <= columns; c += w)
        {
            TV s = S.Zero;
            for (nint r = 0; r < rows; r++) s = S.Add(s, Packing<TV, S>.Load(x, type, start + r * columns + c));
            S.Store(s, sums + c);
        }
        for (; c < columns; c++)
        {
            float s = 0, value;
            for (nint r = 0; r < rows; r++)
            {
                Packing<TV, S>.Widen(x, type, start + r * columns + c, 1, &value);
                s += value;
            }
            sums[c] = s;
        }
    }
}
