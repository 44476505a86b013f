namespace CommonCanvas.Tensors;

/// <summary>16-bit values as fp32 for an operation, and its results back.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    struct ColumnsJob
    {
        public void* From, To;
        public DType TypeFrom, TypeTo;
        public nint PitchFrom, PitchTo, Rows, Width;
    }

    /// <summary>Values as fp32, rows <see cref="WidePitch"/> apart: in place, or widened into a shared buffer by all threads.</summary>
    float* Wide(Columns x, Scratch.Slot slot)
    {
        if (x.IsNone) return null;
        if (x.Type == DType.F32) return (float*)x.Data;
        float* to = (float*)scratch.Get(slot, (nint)x.Count * sizeof(float));
        Copy(x, new() { From = (void*)x.Data, TypeFrom = x.Type, PitchFrom = x.Pitch, To = to, TypeTo = DType.F32, PitchTo = x.Width });
        return to;
    }

    /// <summary>Where an operation writes a result as fp32: in place, or in a shared buffer that <see cref="StoreResult"/> rounds.</summary>
    float* Result(Columns y, Scratch.Slot slot) =>
        y.IsNone ? null : y.Type == DType.F32 ? (float*)y.Data : (float*)scratch.Get(slot, (nint)y.Count * sizeof(float));

    void StoreResult(float* result, Columns y)
    {
        if (y.IsNone || y.Type == DType.F32) return;
        Copy(y, new() { From = result, TypeFrom = DType.F32, PitchFrom = y.Width, To = (void*)y.Data, TypeTo = y.Type, PitchTo = y.Pitch });
    }

    /// <summary>Values from one row to the next of what <see cref="Wide"/> and <see cref="Result"/> give.</summary>
    static nint WidePitch(Columns columns) => columns.Type == DType.F32 ? columns.Pitch : columns.Width;

    void Copy(Columns columns, ColumnsJob job)
    {
        if (columns.IsWhole)
        {
            var whole = new MapJob { A = job.From, TypeA = job.TypeFrom, Y = job.To, TypeY = job.TypeTo, Count = (nint)columns.Count };
            Launch(&CastRun, ref whole);
            return;
        }
        (job.Rows, job.Width) = ((nint)columns.Rows, columns.Width);
        Team.Run(&ColumnsRun, &job);
    }

    static void ColumnsRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(ColumnsJob*)argument;
        float* wide = stackalloc float[Chunk];
        var (first, last) = team.Share(job.Rows, thread);
        for (nint row = first; row < last; row++)
            for (nint column = 0; column < job.Width; column += Chunk)
            {
                nint count = Math.Min(Chunk, job.Width - column);
                float* from = Read(job.From, job.TypeFrom, row * job.PitchFrom + column, count, wide);
                Packing<TV, S>.Narrow(from, job.To, job.TypeTo, row * job.PitchTo + column, count);
            }
    }
}
