using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CommonCanvas.Data;

/// <summary>Interpolation kernels, as Pillow names them.</summary>
public enum Filter
{
    /// <summary>Triangle of radius 1.</summary>
    Bilinear,

    /// <summary>Keys' cubic convolution with a = -1/2, radius 2.</summary>
    Bicubic,
}

/// <summary>
/// Antialiased resampling as Pillow's <c>Image.resize</c> does it: the kernel is stretched by the reduction factor, weights
/// are normalised for each output position and held in 22-bit fixed point, and rows are done before columns with 8 bits
/// between the two. Only the part that is asked for is computed. Use from many threads.
/// </summary>
public static class Resampler
{
    const int FractionBits = 22;

    /// <summary>
    /// Resizes <paramref name="from"/> to <paramref name="width"/> x <paramref name="height"/> and gives of that only the
    /// window at (<paramref name="left"/>, <paramref name="top"/>) of the size of <paramref name="to"/>.
    /// </summary>
    /// <param name="from">Source pixels.</param>
    /// <param name="width">Width of the whole resized picture.</param>
    /// <param name="height">Height of the whole resized picture.</param>
    /// <param name="filter">Kernel.</param>
    /// <param name="left">First column of the window.</param>
    /// <param name="top">First row of the window.</param>
    /// <param name="to">Takes the window.</param>
    public static void Resize(Picture from, int width, int height, Filter filter, int left, int top, Picture to)
    {
        if (left < 0 || top < 0 || left + (long)to.Width > width || top + (long)to.Height > height)
            throw new ArgumentException($"a window of {to.Width} x {to.Height} at ({left}, {top}) does not lie in {width} x {height}");
        using var columns = new Weights(from.Width, width, left, to.Width, filter);
        using var rows = new Weights(from.Height, height, top, to.Height, filter);
        int first = rows.Start[0], last = rows.Start[to.Height - 1] + rows.Length[to.Height - 1];
        byte[] between = ArrayPool<byte>.Shared.Rent(checked((last - first) * to.Width * 4));
        try
        {
            for (int y = first; y < last; y++)
                Along(from.Pixels.Slice(y * from.Width * 4, from.Width * 4), columns, between.AsSpan((y - first) * to.Width * 4, to.Width * 4));
            for (int y = 0; y < to.Height; y++)
                Across(between, to.Width * 4, rows.Start[y] - first, rows.Of(y), to.Pixels.Slice(y * to.Width * 4, to.Width * 4));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(between);
        }
    }

    /// <summary>One row: each output pixel is a weighted sum of neighbours in the row, four channels at once.</summary>
    static void Along(ReadOnlySpan<byte> row, Weights columns, Span<byte> to)
    {
        ref byte source = ref MemoryMarshal.GetReference(row);
        for (int x = 0; x < to.Length / 4; x++)
        {
            ReadOnlySpan<int> weights = columns.Of(x);
            Vector128<int> sum = Vector128.Create(1 << (FractionBits - 1));
            ref byte at = ref Unsafe.Add(ref source, columns.Start[x] * 4);
            for (int i = 0; i < weights.Length; i++, at = ref Unsafe.Add(ref at, 4))
            {
                Vector128<byte> pixel = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<uint>(ref at)).AsByte();
                sum += Vector128.WidenLower(Vector128.WidenLower(pixel)).AsInt32() * weights[i];
            }
            Store(sum, ref to[x * 4]);
        }
    }

    /// <summary>One output row: a weighted sum of whole rows, vector by vector.</summary>
    static void Across(ReadOnlySpan<byte> rows, int stride, int start, ReadOnlySpan<int> weights, Span<byte> to)
    {
        ref byte source = ref Unsafe.Add(ref MemoryMarshal.GetReference(rows), start * stride);
        for (int x = 0; x < stride; x += 4)
        {
            Vector128<int> sum = Vector128.Create(1 << (FractionBits - 1));
            ref byte at = ref Unsafe.Add(ref source, x);
            for (int i = 0; i < weights.Length; i++, at = ref Unsafe.Add(ref at, stride))
            {
                Vector128<byte> pixel = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<uint>(ref at)).AsByte();
                sum += Vector128.WidenLower(Vector128.WidenLower(pixel)).AsInt32() * weights[i];
            }
            Store(sum, ref to[x]);
        }
    }

    /// <summary>Drops the fraction and clamps to 0..255 (cubic weights overshoot).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(Vector128<int> sum, ref byte to)
    {
        Vector128<int> v = Vector128.Min(Vector128.Max(sum >> FractionBits, Vector128<int>.Zero), Vector128.Create(255));
        Vector128<ushort> words = Vector128.Narrow(v.AsUInt32(), v.AsUInt32());
        Unsafe.WriteUnaligned(ref to, Vector128.Narrow(words, words).AsUInt32().ToScalar());
    }

    /// <summary>For each output position the first input position and the weights from there.</summary>
    sealed class Weights : IDisposable
    {
        readonly int[] values;
        readonly int taps;

        public Weights(int input, int output, int first, int count, Filter filter)
        {
            double scale = (double)input / output, stretch = Math.Max(scale, 1);
            double radius = (filter == Filter.Bilinear ? 1 : 2) * stretch;
            taps = (int)Math.Ceiling(radius) * 2 + 1;
            values = ArrayPool<int>.Shared.Rent(checked(taps * count));
            Start = new int[count];
            Length = new int[count];
            double[] real = new double[taps];
            for (int o = 0; o < count; o++)
            {
                double centre = (first + o + 0.5) * scale;
                int start = Math.Max((int)(centre - radius + 0.5), 0), end = Math.Min((int)(centre + radius + 0.5), input);
                double sum = 0;
                for (int i = start; i < end; i++) sum += real[i - start] = Kernel(filter, (i - centre + 0.5) / stretch);
                for (int i = 0; i < end - start; i++) values[o * taps + i] = (int)Math.Round(real[i] / sum * (1 << FractionBits), MidpointRounding.AwayFromZero);
                Start[o] = start;
                Length[o] = end - start;
            }
        }

        public int[] Start { get; }

        public int[] Length { get; }

        public ReadOnlySpan<int> Of(int position) => values.AsSpan(position * taps, Length[position]);

        public void Dispose() => ArrayPool<int>.Shared.Return(values);

        static double Kernel(Filter filter, double x)
        {
            x = Math.Abs(x);
            if (filter == Filter.Bilinear) return Math.Max(1 - x, 0);
            const double a = -0.5;
            if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
            return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
        }
    }
}
