using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// C[M, segments * N] += the sum over k of A[k, M]^T beside B[k, s, N]: gradients of weights, with k the rows (pixels), A the
/// gradient of the output and B the input, at each tap for a convolution.
/// </summary>
internal unsafe struct OuterProduct
{
    public float* A;    // [K, M]
    public float* B;    // rows of N values: row k, or the row that Window names for tap s
    public float* C;    // [M, Segments * N]
    public nint M, N, K, Segments;
    public bool Gathered;
    public Window Window;
    public float* Zeros; // N zeros

    public float* Packed;
    public byte* Threads;
    public nint Apart;
    public int GridRows, GridColumns;
}

/// <summary>
/// Runs an <see cref="OuterProduct"/> on a team. A is packed by all threads; panels of B by the thread that uses them. K is
/// cut into blocks of fixed size, and each element of C receives them in order.
/// </summary>
internal static unsafe class OuterEngine<TV, S> where TV : struct where S : struct, ILanes<TV>
{
    const int KBlock = 256;

    static int NR => MicroKernels<TV, S>.Columns;
    static int MR => MicroKernels<TV, S>.OuterTile;

    /// <summary>Computes the product; <paramref name="p"/>'s working memory is set here.</summary>
    public static void Run(ThreadTeam team, Scratch scratch, ref OuterProduct p)
    {
        if (p.M == 0 || p.N == 0 || p.K == 0) return;
        nint tiles = (p.M + MR - 1) / MR, panels = p.Segments * ((p.N + NR - 1) / NR);
        RowsEngine<TV, S>.Grid(team.Threads, tiles, panels, preferColumns: true, out p.GridRows, out p.GridColumns);
        p.Packed = (float*)scratch.Get(Scratch.Slot.Packed, tiles * p.K * MR * sizeof(float));
        p.Threads = scratch.PerThread(team.Threads, KBlock * sizeof(nint) + KBlock * NR * sizeof(float) + MR * NR * sizeof(float), out p.Apart);
        fixed (OuterProduct* job = &p) team.Run(&Job, job);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Job(ThreadTeam team, void* argument, int thread)
    {
        ref OuterProduct p = ref *(OuterProduct*)argument;
        nint tiles = (p.M + MR - 1) / MR, perSegment = (p.N + NR - 1) / NR, panels = p.Segments * perSegment;
        nint blocks = (p.K + KBlock - 1) / KBlock;

        // A in tiles: [tile][k][MR]
        var (unit0, unit1) = team.Share(tiles * blocks, thread);
        for (nint unit = unit0; unit < unit1; unit++)
        {
            nint t = unit % tiles, k0 = unit / tiles * KBlock;
            Packing<TV, S>.Outer(p.A + k0 * p.M + t * MR, p.M, p.M - t * MR, Math.Min(KBlock, p.K - k0), p.Packed + (t * p.K + k0) * MR);
        }
        team.Barrier();

        var (tile0, tile1) = ThreadTeam.Share(tiles, thread / p.GridColumns, p.GridRows);
        var (panel0, panel1) = ThreadTeam.Share(panels, thread % p.GridColumns, p.GridColumns);
        float** addresses = (float**)(p.Threads + thread * p.Apart);
        float* tile = (float*)(addresses + KBlock);
        float* panel = tile + MR * NR;
        for (nint k0 = 0; k0 < p.K; k0 += KBlock)
        {
            nint length = Math.Min(KBlock, p.K - k0), known = -1;
            for (nint j = panel0; j < panel1; j++)
            {
                nint segment = j / perSegment, n0 = j % perSegment * NR, columns = Math.Min(NR, p.N - n0);
                if (!p.Gathered) Packing<TV, S>.Straight(p.B + k0 * p.N + n0, p.N, columns, length, panel);
                else
                {
                    if (known != segment) p.Window.AddressesOfTap(p.B, p.N, p.Zeros, k0, length, (int)segment, addresses);
                    known = segment;
                    for (nint k = 0; k < length; k++) Packing<TV, S>.Row(addresses[k] + n0, columns, panel + k * NR);
                }
                for (nint t = tile0; t < tile1; t++)
                {
                    MicroKernels<TV, S>.Outer(length, p.Packed + (t * p.K + k0) * MR, MR, panel, tile);
                    nint width = p.Segments * p.N;
                    Accumulate(tile, Math.Min(MR, p.M - t * MR), columns, p.C + t * MR * width + segment * p.N + n0, width);
                }
            }
        }
    }

    /// <summary>c += tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Accumulate(float* tile, nint rows, nint columns, float* c, nint stride)
    {
        int w = S.Width;
        for (nint r = 0; r < rows; r++, tile += 2 * w, c += stride)
        {
            if (columns == 2 * w)
            {
                S.Store(S.Add(S.Load(c), S.Load(tile)), c);
                S.Store(S.Add(S.Load(c + w), S.Load(tile + w)), c + w);
                continue;
            }
            for (nint n = 0; n < columns; n++) c[n] += tile[n];
        }
    }
}
