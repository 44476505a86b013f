namespace CommonCanvas.Tensors.Tests;

public class GroupPlanTests
{
    const int Multiprocessors = 108, SharedBytes = 163 * 1024;

    static readonly ProductTile[] tiles = [.. new ProductKernels("linear_weights.cu", "LinearBackwardWeights", resultBytes: 8).Tensor];

    /// <summary>The weights of a transformer of the U-Net over images of a side, with a batch of 16: see BasicTransformerBlock.</summary>
    static ProductSize[] Transformer(int side, int width) =>
    [
        .. Enumerable.Repeat(new ProductSize(width, width, 16 * side * side), 5), new(3 * width, width, 16 * side * side),
        new(8 * width, width, 16 * side * side), new(width, 4 * width, 16 * side * side), new(2 * width, 1024, 16 * 77),
    ];

    [Theory, InlineData(32, 320), InlineData(16, 640), InlineData(8, 1280)]
    public void The_weights_of_a_transformer_keep_all_multiprocessors_busy(int side, int width)
    {
        var products = Transformer(side, width);
        var plan = GroupPlan.Choose(tiles, products, Multiprocessors, SharedBytes);
        double all = products.Sum(product => (double)product.M * product.N * product.K), longest = 0;
        double[] free = new double[Multiprocessors];
        foreach (int i in plan.Order)
            for (long block = plan.Blocks(i, products[i]); block > 0; block--)
            {
                int first = Array.IndexOf(free, free.Min());
                free[first] += (double)plan.Tile.M * plan.Tile.N * products[i].K / plan.Splits[i];
                longest = Math.Max(longest, free[first]);
            }
        Assert.InRange(all / (longest * Multiprocessors), 0.85, 1);
    }

    [Fact]
    public void Many_products_need_no_shares() => Assert.All(GroupPlan.Choose(tiles, Transformer(16, 640), Multiprocessors, SharedBytes).Splits, splits => Assert.Equal(1, splits));

    [Fact]
    public void A_small_product_alone_is_split() => Assert.True(GroupPlan.Choose(tiles, [new(64, 64, 16384)], Multiprocessors, SharedBytes).Splits[0] > 8);

    [Fact]
    public void Those_with_the_longest_blocks_come_first()
    {
        ProductSize[] products = [new(320, 320, 1232), new(320, 320, 4096), new(640, 1024, 64)];
        var plan = GroupPlan.Choose(tiles, products, Multiprocessors, SharedBytes);
        long[] lengths = [.. plan.Order.Select(i => products[i].K / plan.Splits[i])];
        Assert.Equal(lengths.OrderDescending(), lengths);
        Assert.Equal([0, 1, 2], plan.Order.Order());
    }

    /// <summary>As on a T4, which holds one block of 128x128 with 128 threads.</summary>
    [Fact]
    public void Tiles_that_leave_room_for_too_few_warps_are_left_out() =>
        Assert.All(new[] { 320, 640, 1280 }, width => Assert.Contains(GroupPlan.Choose(tiles, Transformer(16, width), 40, sharedBytes: 64 * 1024).Tile.M, new[] { 160, 64 }));

    [Fact]
    public void The_same_products_get_the_same_plan()
    {
        GroupPlan first = GroupPlan.Choose(tiles, Transformer(32, 320), Multiprocessors, SharedBytes), second = GroupPlan.Choose(tiles, Transformer(32, 320), Multiprocessors, SharedBytes);
        Assert.Equal(first.Tile, second.Tile);
        Assert.Equal(first.Splits, second.Splits);
        Assert.Equal(first.Order, second.Order);
    }

    [Fact]
    public void Shares_of_a_gradient_beyond_the_reach_of_an_index_are_not_made() =>
        Assert.Equal(1, GroupPlan.Choose(tiles, [new(1 << 16, 1 << 15, 1 << 20)], Multiprocessors, SharedBytes).Splits[0]);
}
