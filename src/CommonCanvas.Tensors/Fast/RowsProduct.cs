using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// C[M, N] = A B + epilogue, where row m of A is made of segments of consecutive values that are reached through addresses:
/// linear layers (one segment), convolutions (a segment for each tap), and their gradients of data. A is never copied; B
/// (the weights) is packed into panels of two vectors, either all of it by all threads, or each panel by the one thread
/// that uses it, at once. K is cut into blocks by the shape alone, so results do not depend on the thread count.
///
/// In pairs, a value of A is 32 bits that hold two bf16 values of k, and so is a value of packed B; the native kernel
/// multiplies them. Where B is transposed its memory is such pairs already, and B counts them as fp32 values.
/// </summary>
internal unsafe struct RowsProduct
{
    public bool Pairs;
    public float* A;
    public nint M, N;
    public nint Segments, Length; // K = Segments * Length
    public bool Gathered;         // rows by Window; otherwise row m is at A + m * Length
    public Window Window;
    public float* Zeros;          // Length zeros

    // B[s, k, n] at B + n * BStride + s * BSegment + k where transposed, else at B + k * BStride + s * BSegment + n
    public void* B;
    public DType BType;
    public bool BTransposed;
    public nint BStride, BSegment;

    // C = product + Bias[n] + PerSample[m / RowsPerSample, n] + Residual[m, n]
    public void* C;
    public DType CType;
    public float* Partial; // fp32 sums between blocks of K where CType is narrower
    public float* Bias, PerSample;
    public nint RowsPerSample;
    public void* Residual;

    public float* Packed;      // all of B, where it is packed by all threads
    public byte* Threads;      // working memory of thread t at Threads + t * Apart
    public nint Apart;
    public int GridRows, GridColumns; // threads along M and N

    /// <summary>Values of K in a block.</summary>
    /// <remarks>TRIED on Zen 5: see the head of <see cref="RowsEngine{TV, S}"/>.</remarks>
    public const int KBlock = 576;

    /// <summary>Blocks of K.</summary>
    public readonly nint Blocks => Length > KBlock ? Segments * ((Length + KBlock - 1) / KBlock) : (Segments + SegmentsPerBlock - 1) / SegmentsPerBlock;

    /// <summary>Whole segments that a block holds, the blocks being equal to within one.</summary>
    readonly nint SegmentsPerBlock
    {
        get
        {
            nint most = Math.Max(1, KBlock / Math.Max(1, Length)), blocks = (Segments + most - 1) / most;
            return (Segments + blocks - 1) / blocks;
        }
    }

    /// <summary>Block <paramref name="i"/>: <paramref name="segments"/> from <paramref name="segment"/> on, of each <paramref name="length"/> values from <paramref name="start"/> on.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public readonly void Block(nint i, out nint segment, out nint segments, out nint start, out nint length)
    {
        if (Length > KBlock)
        {
            nint pieces = (Length + KBlock - 1) / KBlock, piece = ((Length + pieces - 1) / pieces + 15) / 16 * 16;
            (segment, segments, start) = (i / pieces, 1, Math.Min(Length, i % pieces * piece));
            length = Math.Min(piece, Length - start);
            return;
        }
        nint each = SegmentsPerBlock;
        (segment, start, length) = (i * each, 0, Length);
        segments = Math.Min(each, Segments - segment);
    }
}
