using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>
/// Attention. 16-bit storage goes through matrix instructions (<c>attention_forward.cu</c>, <c>attention_backward.cu</c>), compiled
/// for a few sizes of a head of which the next larger one is taken; fp32, devices without these instructions or the shared
/// memory, and larger heads go through <c>attention_simt.cu</c>.
/// </summary>
public sealed partial class CudaOps
{
    const string AttentionForwardFile = "attention_forward.cu", AttentionBackwardFile = "attention_backward.cu";
    const string AttentionSimtFile = "attention_simt.cu", AttentionDeltaFile = "attention_delta.cu";
    const int MatrixThreads = 128, SimtThreads = 256, SimtRows = 64, DeltaRows = 256;

    // Names of the kernels by size; a string made at each launch would be garbage.
    static readonly (int Size, string Forward, string Backward)[] MatrixSizes = [.. Names("", 32, 48, 64, 80, 96, 128, 160)];
    static readonly (int Size, string Forward, string Backward)[] SimtSizes = [.. Names("Simt", 64, 192, 512)];

    /// <inheritdoc/>
    public void AttentionForward(Columns q, Columns k, Columns v, int heads, bool causal, Tensor y, Tensor logSumExp)
    {
        OpChecks.AttentionForward(q, k, v, heads, causal, y, logSumExp);
        int size = q.Width / heads;
        CheckAttention(q, k, size);
        int aligned = AlignedRows(size, q, k, v, y);
        ReadOnlySpan<KernelArgument> arguments =
            [q.Data, k.Data, v.Data, y.Data, logSumExp.Data, q[1], k[1], size, q.Pitch, k.Pitch, AttentionScale(size), causal ? 1 : 0, aligned];
        var matrix = Covering(MatrixSizes, size);
        if (HasMatrixInstructions(q.Type) && size <= matrix.Size && ForwardShared(matrix.Size) <= device.SharedMemoryPerBlock)
            Launch(Kernel(AttentionForwardFile, q.Type, matrix.Forward), Grid(q[1], ForwardQueries(matrix.Size), heads, q[0]), MatrixThreads, ForwardShared(matrix.Size), arguments);
        else
            Launch(Kernel(AttentionSimtFile, q.Type, Covering(SimtSizes, size).Forward), Grid(q[1], SimtRows, heads, q[0]), SimtThreads, 0, arguments);
    }

    /// <inheritdoc/>
    public void AttentionBackward(Columns q, Columns k, Columns v, Tensor y, Tensor logSumExp, Tensor dY, int heads, bool causal, Columns dQ, Columns dK, Columns dV)
    {
        OpChecks.AttentionBackward(q, k, v, y, logSumExp, dY, heads, causal, dQ, dK, dV);
        int size = q.Width / heads;
        CheckAttention(q, k, size);
        CheckAttention(dQ, dK.IsNone ? dV : dK, size);
        var delta = Arena.Rent(DType.F32, q[0], heads, q[1]);
        Launch(Kernel(AttentionDeltaFile, q.Type, "AttentionDelta"), Grid(q[1], DeltaRows, heads, q[0]), DeltaRows, 0,
            [y.Data, dY.Data, delta.Data, q[1], size, AlignedRows(size, y, dY)]);
        var matrix = Covering(MatrixSizes, size);
        if (HasMatrixInstructions(q.Type) && size <= matrix.Size && BackwardShared(matrix.Size) <= device.SharedMemoryPerBlock)
        {
            int keyBlocks = dK.IsNone && dV.IsNone ? 0 : Blocks(k[1], SimtRows), queryBlocks = dQ.IsNone ? 0 : Blocks(q[1], SimtRows);
            int aligned = AlignedRows(size, q, k, v, dY) & AlignedRows(size, dQ, dK, dV);
            Launch(Kernel(AttentionBackwardFile, q.Type, matrix.Backward), new Dim3(keyBlocks + queryBlocks, heads, q[0]), MatrixThreads, BackwardShared(matrix.Size),
                [q.Data, k.Data, v.Data, dY.Data, logSumExp.Data, delta.Data, dQ.Data, dK.Data, dV.Data, q[1], k[1], size,
                 q.Pitch, k.Pitch, dY.Channels, dQ.Pitch, (dK.IsNone ? dV : dK).Pitch, AttentionScale(size), causal ? 1 : 0, aligned, keyBlocks]);
        }
        else
        {
            var kernel = Kernel(AttentionSimtFile, q.Type, Covering(SimtSizes, size).Backward);
            OneGradient(kernel, k, v, q, dY, dY, logSumExp, delta, dV, heads, causal, ofKeys: true, slopes: false);
            OneGradient(kernel, k, v, q, dY, q, logSumExp, delta, dK, heads, causal, ofKeys: true, slopes: true);
            OneGradient(kernel, q, dY, k, v, k, logSumExp, delta, dQ, heads, causal, ofKeys: false, slopes: true);
        }
        Arena.Release(delta);
    }

    void OneGradient(CudaKernel kernel, Columns own, Columns ownGrad, Columns other, Columns otherGrad, Columns values, Tensor logSumExp, Tensor delta, Columns result,
        int heads, bool causal, bool ofKeys, bool slopes)
    {
        if (result.IsNone) return;
        int size = own.Width / heads, aligned = AlignedRows(size, own, ownGrad, other, otherGrad) & AlignedRows(size, values, result);
        Launch(kernel, Grid(own[1], SimtRows, heads, own[0]), SimtThreads, 0,
            [own.Data, ownGrad.Data, other.Data, otherGrad.Data, values.Data, logSumExp.Data, delta.Data, result.Data, (ofKeys ? other : own)[1], (ofKeys ? own : other)[1],
             size, own.Pitch, ownGrad.Pitch, other.Pitch, otherGrad.Pitch, values.Pitch, result.Pitch, AttentionScale(size), causal ? 1 : 0, ofKeys ? 1 : 0, slopes ? 1 : 0, aligned]);
    }

    /// <summary>Whether the device multiplies matrices of a type: F16 since 7.5, BF16 since 8.0.</summary>
    bool HasMatrixInstructions(DType type) => type switch
    {
        DType.F16 => device.ComputeCapability >= 75,
        DType.BF16 => device.ComputeCapability >= 80,
        _ => false,
    };

    // The shapes of the kernels' tiles: ForwardShape and BackwardShape of the sources.
    static int ForwardQueries(int size) => size <= 64 ? 128 : 64;

    static int ForwardShared(int size) => (ForwardQueries(size) + 4 * (size <= 96 ? 64 : 32)) * size * 2;

    static int BackwardShared(int size)
    {
        int others = size <= 64 ? 64 : size <= 96 ? 32 : 16;
        return 2 * (64 * size * 2) + 2 * (2 * others * size * 2 + 2 * others * sizeof(float));
    }

    static float AttentionScale(int size) => (float)(1 / Math.Sqrt(size));

    static Dim3 Grid(int rows, int tile, int heads, int batch) => new(Blocks(rows, tile), heads, batch);

    static int Blocks(int rows, int tile) => (rows + tile - 1) / tile;

    /// <summary>1 where every row of a head starts at a multiple of 16 bytes and has a multiple of 16 bytes.</summary>
    static int AlignedRows(int size, Columns a, Columns b, Columns c = default, Columns d = default) =>
        AlignedRows(size, a) && AlignedRows(size, b) && AlignedRows(size, c) && AlignedRows(size, d) ? 1 : 0;

    static bool AlignedRows(int size, Columns a) => a.IsNone || (a.Data & 15) == 0 && a.Pitch % Lanes(a.Type) == 0 && size % Lanes(a.Type) == 0;

    static void CheckAttention(Columns q, Columns k, int size)
    {
        int largest = SimtSizes[^1].Size;
        if (size > largest) throw new ArgumentException($"q {q}: heads of {size} elements; the CUDA kernels take {largest} at most: use more heads", nameof(q));
        if (Large(q) || Large(k)) throw new ArgumentException($"q {q}, k {k}: a sample of 2^31 elements or more; attend within parts of the tokens", nameof(q));

        static bool Large(Columns c) => !c.IsNone && (c[1] + 1024L) * c.Pitch > int.MaxValue;
    }

    /// <summary>The smallest size that covers another, or the largest.</summary>
    static (int Size, string Forward, string Backward) Covering((int Size, string Forward, string Backward)[] sizes, int size)
    {
        foreach (var entry in sizes)
            if (size <= entry.Size) return entry;
        return sizes[^1];
    }

    static IEnumerable<(int Size, string Forward, string Backward)> Names(string kind, params int[] sizes) =>
        sizes.Select(size => (size, $"{nameof(AttentionForward)}{kind}{size}", $"{nameof(AttentionBackward)}{kind}{size}"));
}
