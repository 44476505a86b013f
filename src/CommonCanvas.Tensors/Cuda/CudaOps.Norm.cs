using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>Norms: <c>groupnorm.cu</c>, <c>groupnorm_backward.cu</c>, <c>layernorm.cu</c>.</summary>
public sealed partial class CudaOps
{
    const string GroupNormFile = "groupnorm.cu";
    const string GroupNormBackwardFile = "groupnorm_backward.cu";
    const string LayerNormFile = "layernorm.cu";

    /// <summary>Partial results over the pixels of a sample, or the rows of LayerNorm: more would cost more to merge than to make.</summary>
    const int MaxSlabs = 64;

    /// <summary>Pixels that a thread takes at least, where a slab has as many.</summary>
    const int PixelsPerThread = 8;

    /// <summary>
    /// Rows of LayerNorm that a block takes at least where it makes dX and a slab's sums of the parameters' gradients in one pass, two
    /// for each warp: those sums are 16 bytes a channel to write and to read, a row of 16-bit numbers 6 or 8.
    /// </summary>
    const int RowsOfSlab = 16;

    /// <summary>A block's part of [pixels, channels], as <c>channels.cuh</c> lays it out.</summary>
    readonly record struct Strips(bool Packed, int Width, int Count, int SlabPixels, int Slabs)
    {
        public Strips(Tensor x, int pixels, bool aligned) : this(aligned && x.Channels % Lanes(x.Type) == 0, 0, 0, 0, 0)
        {
            int columns = Packed ? 8 : 32, rows = ElementThreads / columns;
            Width = Packed ? columns * Lanes(x.Type) : columns;
            Count = Ceiling(x.Channels, Width);
            SlabPixels = rows * Math.Max(PixelsPerThread, Ceiling(Ceiling(pixels, MaxSlabs), rows));
            Slabs = Math.Max(1, Ceiling(pixels, SlabPixels));
        }

        public int PackedFlag => Packed ? 1 : 0;

        static int Ceiling(int a, int b) => (a + b - 1) / b;
    }

    /// <inheritdoc/>
    public void GroupNormForward(Tensor x, Tensor gamma, Tensor beta, int groups, float eps, bool silu, Tensor y, Tensor mean, Tensor rstd)
    {
        OpChecks.GroupNormForward(x, gamma, beta, groups, y, mean, rstd);
        int batch = x[0], channels = x.Channels, pixels = Counted(x.Rows / batch, x, "pixels"), size = channels / groups;
        var strips = new Strips(x, pixels, Aligned(x, gamma, beta, y));
        int pieces = Math.Min(strips.Count, (size - 1) / strips.Width + 2); // strips that a group may lie in
        var partial = Arena.Rent(DType.F32, batch, groups, strips.Slabs * pieces, 2);
        var grid = new Dim3(strips.Count, strips.Slabs, batch);
        Launch(Kernel(GroupNormFile, x.Type, "GroupNormForwardStatistics"), grid, ElementThreads, 0,
            [x.Data, partial.Data, pixels, channels, groups, strips.SlabPixels, pieces, strips.PackedFlag]);
        Launch(Kernel(GroupNormFile, x.Type, nameof(GroupNormForward)), grid, ElementThreads, 0,
            [x.Data, gamma.Data, beta.Data, partial.Data, y.Data, mean.Data, rstd.Data, pixels, channels, groups, eps, silu ? 1 : 0,
                strips.SlabPixels, pieces, strips.PackedFlag]);
        Arena.Release(partial);
    }

    /// <inheritdoc/>
    public void GroupNormBackward(Tensor x, Tensor gamma, Tensor beta, Tensor mean, Tensor rstd, Tensor dY, int groups, bool silu, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta)
    {
        OpChecks.GroupNormBackward(x, gamma, beta, mean, rstd, dY, groups, residual, dX, dGamma, dBeta);
        int batch = x[0], channels = x.Channels, pixels = Counted(x.Rows / batch, x, "pixels"), activate = silu ? 1 : 0;
        var strips = new Strips(x, pixels, Aligned(x, gamma, beta, dY) && Aligned(residual, dX));
        var sums = Arena.Rent(DType.F32, 2, batch, strips.Slabs, channels);
        var grid = new Dim3(strips.Count, strips.Slabs, batch);
        Launch(Kernel(GroupNormBackwardFile, x.Type, "GroupNormBackwardSums"), grid, ElementThreads, 0,
            [x.Data, gamma.Data, beta.Data, mean.Data, rstd.Data, dY.Data, sums.Data, pixels, channels, groups, activate, strips.SlabPixels, strips.PackedFlag]);
        Launch(Kernel(GroupNormBackwardFile, x.Type, nameof(GroupNormBackward)), grid with { Z = dX.IsNone ? 1 : 1 + batch }, ElementThreads, 0,
            [x.Data, gamma.Data, beta.Data, mean.Data, rstd.Data, dY.Data, sums.Data, residual.Data, dX.Data, dGamma.Tensor.Data, dBeta.Tensor.Data,
                batch * strips.Slabs, pixels, channels, groups, activate, strips.SlabPixels, strips.PackedFlag, Flag(dGamma), Flag(dBeta)]);
        Arena.Release(sums);
    }

    /// <inheritdoc/>
    public void LayerNormForward(Tensor x, Tensor gamma, Tensor beta, float eps, Tensor y, Tensor mean, Tensor rstd)
    {
        OpChecks.LayerNormForward(x, gamma, beta, y, mean, rstd);
        int rows = Rows(x);
        Launch(Kernel(LayerNormFile, x.Type, nameof(LayerNormForward)), RowBlocks(x), ElementThreads, 0,
            [x.Data, gamma.Data, beta.Data, y.Data, mean.Data, rstd.Data, rows, x.Channels, eps, PackedRows(x, Aligned(x, gamma, beta, y))]);
    }

    /// <inheritdoc/>
    public void LayerNormBackward(Tensor x, Tensor gamma, Tensor mean, Tensor rstd, Tensor dY, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta)
    {
        OpChecks.LayerNormBackward(x, gamma, mean, rstd, dY, residual, dX, dGamma, dBeta);
        int rows = Rows(x);
        bool wantsSums = !dGamma.IsNone || !dBeta.IsNone;
        int packed = PackedRows(x, Aligned(x, gamma, dY, dX) && Aligned(residual));
        if (packed != 0 && wantsSums && OnceKernel(x.Channels) is var (once, blocks))
        {
            int slabs = Math.Clamp(rows / RowsOfSlab, 1, blocks * device.Multiprocessors);
            var slabSums = Arena.Rent(DType.F32, 2, slabs, x.Channels);
            Launch(Kernel(LayerNormFile, x.Type, once), slabs, ElementThreads, 0,
                [x.Data, gamma.Data, mean.Data, rstd.Data, dY.Data, residual.Data, dX.Data, slabSums.Data, rows, x.Channels]);
            LayerNormParameters(x.Type, slabSums, slabs, dGamma, dBeta);
            Arena.Release(slabSums);
            return;
        }
        if (!dX.IsNone)
            Launch(Kernel(LayerNormFile, x.Type, nameof(LayerNormBackward)), RowBlocks(x), ElementThreads, 0,
                [x.Data, gamma.Data, mean.Data, rstd.Data, dY.Data, residual.Data, dX.Data, rows, x.Channels, packed]);
        if (!wantsSums) return;
        var strips = new Strips(x, rows, Aligned(x, dY));
        var sums = Arena.Rent(DType.F32, 2, strips.Slabs, x.Channels);
        Launch(Kernel(LayerNormFile, x.Type, "LayerNormBackwardSums"), new Dim3(strips.Count, strips.Slabs), ElementThreads, 0,
            [x.Data, mean.Data, rstd.Data, dY.Data, sums.Data, rows, x.Channels, strips.SlabPixels, strips.PackedFlag]);
        LayerNormParameters(x.Type, sums, strips.Slabs, dGamma, dBeta);
        Arena.Release(sums);
    }

    /// <summary>The kernel that reads rows of so many channels once, and its blocks on a multiprocessor; null where there are more channels than a warp keeps.</summary>
    static (string Kernel, int Blocks)? OnceKernel(int channels) => channels switch
    {
        <= 320 => ("LayerNormBackward320", 2),
        <= 640 => ("LayerNormBackward640", 1),
        <= 1280 => ("LayerNormBackward1280", 1),
        _ => null,
    };

    /// <summary>dGamma and dBeta = or += the sums [2, rows, channels] over the rows.</summary>
    void LayerNormParameters(DType type, Tensor sums, int rows, GradientTarget dGamma, GradientTarget dBeta)
    {
        if (dGamma.IsNone && dBeta.IsNone) return;
        int channels = sums.Channels;
        Launch(Kernel(LayerNormFile, type, "LayerNormBackwardParameters"), (channels + 31) / 32, ElementThreads, 0, [sums.Data, rows, channels, dGamma.Tensor.Data, dBeta.Tensor.Data, Flag(dGamma), Flag(dBeta)]);
    }

    /// <summary>Blocks of a kernel with one warp for each row.</summary>
    static int RowBlocks(Tensor x)
    {
        const int RowsOfBlock = ElementThreads / 32;
        return (int)((x.Rows + RowsOfBlock - 1) / RowsOfBlock);
    }

    static int PackedRows(Tensor x, bool aligned) => aligned && x.Channels % Lanes(x.Type) == 0 ? 1 : 0;
}
