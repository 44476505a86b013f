namespace CommonCanvas.Tensors;

/// <summary>A kernel that computes one tile of a matrix product d[m, n] = sum of a[m, k] b[n, k] in each block.</summary>
/// <param name="Kernel">Its name.</param>
/// <param name="M">Rows of the tile.</param>
/// <param name="N">Columns of the tile.</param>
/// <param name="K">Depth that is multiplied at a time.</param>
/// <param name="Threads">Of a block.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
/// <param name="Rate">Multiply-adds of a multiprocessor in a cycle.</param>
/// <param name="ResultBytes">That a number of the result moves, at most: a gradient that is added to is read and written.</param>
sealed record ProductTile(string Kernel, int M, int N, int K, int Threads, int SharedBytes, double Rate, int ResultBytes = 2);

/// <summary>The kernels of one product, as <c>gemm_kernels.cuh</c> lists them.</summary>
sealed class ProductKernels
{
    /// <summary>Kernels named <paramref name="name"/> with the tile, in <paramref name="file"/>.</summary>
    /// <param name="file">The kernel file.</param>
    /// <param name="name">What all names begin with.</param>
    /// <param name="resultBytes">
    /// That a number of the result moves with 16-bit storage: 8 where it is a gradient. One that is assigned takes the plan of
    /// one that is added to, and so has the same bits.
    /// </param>
    public ProductKernels(string file, string name, int resultBytes = 2)
    {
        File = file;
        Tensor =
        [
            OnTensorCores(name, 160, 160, threads: 256, rate: 920),
            OnTensorCores(name, 128, 128, threads: 128, rate: 920),
            OnTensorCores(name, 80, 160, threads: 128, rate: 920),
            OnTensorCores(name, 96, 128, threads: 128, rate: 900),
            OnTensorCores(name, 64, 64, threads: 128, rate: 600),
        ];
        Tensor = [.. Tensor.Select(tile => tile with { ResultBytes = resultBytes })];
        TensorUnaligned = [Tensor[^1] with { Kernel = name + "Unaligned", Rate = 200 }];
        Simt = [new ProductTile(name + "Simt", 64, 64, 16, Threads: 64, SharedBytes: 0, Rate: 45)];
        SimtUnaligned = [Simt[0] with { Kernel = name + "SimtUnaligned", Rate = 35 }];
    }

    /// <summary>The kernel file.</summary>
    public string File { get; }

    /// <summary>With matrix instructions, where 16 bytes of every operand lie in one line.</summary>
    public ProductTile[] Tensor { get; }

    /// <summary>With matrix instructions, for any operand.</summary>
    public ProductTile[] TensorUnaligned { get; }

    /// <summary>In fp32 arithmetic, where 16 bytes of every operand lie in one line; there is none for 16-bit storage.</summary>
    public ProductTile[] Simt { get; }

    /// <summary>In fp32 arithmetic, for any operand.</summary>
    public ProductTile[] SimtUnaligned { get; }

    /// <summary>The kernels that fit, best first where all tiles are full.</summary>
    /// <param name="type">Storage.</param>
    /// <param name="capability">Compute capability times ten.</param>
    /// <param name="aligned">Whether 16 bytes of every operand lie in one line.</param>
    public ProductTile[] For(DType type, int capability, bool aligned)
    {
        bool tensor = type switch { DType.F16 => capability >= 75, DType.BF16 => capability >= 80, _ => false };
        if (tensor) return aligned ? Tensor : TensorUnaligned;
        return aligned && type == DType.F32 ? Simt : SimtUnaligned;
    }

    // Rates: a multiprocessor of an A100 multiplies and adds 1024 times in a cycle, of which nine tenths can be had; the
    // smallest tile spends more on addresses than on products.
    static ProductTile OnTensorCores(string name, int m, int n, int threads, double rate)
    {
        const int Depth = 32, Stages = 3;
        return new ProductTile($"{name}{m}x{n}", m, n, Depth, threads, Stages * Depth * (m + n) * ProductPlan.OperandBytes, rate);
    }
}

/// <summary>How a product is laid out over a device: by which tile, and over how many shares of the contraction.</summary>
readonly record struct ProductPlan(ProductTile Tile, int Splits)
{
    /// <summary>Most shares of a contraction.</summary>
    internal const int MaxSplits = 32;

    /// <summary>Least depth of a share, in multiples of the tile's depth: the pipeline wants filling.</summary>
    internal const int MinSteps = 6;

    /// <summary>Bytes of an operand's element, where that matters: with tensor cores.</summary>
    internal const int OperandBytes = 2;

    /// <summary>Cycles that a tile takes to fill the pipeline, and that a second launch costs.</summary>
    internal const double StartCycles = 300, LaunchCycles = 2800;

    /// <summary>Bytes that a multiprocessor gets in a cycle from the second-level cache and from memory, all of them busy, on an A100.</summary>
    internal const double L2BytesPerCycle = 33, MemoryBytesPerCycle = 12;

    /// <summary>Share of its rate that a multiprocessor with fewer than <see cref="EnoughThreads"/> keeps: nothing else hides its latencies.</summary>
    const double RateAlone = 0.85;

    const int EnoughThreads = 256;

    /// <summary>
    /// Chooses the tile and the number of shares of least predicted time. Time is what the multiprocessor with the most blocks
    /// needs for its products (tiles that fill all of them once and a half cost as much as two rounds), or what operands and
    /// result need from the second-level cache or from memory, whichever is longest, and the adding of shares. Tiles of
    /// which a multiprocessor cannot hold enough are left out, but for the last one. The same answer for the same arguments.
    /// </summary>
    /// <param name="tiles">Candidates, the smallest last.</param>
    /// <param name="m">Rows of the result.</param>
    /// <param name="n">Columns of the result.</param>
    /// <param name="k">Length of the contraction.</param>
    /// <param name="multiprocessors">Of the device.</param>
    /// <param name="sharedBytes">Shared memory that a block can have.</param>
    public static ProductPlan Choose(ReadOnlySpan<ProductTile> tiles, long m, long n, long k, int multiprocessors, int sharedBytes)
    {
        var best = new ProductPlan(tiles[^1], 1);
        double least = double.PositiveInfinity;
        foreach (var tile in tiles)
        {
            if (tile != tiles[^1] && !HoldsEnough(tile, sharedBytes)) continue;
            long blocks = DivideUp(m, tile.M) * DivideUp(n, tile.N), steps = DivideUp(k, tile.K);
            double operands = (double)OperandBytes * k * (DivideUp(n, tile.N) * m + DivideUp(m, tile.M) * n), once = (double)OperandBytes * k * (m + n);
            long most = m * n > int.MaxValue / 2 ? 1 : Math.Clamp(steps / MinSteps, 1, MaxSplits);
            for (int splits = 1; splits <= most; splits++)
            {
                long rounds = DivideUp(blocks * splits, multiprocessors);
                double products = (double)tile.M * tile.N * tile.K * DivideUp(steps, splits) / (rounds * tile.Threads < EnoughThreads ? RateAlone * tile.Rate : tile.Rate);
                double shares = (double)sizeof(float) * splits * m * n, result = (double)tile.ResultBytes * m * n, stored = splits > 1 ? shares : result;
                double l2 = (operands + stored) / (L2BytesPerCycle * multiprocessors), memory = (once + stored) / (MemoryBytesPerCycle * multiprocessors);
                double cycles = Math.Max(Math.Max(l2, memory), rounds * (StartCycles + products));
                if (splits > 1) cycles += LaunchCycles + (shares + result) / (MemoryBytesPerCycle * multiprocessors);
                if (cycles < least) (best, least) = (new ProductPlan(tile, splits), cycles);
            }
        }
        return best;
    }

    /// <summary>Whether a multiprocessor holds blocks of enough threads to hide latencies.</summary>
    internal static bool HoldsEnough(ProductTile tile, int sharedBytes)
    {
        const int SystemBytes = 1024; // of each block
        return (sharedBytes + SystemBytes) / (tile.SharedBytes + SystemBytes) * tile.Threads >= EnoughThreads;
    }

    /// <summary>Blocks of the launch: tiles of the result, by shares.</summary>
    public Cuda.Dim3 Grid(long m, long n) => new(checked((int)(DivideUp(m, Tile.M) * DivideUp(n, Tile.N))), 1, Splits);

    static long DivideUp(long n, long d) => (n + d - 1) / d;
}
