namespace CommonCanvas.Tensors;

/// <summary>
/// Which pixel of a source image a row of an implicit GEMM reads at each tap: the row is a pixel (b, h, w) of a grid, and
/// tap (i, j) reads source pixel ((h * Multiply + Top + Step * i) / Divide, likewise for w), a row of zeros where that is
/// outside or no whole number.
/// </summary>
internal unsafe struct Window
{
    public int Height, Width;             // of the grid that the rows count
    public int SourceHeight, SourceWidth; // of the image that they read
    public int Kernel, Multiply, Divide, Top, Left, Step;

    /// <summary>Output pixels reading the input: forward, and the gradient of weights.</summary>
    public static Window Forward(Tensor x, Tensor y, in ConvGeometry geometry) => new()
    {
        Height = y[1], Width = y[2], SourceHeight = x[1], SourceWidth = x[2], Kernel = geometry.Kernel,
        Multiply = geometry.Stride, Divide = 1, Top = -geometry.PadTop, Left = -geometry.PadLeft, Step = 1,
    };

    /// <summary>Input pixels reading the gradient of the output: the gradient of data.</summary>
    public static Window Backward(Tensor x, Tensor y, in ConvGeometry geometry) => new()
    {
        Height = x[1], Width = x[2], SourceHeight = y[1], SourceWidth = y[2], Kernel = geometry.Kernel,
        Multiply = 1, Divide = geometry.Stride, Top = geometry.PadTop, Left = geometry.PadLeft, Step = -1,
    };

    /// <summary>Rows m0 to m0 + count: the addresses that they read at each tap.</summary>
    /// <param name="source">The image, NHWC.</param>
    /// <param name="pixel">Bytes of a pixel.</param>
    /// <param name="zeros">A row of zeros.</param>
    /// <param name="m0">First row.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="tile">Rows of a tile; the table is [tiles][taps][tile].</param>
    /// <param name="table">Receives the addresses; the rows that fill up the last tile read zeros.</param>
    public readonly void Addresses(byte* source, nint pixel, byte* zeros, nint m0, nint count, int tile, byte** table)
    {
        int taps = Kernel * Kernel, inner = Kernel - 1;
        nint* offsets = stackalloc nint[taps];
        for (int i = 0; i < Kernel; i++)
            for (int j = 0; j < Kernel; j++) offsets[i * Kernel + j] = ((nint)i * SourceWidth + j) * Step * pixel;
        nint b = m0 / (Height * Width), rest = m0 % (Height * Width);
        int h = (int)(rest / Width), w = (int)(rest % Width), r = 0;
        for (nint m = 0; m < count; m++)
        {
            int top = h * Multiply + Top, left = w * Multiply + Left;
            int bottom = top + Step * inner, right = left + Step * inner;
            byte* image = source + b * SourceHeight * SourceWidth * pixel;
            if (Divide == 1 && Math.Min(top, bottom) >= 0 && Math.Max(top, bottom) < SourceHeight && Math.Min(left, right) >= 0 && Math.Max(left, right) < SourceWidth)
            {
                byte* first = image + ((nint)top * SourceWidth + left) * pixel;
                for (int t = 0; t < taps; t++) table[t * tile + r] = first + offsets[t];
            }
            else
            {
                for (int t = 0; t < taps; t++) table[t * tile + r] = Address(image, pixel, zeros, top + Step * (t / Kernel), left + Step * (t % Kernel));
            }
            if (++w == Width)
            {
                w = 0;
                if (++h == Height) (h, b) = (0, b + 1);
            }
            if (++r == tile)
            {
                r = 0;
                table += taps * tile;
            }
        }
        if (r == 0) return;
        for (; r < tile; r++)
            for (int t = 0; t < taps; t++) table[t * tile + r] = zeros;
    }

    /// <summary>Rows m0 to m0 + count at one tap.</summary>
    public readonly void AddressesOfTap(byte* source, nint pixel, byte* zeros, nint m0, nint count, int tap, byte** table)
    {
        nint b = m0 / (Height * Width), rest = m0 % (Height * Width);
        int h = (int)(rest / Width), w = (int)(rest % Width);
        for (nint m = 0; m < count; m++)
        {
            byte* image = source + b * SourceHeight * SourceWidth * pixel;
            table[m] = Address(image, pixel, zeros, h * Multiply + Top + Step * (tap / Kernel), w * Multiply + Left + Step * (tap % Kernel));
            if (++w < Width) continue;
            w = 0;
            if (++h == Height) (h, b) = (0, b + 1);
        }
    }

    readonly byte* Address(byte* image, nint pixel, byte* zeros, int h, int w)
    {
        if (Divide > 1)
        {
            if (h % Divide != 0 || w % Divide != 0) return zeros;
            (h, w) = (h / Divide, w / Divide);
        }
        bool inside = (uint)h < (uint)SourceHeight && (uint)w < (uint)SourceWidth;
        return inside ? image + ((nint)h * SourceWidth + w) * pixel : zeros;
    }
}
