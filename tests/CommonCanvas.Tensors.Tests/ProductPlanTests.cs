namespace CommonCanvas.Tensors.Tests;

public class ProductPlanTests
{
    const int Multiprocessors = 108, SharedBytes = 163 * 1024;

    static readonly ProductKernels kernels = new("linear.cu", "LinearForward");

    static ProductPlan Choose(long m, long n, long k, int sharedBytes = SharedBytes) =>
        ProductPlan.Choose(kernels.For(DType.F16, 80, aligned: true), m, n, k, Multiprocessors, sharedBytes);

    /// <summary>What the tile and the shares leave of the last round over all multiprocessors.</summary>
    static double Balance(ProductPlan plan, long m, long n)
    {
        double blocks = plan.Grid(m, n).Count;
        return blocks / (Math.Ceiling(blocks / Multiprocessors) * Multiprocessors);
    }

    [Theory, InlineData(16384, 320, 2880), InlineData(4096, 640, 5760), InlineData(1024, 1280, 11520), InlineData(256, 1280, 11520)]
    public void Convolutions_of_the_U_Net_keep_all_multiprocessors_busy(long m, long n, long k) => Assert.InRange(Balance(Choose(m, n, k), m, n), 0.9, 1);

    [Fact]
    public void A_contraction_too_short_to_share_is_not_split() => Assert.Equal(1, Choose(64, 64, 320).Splits);

    [Fact]
    public void A_small_result_of_a_long_contraction_is_split() => Assert.True(Choose(64, 64, 16384).Splits > 8);

    [Fact]
    public void Tiles_that_leave_room_for_too_few_warps_are_left_out() =>
        Assert.All(new[] { 320, 640, 1280 }, n => Assert.Contains(Choose(16384, n, 2880, sharedBytes: 64 * 1024).Tile.M, new[] { 160, 64 }));

    [Fact]
    public void Empty_results_have_empty_grids() => Assert.Equal(0, Choose(0, 320, 320).Grid(0, 320).Count);

    [Fact]
    public void Kernels_fit_the_device_and_the_storage()
    {
        Assert.Same(kernels.Tensor, kernels.For(DType.F16, 75, aligned: true));
        Assert.Same(kernels.SimtUnaligned, kernels.For(DType.F16, 70, aligned: true));
        Assert.Same(kernels.SimtUnaligned, kernels.For(DType.BF16, 75, aligned: true));
        Assert.Same(kernels.TensorUnaligned, kernels.For(DType.BF16, 80, aligned: false));
        Assert.Same(kernels.Simt, kernels.For(DType.F32, 90, aligned: true));
    }

    /// <summary>The kernels' division: the upper half of 2 n * multiplier, shifted.</summary>
    [Fact]
    public void Division_by_multiplication_is_exact()
    {
        int[] divisors = [1, 2, 3, 5, 7, 9, 31, 32, 33, 320, 641, 4097, 65535, 65537, (1 << 30) - 1, (1 << 30) + 1, int.MaxValue];
        foreach (int d in divisors)
        {
            ulong divider = (ulong)CudaOps.Divider(d);
            foreach (long around in new long[] { 0, d, 2L * d, 1000L * d, int.MaxValue / d * (long)d, int.MaxValue })
                for (long n = Math.Max(0, around - 2); n <= Math.Min(int.MaxValue, around + 2); n++)
                    Assert.Equal((ulong)(n / d), ((2 * (ulong)n * (uint)divider) >> 32) >> (int)(divider >> 32));
        }
    }
}
