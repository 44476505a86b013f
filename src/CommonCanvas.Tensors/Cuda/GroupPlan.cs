namespace CommonCanvas.Tensors;

/// <summary>The size of a product d[M, N] = sum over K.</summary>
readonly record struct ProductSize(long M, long N, long K);

/// <summary>How products that share a launch are laid out over a device: by which tile, and each over how many shares of its contraction.</summary>
/// <param name="Tile">Of all.</param>
/// <param name="Splits">Shares of each.</param>
/// <param name="Order">Their numbers, those with the longest blocks first, so that short ones fill what these leave.</param>
sealed record GroupPlan(ProductTile Tile, int[] Splits, int[] Order)
{
    /// <summary>
    /// Chooses the tile and the shares of least predicted time. All are cut into shares of about the same length, and blocks go one by
    /// one to the multiprocessor that is free first; what <see cref="ProductPlan"/> says of one product holds for all together.
    /// </summary>
    /// <param name="tiles">Candidates, the smallest last.</param>
    /// <param name="products">At least one, none of them empty.</param>
    /// <param name="multiprocessors">Of the device.</param>
    /// <param name="sharedBytes">Shared memory that a block can have.</param>
    public static GroupPlan Choose(ReadOnlySpan<ProductTile> tiles, ReadOnlySpan<ProductSize> products, int multiprocessors, int sharedBytes)
    {
        GroupPlan? best = null;
        double least = double.PositiveInfinity;
        foreach (var tile in tiles)
        {
            if (tile != tiles[^1] && !ProductPlan.HoldsEnough(tile, sharedBytes)) continue;
            long longest = 0;
            foreach (var product in products) longest = Math.Max(longest, DivideUp(product.K, tile.K));
            for (int pieces = 1; pieces <= Math.Clamp(longest / ProductPlan.MinSteps, 1, ProductPlan.MaxSplits); pieces++)
            {
                var plan = Of(tile, products, DivideUp(longest, pieces));
                double cycles = plan.Cycles(products, multiprocessors);
                if (cycles < least) (best, least) = (plan, cycles);
            }
        }
        return best!;
    }

    /// <summary>Every product in this number of shares.</summary>
    public static GroupPlan Fixed(ProductTile tile, int splits, int products) => new(tile, [.. Enumerable.Repeat(splits, products)], [.. Enumerable.Range(0, products)]);

    /// <summary>Blocks of a product.</summary>
    public long Blocks(int index, ProductSize product) => DivideUp(product.M, Tile.M) * DivideUp(product.N, Tile.N) * Splits[index];

    static GroupPlan Of(ProductTile tile, ReadOnlySpan<ProductSize> products, long length)
    {
        int[] splits = new int[products.Length], order = [.. Enumerable.Range(0, products.Length)];
        long[] shortest = new long[products.Length];
        for (int i = 0; i < products.Length; i++)
        {
            long steps = DivideUp(products[i].K, tile.K);
            splits[i] = products[i].M * products[i].N > int.MaxValue / 2 ? 1 : (int)DivideUp(steps, length);
            shortest[i] = -DivideUp(steps, splits[i]);
        }
        Array.Sort(shortest, order); // places of equal length may change, always in the same way
        return new GroupPlan(tile, splits, order);
    }

    double Cycles(ReadOnlySpan<ProductSize> products, int multiprocessors)
    {
        double operands = 0, once = 0, stored = 0, shares = 0, finished = 0;
        var free = new PriorityQueue<int, double>(Enumerable.Range(0, multiprocessors).Select(i => (i, 0.0)));
        double last = 0;
        foreach (int i in Order)
        {
            var (m, n, k) = products[i];
            operands += ProductPlan.OperandBytes * (double)k * (DivideUp(n, Tile.N) * m + DivideUp(m, Tile.M) * n);
            once += ProductPlan.OperandBytes * (double)k * (m + n);
            double result = (double)Tile.ResultBytes * m * n, share = Splits[i] > 1 ? (double)sizeof(float) * Splits[i] * m * n : 0;
            stored += Splits[i] > 1 ? share : result;
            shares += share;
            if (Splits[i] > 1) finished += result;
            double block = ProductPlan.StartCycles + (double)Tile.M * Tile.N * Tile.K * DivideUp(DivideUp(k, Tile.K), Splits[i]) / Tile.Rate;
            for (long left = Blocks(i, products[i]); left > 0; left--)
            {
                free.TryDequeue(out int multiprocessor, out double begin);
                free.Enqueue(multiprocessor, begin + block);
                last = Math.Max(last, begin + block);
            }
        }
        double l2 = (operands + stored) / (ProductPlan.L2BytesPerCycle * multiprocessors), memory = (once + stored) / (ProductPlan.MemoryBytesPerCycle * multiprocessors);
        double cycles = Math.Max(Math.Max(l2, memory), last);
        return shares > 0 ? cycles + ProductPlan.LaunchCycles + (shares + finished) / (ProductPlan.MemoryBytesPerCycle * multiprocessors) : cycles;
    }

    static long DivideUp(long n, long d) => (n + d - 1) / d;
}
