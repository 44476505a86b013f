using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Copies that change the shape, and their sums backwards.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>
{
    struct RowsJob
    {
        public byte* A, B, Y;
        public nint Rows, BytesA, BytesB;
        public int Height, Width, OutHeight, OutWidth, Channels;
        public bool Split;
    }

    public override void ConcatForward(Tensor a, Tensor b, Tensor y)
    {
        OpChecks.ConcatForward(a, b, y);
        Concat(a, b, y, split: false);
    }

    public override void ConcatBackward(Tensor dY, Tensor dA, Tensor dB)
    {
        OpChecks.ConcatBackward(dY, dA, dB);
        Concat(dA, dB, dY, split: true);
    }

    void Concat(Tensor a, Tensor b, Tensor y, bool split)
    {
        int size = y.Type.Size();
        var job = new RowsJob
        {
            A = (byte*)a.Data, B = (byte*)b.Data, Y = (byte*)y.Data, Rows = (nint)y.Rows,
            BytesA = a.Channels * size, BytesB = b.Channels * size, Split = split,
        };
        Team.Run(&ConcatRun, &job);
    }

    static void ConcatRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(RowsJob*)argument;
        nint a = job.BytesA, b = job.BytesB;
        var (first, last) = team.Share(job.Rows, thread);
        for (nint r = first; r < last; r++)
        {
            byte* y = job.Y + r * (a + b);
            if (job.Split)
            {
                Buffer.MemoryCopy(y, job.A + r * a, a, a);
                Buffer.MemoryCopy(y + a, job.B + r * b, b, b);
            }
            else
            {
                Buffer.MemoryCopy(job.A + r * a, y, a, a);
                Buffer.MemoryCopy(job.B + r * b, y + a, b, b);
            }
        }
    }

    public override void UpsampleForward(Tensor x, Tensor y)
    {
        OpChecks.UpsampleForward(x, y);
        var job = new RowsJob
        {
            A = (byte*)x.Data, Y = (byte*)y.Data, Rows = (nint)y[0] * y[1], BytesA = x.Channels * x.Type.Size(),
            Height = x[1], Width = x[2], OutHeight = y[1], OutWidth = y[2],
        };
        Team.Run(&UpsampleRun, &job);
    }

    static void UpsampleRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(RowsJob*)argument;
        nint size = job.BytesA;
        var (first, last) = team.Share(job.Rows, thread);
        for (nint r = first; r < last; r++)
        {
            nint b = r / job.OutHeight, h = r % job.OutHeight * job.Height / job.OutHeight;
            byte* from = job.A + (b * job.Height + h) * job.Width * size, to = job.Y + r * job.OutWidth * size;
            for (nint w = 0; w < job.OutWidth; w++, to += size) Buffer.MemoryCopy(from + w * job.Width / job.OutWidth * size, to, size, size);
        }
    }

    public override void UpsampleBackward(Tensor dY, Tensor dX)
    {
        OpChecks.UpsampleBackward(dY, dX);
        float* slope = Wide(dY, Scratch.Slot.WideDY), result = Result(dX, Scratch.Slot.WideX);
        var job = new RowsJob
        {
            A = (byte*)slope, Y = (byte*)result, Rows = (nint)dX[0] * dX[1], Channels = dX.Channels,
            Height = dX[1], Width = dX[2], OutHeight = dY[1], OutWidth = dY[2],
        };
        Team.Run(&UpsampleBackwardRun, &job);
        StoreResult(result, dX);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void UpsampleBackwardRun(ThreadTeam team, void* argument, int thread)
    {
        ref var job = ref *(RowsJob*)argument;
        nint channels = job.Channels;
        var (first, last) = team.Share(job.Rows, thread);
        for (nint r = first; r < last; r++)
        {
            nint b = r / job.Height, i = r % job.Height;
            nint h0 = FirstCopyOf(i, job.Height, job.OutHeight), h1 = FirstCopyOf(i + 1, job.Height, job.OutHeight);
            for (nint j = 0; j < job.Width; j++)
            {
                nint w0 = FirstCopyOf(j, job.Width, job.OutWidth), w1 = FirstCopyOf(j + 1, job.Width, job.OutWidth);
                float* to = (float*)job.Y + (r * job.Width + j) * channels;
                for (nint c = 0; c < channels; c += S.Width)
                {
                    nint there = Math.Min(S.Width, channels - c);
                    TV sum = S.Zero;
                    for (nint h = h0; h < h1; h++)
                        for (nint w = w0; w < w1; w++)
                        {
                            float* from = (float*)job.A + ((b * job.OutHeight + h) * job.OutWidth + w) * channels + c;
                            sum = S.Add(sum, there == S.Width ? S.Load(from) : Part.Load<TV, S>(from, there));
                        }
                    if (there == S.Width) S.Store(sum, to + c);
                    else Part.Store<TV, S>(sum, to + c, there);
                }
            }
        }
    }

    /// <summary>The first output position that copies input position <paramref name="i"/> or a later one.</summary>
    static nint FirstCopyOf(nint i, nint inputs, nint outputs) => (i * outputs + inputs - 1) / inputs;
}
