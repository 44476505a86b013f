using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace CommonCanvas.Tensors;

/// <summary>
/// C[M, segments * N] = or += the sum over k of A[k, M]^T beside B[k, s, N]: gradients of weights, with k the rows (pixels), A the
/// gradient of the output and B the input, at each tap for a convolution. In pairs, A and B hold bf16 values, packed ones two
/// of neighbouring k in 32 bits, and the native kernel multiplies them.
/// </summary>
internal unsafe struct OuterProduct
{
    public bool Pairs;
    public void* A;      // [K, M]
    public void* B;      // rows of N values: row k, or the row that Window names for tap s
    public float* C;     // [M, Segments * N]
    public bool Accumulate;
    public nint M, N, K, Segments;
    public bool Gathered;
    public Window Window;
    public float* Zeros; // N zeros

    public float* Packed; // a block of A in tiles, [tile][step][OuterTile], and the next one
    public byte* Threads;
    public nint Apart;
    public int GridRows, GridColumns;

    /// <summary>How many rows of A and B make a step of the micro-kernel.</summary>
    public readonly int RowsPerStep => Pairs ? 2 : 1;

    /// <summary>Steps of the micro-kernel.</summary>
    public readonly nint Steps => (K + RowsPerStep - 1) / RowsPerStep;

    /// <summary>The first row of C in tile <paramref name="t"/> of <paramref name="height"/> rows: the last tile ends with C, over rows of the one before.</summary>
    public readonly nint TileStart(nint t, int height) => Math.Max(0, Math.Min(t * height, M - height));
}

/// <summary>
/// Runs an <see cref="OuterProduct"/> on a team. K is cut into blocks of fixed size, and each element of C receives them in
/// order. A block of A is packed by all threads, panels of B by the thread that uses them.
/// </summary>
/// <remarks>TRIED (Zen 5, bf16, M 1280, N 160, K 4096): all of A packed at once, which leaves the L2 cache before it is used, 569 of 711 GFLOP/s.</remarks>
internal static unsafe class OuterEngine<TV, S> where TV : struct where S : struct, ILanes<TV>
{
    /// <summary>Steps of the micro-kernel in a block of K.</summary>
    const int KBlock = 256;

    static int NR => MicroKernels<TV, S>.Columns;
    static int MR => MicroKernels<TV, S>.OuterTile;

    /// <summary>Computes the product; <paramref name="p"/>'s working memory is set here.</summary>
    public static void Run(ThreadTeam team, Scratch scratch, ref OuterProduct p)
    {
        if (p.K == 0 && !p.Accumulate) NativeMemory.Clear(p.C, (nuint)(p.M * p.Segments * p.N * sizeof(float)));
        if (p.M == 0 || p.N == 0 || p.K == 0) return;
        nint tiles = (p.M + MR - 1) / MR, panels = p.Segments * ((p.N + NR - 1) / NR);
        RowsEngine<TV, S>.Grid(team.Threads, tiles, panels, preferColumns: true, out p.GridRows, out p.GridColumns);
        p.Packed = (float*)scratch.Get(Scratch.Slot.Packed, 2 * tiles * KBlock * MR * sizeof(float));
        p.Threads = scratch.PerThread(team.Threads, 2 * KBlock * sizeof(nint) + KBlock * NR * sizeof(float) + MR * NR * sizeof(float), out p.Apart);
        fixed (OuterProduct* job = &p) team.Run(&Job, job);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Job(ThreadTeam team, void* argument, int thread)
    {
        ref OuterProduct p = ref *(OuterProduct*)argument;
        nint tiles = (p.M + MR - 1) / MR, perSegment = (p.N + NR - 1) / NR, panels = p.Segments * perSegment, steps = p.Steps;
        var (tile0, tile1) = ThreadTeam.Share(tiles, thread / p.GridColumns, p.GridRows);
        var (panel0, panel1) = ThreadTeam.Share(panels, thread % p.GridColumns, p.GridColumns);
        byte** addresses = (byte**)(p.Threads + thread * p.Apart);
        float* tile = (float*)(addresses + 2 * KBlock);
        float* panel = tile + MR * NR;
        for (nint step = 0; step < steps; step += KBlock)
        {
            nint length = Math.Min(KBlock, steps - step), known = -1;
            // one barrier is enough: none packs the block after the next before all have used this one
            float* packed = p.Packed + step / KBlock % 2 * tiles * KBlock * MR;
            PackTiles(team, ref p, thread, tiles, step, length, packed);
            team.Barrier();
            for (nint j = panel0; j < panel1; j++)
            {
                nint segment = j / perSegment, n0 = j % perSegment * NR, columns = Math.Min(NR, p.N - n0);
                if (known != segment) Addresses(ref p, step, length, (int)segment, addresses);
                known = segment;
                PackPanel(ref p, addresses, n0, columns, length, panel);
                for (nint t = tile0; t < tile1; t++)
                {
                    nint width = p.Segments * p.N, done = t * MR - p.TileStart(t, MR), rows = Math.Min(MR, p.M - t * MR);
                    float* a = packed + t * length * MR, c = p.C + t * MR * width + segment * p.N + n0;
                    Prefetch(c, rows, width);
                    if (p.Pairs) NativeKernels.Outer(length, a, MR, panel, tile);
                    else MicroKernels<TV, S>.Outer(length, a, MR, panel, tile);
                    Receive(tile + done * NR, rows, columns, c, width, accumulate: p.Accumulate || step > 0);
                }
            }
        }
    }

    /// <summary>The steps of A from <paramref name="step"/> on in tiles, each thread a part.</summary>
    static void PackTiles(ThreadTeam team, ref OuterProduct p, int thread, nint tiles, nint step, nint length, float* packed)
    {
        nint k0 = step * p.RowsPerStep, rows = Math.Min(length * p.RowsPerStep, p.K - k0);
        var (first, last) = team.Share(tiles, thread);
        for (nint t = first; t < last; t++)
        {
            nint m0 = p.TileStart(t, MR), from = k0 * p.M + m0;
            float* to = packed + t * length * MR;
            if (p.Pairs) PairPacking.Outer((ushort*)p.A + from, p.M, p.M - m0, rows, to);
            else Packing<TV, S>.Outer((float*)p.A + from, p.M, p.M - m0, rows, to);
        }
    }

    /// <summary>The rows of B at a tap that the steps from <paramref name="step"/> on read; past the last one, zeros.</summary>
    static void Addresses(ref OuterProduct p, nint step, nint length, int segment, byte** addresses)
    {
        nint k0 = step * p.RowsPerStep, rows = length * p.RowsPerStep, there = Math.Min(rows, p.K - k0), size = p.N * (p.Pairs ? sizeof(ushort) : sizeof(float));
        if (p.Gathered) p.Window.AddressesOfTap((byte*)p.B, size, (byte*)p.Zeros, k0, there, segment, addresses);
        else for (nint k = 0; k < there; k++) addresses[k] = (byte*)p.B + (k0 + k) * size;
        for (nint k = there; k < rows; k++) addresses[k] = (byte*)p.Zeros;
    }

    static void PackPanel(ref OuterProduct p, byte** addresses, nint n0, nint columns, nint length, float* panel)
    {
        if (p.Pairs)
            for (nint k = 0; k < length; k++) PairPacking.Row((ushort*)addresses[2 * k] + n0, (ushort*)addresses[2 * k + 1] + n0, columns, panel + k * NR);
        else
            for (nint k = 0; k < length; k++) Packing<TV, S>.Row((float*)addresses[k] + n0, columns, panel + k * NR);
    }

    /// <summary>Rows of C that are on their way while the micro-kernel runs: they are far apart, and large gradients lie in memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Prefetch(float* c, nint rows, nint stride)
    {
        if (!Sse.IsSupported) return;
        for (nint r = 0; r < rows; r++, c += stride)
            for (int line = 0; line < NR; line += 16) Sse.Prefetch0(c + line);
    }

    /// <summary>c = or += tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Receive(float* tile, nint rows, nint columns, float* c, nint stride, bool accumulate)
    {
        int w = S.Width;
        for (nint r = 0; r < rows; r++, tile += 2 * w, c += stride)
        {
            if (columns == 2 * w)
            {
                TV first = accumulate ? S.Load(c) : S.Zero, second = accumulate ? S.Load(c + w) : S.Zero;
                S.Store(S.Add(first, S.Load(tile)), c);
                S.Store(S.Add(second, S.Load(tile + w)), c + w);
                continue;
            }
            for (nint n = 0; n < columns; n++) c[n] = (accumulate ? c[n] : 0) + tile[n];
        }
    }
}
