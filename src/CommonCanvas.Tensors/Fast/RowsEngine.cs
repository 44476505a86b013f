using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Runs a <see cref="RowsProduct"/> on a team.</summary>
internal static unsafe class RowsEngine<TV, S> where TV : struct where S : struct, ILanes<TV>
{
    /// <summary>Up to as many rows each panel of B is packed where it is used; above, B is packed once for all.</summary>
    const int FewRows = 256;

    /// <summary>Rows that a thread takes through all panels at a time where B is packed once: their part of A and C stays in the L2 cache.</summary>
    const int RowBlock = 128;

    /// <summary>Panels that are packed together, so that rows of B are read in long pieces.</summary>
    const int PanelGroup = 8;

    static int NR => MicroKernels<TV, S>.Columns;
    static int MR => MicroKernels<TV, S>.RowTile;

    /// <summary>Computes the product; <paramref name="p"/>'s working memory is set here.</summary>
    public static void Run(ThreadTeam team, Scratch scratch, ref RowsProduct p)
    {
        if (p.M == 0 || p.N == 0) return;
        nint panels = (p.N + NR - 1) / NR, tiles = (p.M + MR - 1) / MR;
        bool few = p.M <= FewRows;
        Grid(team.Threads, tiles, panels, preferColumns: few, out p.GridRows, out p.GridColumns);
        p.Packed = few ? null : (float*)scratch.Get(Scratch.Slot.Packed, panels * NR * p.Segments * p.Length * sizeof(float));
        p.Threads = scratch.PerThread(team.Threads, ThreadBytes(p.Segments), out p.Apart);
        fixed (RowsProduct* job = &p) team.Run(&Job, job);
    }

    /// <summary>Bytes of a thread's working memory: addresses, a group of panels, a panel's fp32 source, a tile.</summary>
    static nint ThreadBytes(nint segments) =>
        (FewRows + MR) * segments * sizeof(nint) + (PanelGroup + 1) * BlockSize * NR * sizeof(float) + MR * NR * sizeof(float) + 4096;

    /// <summary>The most values of K in a block: KBlock rounded up to whole pieces of 16.</summary>
    static nint BlockSize => RowsProduct.KBlock + 16;

    /// <summary>Divides threads into rows by columns so that the largest share of tiles is the smallest.</summary>
    public static void Grid(int threads, nint tiles, nint panels, bool preferColumns, out int rows, out int columns)
    {
        (rows, columns) = (1, threads);
        nint best = nint.MaxValue;
        for (int r = 1; r <= threads; r++)
        {
            if (threads % r != 0) continue;
            int c = threads / r;
            nint share = ((tiles + r - 1) / r) * ((panels + c - 1) / c);
            if (share > best || (share == best && preferColumns)) continue;
            (best, rows, columns) = (share, r, c);
        }
    }

    static void Job(ThreadTeam team, void* argument, int thread)
    {
        ref RowsProduct p = ref *(RowsProduct*)argument;
        nint panels = (p.N + NR - 1) / NR, tiles = (p.M + MR - 1) / MR;
        var (tile0, tile1) = ThreadTeam.Share(tiles, thread / p.GridColumns, p.GridRows);
        var (panel0, panel1) = ThreadTeam.Share(panels, thread % p.GridColumns, p.GridColumns);
        if (p.Packed != null)
        {
            PackAll(team, ref p, thread, panels);
            team.Barrier();
        }
        nint step = p.Packed != null ? Math.Max(1, RowBlock / MR) : Math.Max(1, FewRows / MR);
        for (nint t = tile0; t < tile1; t += step) RowsOfTiles(ref p, thread, t, Math.Min(t + step, tile1), panel0, panel1, panels);
    }

    /// <summary>All of B, each thread a part: [block][panel][k][NR].</summary>
    static void PackAll(ThreadTeam team, ref RowsProduct p, int thread, nint panels)
    {
        float* wide = (float*)(p.Threads + thread * p.Apart);
        nint groups = (panels + PanelGroup - 1) / PanelGroup, blocks = p.Blocks;
        var (unit0, unit1) = team.Share(groups * blocks, thread);
        for (nint unit = unit0; unit < unit1; unit++)
        {
            nint block = unit / groups, j0 = unit % groups * PanelGroup, j1 = Math.Min(panels, j0 + PanelGroup);
            p.Block(block, out nint segment, out nint segments, out nint start, out nint length);
            float* to = p.Packed + (segment * p.Length + start * segments) * panels * NR + j0 * segments * length * NR;
            Pack(ref p, segment, segments, start, length, j0, j1, to, wide);
        }
    }

    /// <summary>Panels j0 to j1 of a block of K, each [segments * length][NR].</summary>
    static void Pack(ref RowsProduct p, nint segment, nint segments, nint start, nint length, nint j0, nint j1, float* to, float* wide)
    {
        nint panelSize = segments * length * NR;
        if (p.BTransposed)
        {
            // the taps of a column follow each other in memory, so whole segments are one piece
            bool whole = p.BSegment == length;
            nint pieces = whole ? 1 : segments, piece = whole ? segments * length : length;
            for (nint j = j0; j < j1; j++)
                for (nint s = 0; s < pieces; s++)
                {
                    nint offset = j * NR * p.BStride + (segment + s) * p.BSegment + start, columns = Math.Min(NR, p.N - j * NR);
                    float* panel = to + (j - j0) * panelSize + s * length * NR;
                    if (p.BType == DType.F32)
                    {
                        Packing<TV, S>.Transposed((float*)p.B + offset, p.BStride, columns, piece, panel);
                        continue;
                    }
                    for (nint c = 0; c < columns; c++) Packing<TV, S>.Widen(p.B, p.BType, offset + c * p.BStride, piece, wide + c * piece);
                    Packing<TV, S>.Transposed(wide, piece, columns, piece, panel);
                }
            return;
        }
        nint n0 = j0 * NR, n1 = Math.Min(p.N, j1 * NR);
        if (p.Pairs)
        {
            for (nint s = 0; s < segments; s++)
                for (nint k = 0; k < length; k++, to += NR)
                {
                    ushort* even = (ushort*)p.B + 2 * (start + k) * p.BStride + (segment + s) * p.BSegment;
                    float* row = to;
                    for (nint n = n0; n < n1; n += NR, row += panelSize) PairPacking.Row(even + n, even + p.BStride + n, n1 - n, row);
                }
            return;
        }
        for (nint s = 0; s < segments; s++)
            for (nint k = 0; k < length; k++, to += NR)
            {
                nint offset = (start + k) * p.BStride + (segment + s) * p.BSegment + n0;
                float* from = (float*)p.B + offset;
                if (p.BType != DType.F32)
                {
                    Packing<TV, S>.Widen(p.B, p.BType, offset, n1 - n0, wide);
                    from = wide;
                }
                float* row = to;
                for (nint n = n0; n < n1; n += NR, from += NR, row += panelSize) Packing<TV, S>.Row(from, n1 - n, row);
            }
    }

    /// <summary>Tiles t0 to t1 of rows through panels panel0 to panel1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void RowsOfTiles(ref RowsProduct p, int thread, nint t0, nint t1, nint panel0, nint panel1, nint panels)
    {
        float** addresses = (float**)(p.Threads + thread * p.Apart);
        float* tile = (float*)(addresses + (FewRows + MR) * p.Segments);
        float* local = tile + MR * NR;
        float* wide = local + PanelGroup * BlockSize * NR;
        float** moved = stackalloc float*[MR];
        nint m0 = t0 * MR, blocks = p.Blocks;
        Addresses(ref p, m0, Math.Min(p.M, t1 * MR) - m0, addresses);
        for (nint block = 0; block < blocks; block++)
        {
            p.Block(block, out nint segment, out nint segments, out nint start, out nint length);
            nint panelSize = segments * length * NR;
            for (nint j0 = panel0; j0 < panel1; j0 += PanelGroup)
            {
                nint j1 = Math.Min(panel1, j0 + PanelGroup);
                float* b = local;
                if (p.Packed != null) b = p.Packed + (segment * p.Length + start * segments) * panels * NR + j0 * panelSize;
                else Pack(ref p, segment, segments, start, length, j0, j1, local, wide);
                for (nint j = j0; j < j1; j++, b += panelSize)
                    for (nint t = t0; t < t1; t++)
                    {
                        float** rows = addresses + ((t - t0) * p.Segments + segment) * MR;
                        if (start != 0)
                        {
                            for (int r = 0; r < MR; r++) moved[r] = rows[r] + start;
                            rows = moved;
                        }
                        if (p.Pairs) NativeKernels.Rows(segments, rows, length, b, tile);
                        else MicroKernels<TV, S>.Rows(segments, rows, length, b, tile);
                        TileEnd<TV, S>.Finish(ref p, t * MR, Math.Min(MR, p.M - t * MR), j * NR, Math.Min(NR, p.N - j * NR), tile, block == 0, block == blocks - 1);
                    }
            }
        }
    }

    /// <summary>The table of row addresses: [tile][segment][MR].</summary>
    static void Addresses(ref RowsProduct p, nint m0, nint count, float** table)
    {
        if (p.Gathered)
        {
            p.Window.Addresses((byte*)p.A, p.Length * sizeof(float), (byte*)p.Zeros, m0, count, MR, (byte**)table);
            return;
        }
        nint all = (count + MR - 1) / MR * MR;
        for (nint m = 0; m < all; m++) table[m] = m < count ? p.A + (m0 + m) * p.Length : p.Zeros;
    }
}
