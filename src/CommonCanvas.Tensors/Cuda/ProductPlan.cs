namespace CommonCanvas.Tensors;

/// <summary>A kernel that computes one tile of a matrix product d[m, n] = sum of a[m, k] b[n, k] in each block.</summary>
/// <param name="Kernel">Its name.</param>
/// <param name="M">Rows of the tile.</param>
/// <param name="N">Columns of the tile.</param>
/// <param name="K">Depth that is multiplied at a time.</param>
/// <param name="Threads">Of a block.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
/// <param name="CyclesPerDepth">What one k costs a multiprocessor.</param>
sealed record ProductTile(string Kernel, int M, int N, int K, int Threads, int SharedBytes, double CyclesPerDepth);

/// <summary>The kernels of one product, as <c>gemm_kernels.cuh</c> lists them.</summary>
sealed class ProductKernels
{
    /// <summary>Kernels named <paramref name="name"/> with the tile, in <paramref name="file"/>.</summary>
    /// <param name="file">The kernel file.</param>
    /// <param name="name">What all names begin with.</param>
    /// <param name="gradient">Whether the result is the weight's gradient, whose tiles differ.</param>
    public ProductKernels(string file, string name, bool gradient)
    {
        File = file;
        Tensor = gradient
            ? [OnTensorCores(name, 128, 128), OnTensorCores(name, 64, 256), OnTensorCores(name, 64, 64)]
            : [OnTensorCores(name, 128, 128), OnTensorCores(name, 256, 64), OnTensorCores(name, 96, 128), OnTensorCores(name, 64, 64)];
        TensorUnaligned = [Tensor[^1] with { Kernel = name + "Unaligned", CyclesPerDepth = 20 }];
        Simt = [new ProductTile(name + "Simt", 64, 64, 16, Threads: 64, SharedBytes: 0, CyclesPerDepth: 90)];
        SimtUnaligned = [Simt[0] with { Kernel = name + "SimtUnaligned", CyclesPerDepth = 120 }];
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

    // A multiprocessor of an A100 multiplies and adds 1024 times in a cycle, of which nine tenths can be had, and is given some
    // 32 bytes in a cycle by the second-level cache. Other GPUs have the same proportions within a factor of two.
    static ProductTile OnTensorCores(string name, int m, int n)
    {
        const int Depth = 32, Stages = 3, StorageBytes = 2, Threads = 128;
        const double Rate = 920, L2BytesPerCycle = 32;
        double cycles = Math.Max(m * n / Rate, (m + n) * StorageBytes / L2BytesPerCycle);
        return new ProductTile($"{name}{m}x{n}", m, n, Depth, Threads, Stages * Depth * (m + n) * StorageBytes, cycles);
    }
}

/// <summary>How a product is laid out over a device: by which tile, and over how many shares of the contraction.</summary>
readonly record struct ProductPlan(ProductTile Tile, int Splits)
{
    const int MaxSplits = 32;

    /// <summary>Least depth of a share, in multiples of the tile's depth: the pipeline wants filling.</summary>
    const int MinSteps = 6;

    /// <summary>What a tile costs beside its multiplications, in cycles: filling the pipeline, and writing the result.</summary>
    const double StartCycles = 1000, WriteBytesPerCycle = 16;

    /// <summary>What the kernel that adds the shares costs, in cycles: its launch, and bytes of shares that a multiprocessor moves.</summary>
    const double FinishCycles = 3000, ShareBytesPerCycle = 12;

    /// <summary>
    /// Chooses the tile and the number of shares of least predicted time. Time is that of the multiprocessor with the most
    /// blocks: a result of few tiles is cut along the contraction to keep all of them busy, and the last tiles of a result
    /// that fills them once and a half cost as much as a second time. Tiles of which a multiprocessor cannot hold two are left
    /// out, but for the last one. The same answer for the same arguments.
    /// </summary>
    /// <param name="tiles">Candidates, the smallest last.</param>
    /// <param name="m">Rows of the result.</param>
    /// <param name="n">Columns of the result.</param>
    /// <param name="k">Length of the contraction.</param>
    /// <param name="multiprocessors">Of the device.</param>
    /// <param name="sharedBytes">Shared memory that a block can have.</param>
    public static ProductPlan Choose(ReadOnlySpan<ProductTile> tiles, long m, long n, long k, int multiprocessors, int sharedBytes)
    {
        const int SystemBytes = 1024; // of each block
        var best = new ProductPlan(tiles[^1], 1);
        double least = double.PositiveInfinity;
        foreach (var tile in tiles)
        {
            if (tile != tiles[^1] && 2 * (tile.SharedBytes + SystemBytes) > sharedBytes + SystemBytes) continue;
            long blocks = DivideUp(m, tile.M) * DivideUp(n, tile.N), steps = DivideUp(k, tile.K);
            long most = m * n > int.MaxValue / 2 ? 1 : Math.Clamp(steps / MinSteps, 1, MaxSplits);
            for (int splits = 1; splits <= most; splits++)
            {
                double block = StartCycles + tile.CyclesPerDepth * tile.K * DivideUp(steps, splits) + (double)tile.M * tile.N * sizeof(float) / WriteBytesPerCycle;
                double cycles = DivideUp(blocks * splits, multiprocessors) * block;
                if (splits > 1) cycles += FinishCycles + 2.0 * sizeof(float) * splits * m * n / (multiprocessors * ShareBytesPerCycle);
                if (cycles < least) (best, least) = (new ProductPlan(tile, splits), cycles);
            }
        }
        return best;
    }

    /// <summary>Blocks of the launch: tiles of the result, by shares.</summary>
    public Cuda.Dim3 Grid(long m, long n) => new(checked((int)(DivideUp(m, Tile.M) * DivideUp(n, Tile.N))), 1, Splits);

    static long DivideUp(long n, long d) => (n + d - 1) / d;
}
