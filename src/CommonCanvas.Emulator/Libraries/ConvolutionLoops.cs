namespace CommonCanvas.Emulator.Libraries;

/// <summary>A convolution's three passes over channels-last images, in fp32; weights are [outputs, kernel rows, kernel columns, inputs].</summary>
internal sealed record ConvolutionLoops(int Samples, int Height, int Width, int Inputs, int OutHeight, int OutWidth, int Outputs,
    int KernelHeight, int KernelWidth, int StrideHeight, int StrideWidth, int PadHeight, int PadWidth)
{
    /// <summary>y.</summary>
    public float[] Forward(float[] x, float[] weight)
    {
        var y = new float[Samples * OutHeight * OutWidth * Outputs];
        OverTaps((pixel, inputPixel, tap) =>
        {
            var from = x.AsSpan(inputPixel * Inputs, Inputs);
            for (int o = 0; o < Outputs; o++) y[pixel * Outputs + o] += HostValues.Dot(from, weight.AsSpan((o * KernelHeight * KernelWidth + tap) * Inputs, Inputs));
        });
        return y;
    }

    /// <summary>The gradient of x.</summary>
    public float[] BackwardData(float[] weight, float[] dY)
    {
        var dX = new float[Samples * Height * Width * Inputs];
        OverTaps((pixel, inputPixel, tap) =>
        {
            for (int o = 0; o < Outputs; o++) AddScaled(dY[pixel * Outputs + o], weight.AsSpan((o * KernelHeight * KernelWidth + tap) * Inputs, Inputs), dX.AsSpan(inputPixel * Inputs, Inputs));
        });
        return dX;
    }

    /// <summary>The gradient of the weight.</summary>
    public float[] BackwardFilter(float[] x, float[] dY)
    {
        var dWeight = new float[Outputs * KernelHeight * KernelWidth * Inputs];
        OverTaps((pixel, inputPixel, tap) =>
        {
            for (int o = 0; o < Outputs; o++) AddScaled(dY[pixel * Outputs + o], x.AsSpan(inputPixel * Inputs, Inputs), dWeight.AsSpan((o * KernelHeight * KernelWidth + tap) * Inputs, Inputs));
        });
        return dWeight;
    }

    static void AddScaled(float factor, ReadOnlySpan<float> from, Span<float> to)
    {
        for (int i = 0; i < from.Length; i++) to[i] += factor * from[i];
    }

    // every pixel of y with every pixel of x that a tap of the kernel meets
    void OverTaps(Action<int, int, int> work)
    {
        int pixel = 0;
        for (int sample = 0; sample < Samples; sample++)
            for (int row = 0; row < OutHeight; row++)
                for (int column = 0; column < OutWidth; column++, pixel++)
                    for (int tap = 0; tap < KernelHeight * KernelWidth; tap++)
                    {
                        int h = row * StrideHeight + tap / KernelWidth - PadHeight, w = column * StrideWidth + tap % KernelWidth - PadWidth;
                        if (h >= 0 && h < Height && w >= 0 && w < Width) work(pixel, (sample * Height + h) * Width + w, tap);
                    }
    }
}
