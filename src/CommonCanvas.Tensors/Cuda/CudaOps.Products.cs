using System.Numerics;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>What all matrix products share: the choice of a kernel, split contractions (<c>split.cu</c>), sums of columns (<c>columnsums.cu</c>).</summary>
public sealed partial class CudaOps
{
    const string SplitFile = "split.cu", ColumnSumsFile = "columnsums.cu";

    /// <summary>Blocks that wait for their last one, each with a counter of those that have come.</summary>
    const int MostArrivals = 1 << 14;

    /// <summary>Whether 16 bytes from a multiple of 16 lie in one row of <paramref name="columns"/> elements.</summary>
    static bool WholePacks(Tensor t, int columns) => Aligned(t) && columns % Lanes(t.Type) == 0;

    /// <summary>Tile, by its place in the list, and shares that products take instead of the predicted best ones: for tests of each.</summary>
    internal (int Tile, int Splits)? FixedPlan { get; set; }

    ProductPlan Plan(ProductKernels kernels, DType type, bool aligned, long m, long n, long k)
    {
        var tiles = kernels.For(type, device.ComputeCapability, aligned);
        return FixedPlan is var (tile, splits) ? new ProductPlan(tiles[Math.Min(tile, tiles.Length - 1)], splits)
            : ProductPlan.Choose(tiles, m, n, k, device.Multiprocessors, device.SharedMemoryPerBlock);
    }

    /// <summary>Queues one tile of the result for each block, and for each share.</summary>
    void LaunchProduct(ProductKernels kernels, ProductPlan plan, DType type, long m, long n, ReadOnlySpan<KernelArgument> arguments) =>
        Launch(Kernel(kernels.File, type, plan.Tile.Kernel), plan.Grid(m, n), plan.Tile.Threads, plan.Tile.SharedBytes, arguments);

    /// <summary>Whether a kernel adds to a gradient, as it takes it.</summary>
    static int Flag(GradientTarget gradient) => gradient.Accumulate ? 1 : 0;

    /// <summary>Memory for the shares of a split contraction; none where it is not split.</summary>
    Tensor RentShares(ProductPlan plan, int rows, int columns) =>
        plan.Splits == 1 || rows == 0 || columns == 0 ? Tensor.None : Arena.Rent(DType.F32, plan.Splits, rows, columns);

    /// <summary>y = the sum of the shares + bias + perSample + residual; returns the shares' memory.</summary>
    void FinishActivations(Tensor shares, Tensor bias, Tensor perSample, Tensor residual, Tensor y, int rows, int columns, long sampleDivider)
    {
        if (shares.IsNone) return;
        LaunchOver((y.Count + 3) / 4, Kernel(SplitFile, y.Type, nameof(FinishActivations)),
            [shares.Data, shares[0], bias.Data, perSample.Data, residual.Data, y.Data, rows, columns, Divider(columns), sampleDivider]);
        Arena.Release(shares);
    }

    /// <summary>gradient = or += the sum of the shares; returns their memory.</summary>
    void FinishGradients(Tensor shares, DType storage, GradientTarget gradient, int rows, int columns)
    {
        if (shares.IsNone) return;
        LaunchOver((gradient.Tensor.Count + 3) / 4, Kernel(SplitFile, storage, nameof(FinishGradients)),
            [shares.Data, shares[0], gradient.Tensor.Data, rows, columns, Divider(columns), Flag(gradient)]);
        Arena.Release(shares);
    }

    /// <summary>dBias = or += sums of dY's columns, dPerSample = the same for each of <paramref name="samples"/>; each optional.</summary>
    void ColumnSums(Tensor dY, int samples, GradientTarget dBias, Tensor dPerSample)
    {
        const int MinRows = 128, PackColumns = 8;
        int columns = dY.Channels, rows = Rows(dY);
        if (columns == 0 || (dBias.IsNone && dPerSample.IsNone)) return;
        int width = PackColumns * Lanes(dY.Type), across = (columns + width - 1) / width;
        if (across > MostArrivals) throw new ArgumentException($"{columns} columns of a bias are more than the {MostArrivals * width} that can be added up", nameof(dY));
        int sampleRows = samples == 0 ? 0 : rows / samples;
        int wanted = Math.Max(1, 4 * device.Multiprocessors / (across * Math.Max(samples, 1)));
        int parts = Math.Clamp(sampleRows / MinRows, 1, wanted), partRows = (sampleRows + parts - 1) / parts;

        var shares = Arena.Rent(DType.F32, Math.Max(1, samples * parts), columns);
        Launch(Kernel(ColumnSumsFile, dY.Type, nameof(ColumnSums)), new Dim3(across, Math.Max(1, samples * parts)), ElementThreads, 0,
            [dY.Data, shares.Data, arrivals, dBias.Tensor.Data, dPerSample.Data, rows, columns, sampleRows, samples, parts, partRows, Flag(dBias), WholePacks(dY, columns) ? 1 : 0]);
        Arena.Release(shares);
    }

    /// <summary>
    /// Multiplier and shift that divide numbers below 2^31 by <paramref name="divisor"/>, as the kernels' <c>divide</c> takes
    /// them: ceil(2^(31 + s) / divisor) with s = ceil(log2 divisor), s in the upper half (Granlund, Montgomery 1994).
    /// </summary>
    internal static long Divider(int divisor)
    {
        uint d = (uint)Math.Max(1, divisor);
        int shift = 32 - BitOperations.LeadingZeroCount(d - 1);
        ulong multiplier = ((1ul << 31 + shift) + d - 1) / d;
        return (long)((ulong)shift << 32 | multiplier);
    }
}
