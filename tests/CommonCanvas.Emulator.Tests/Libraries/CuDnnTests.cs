using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Libraries;

namespace CommonCanvas.Emulator.Tests.Libraries;

/// <summary>cuDNN's call sites on the emulated library against the definition of a convolution, and what is refused.</summary>
public sealed class CuDnnTests : IDisposable
{
    static readonly ConvolutionShape Same = new(2, 5, 4, 3, 5, 4, 6, Kernel: 3, Stride: 1, PadHeight: 1, PadWidth: 1, CuDnnType.F32);
    static readonly ConvolutionShape Down = Same with { OutHeight = 3, OutWidth = 2, Stride = 2 };

    readonly EmulatedGpu gpu = new();
    readonly CuDnn library;

    public CuDnnTests() => library = new CuDnn(gpu.Device, EmulatedCuDnn.Table, "emulated");

    public void Dispose()
    {
        library.Dispose();
        gpu.Dispose();
    }

    public static TheoryData<bool> Strides => [false, true];

    // eighths, so that sums are exact
    static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(-8, 9) / 8f)];
    }

    static int X(ConvolutionShape s) => s.Samples * s.Height * s.Width * s.Inputs;

    static int Y(ConvolutionShape s) => s.Samples * s.OutHeight * s.OutWidth * s.Outputs;

    static int W(ConvolutionShape s) => s.Outputs * s.Kernel * s.Kernel * s.Inputs;

    /// <summary>The places of every product x weight in y.</summary>
    static IEnumerable<(int X, int Weight, int Y)> Terms(ConvolutionShape s)
    {
        for (int n = 0; n < s.Samples; n++)
            for (int row = 0; row < s.OutHeight; row++)
                for (int column = 0; column < s.OutWidth; column++)
                    for (int kh = 0; kh < s.Kernel; kh++)
                        for (int kw = 0; kw < s.Kernel; kw++)
                        {
                            int h = row * s.Stride + kh - s.PadHeight, w = column * s.Stride + kw - s.PadWidth;
                            if (h < 0 || h >= s.Height || w < 0 || w >= s.Width) continue;
                            for (int o = 0; o < s.Outputs; o++)
                                for (int i = 0; i < s.Inputs; i++)
                                    yield return (((n * s.Height + h) * s.Width + w) * s.Inputs + i, ((o * s.Kernel + kh) * s.Kernel + kw) * s.Inputs + i, ((n * s.OutHeight + row) * s.OutWidth + column) * s.Outputs + o);
                        }
    }

    [Theory, MemberData(nameof(Strides))]
    public void Forward_adds_bias_residual_and_per_sample(bool down)
    {
        var shape = down ? Down : Same;
        float[] x = Numbers(X(shape), 1), weight = Numbers(W(shape), 2), bias = Numbers(shape.Outputs, 3), residual = Numbers(Y(shape), 4), perSample = Numbers(shape.Samples * shape.Outputs, 5);
        nint onX = gpu.Upload<float>(x), onWeight = gpu.Upload<float>(weight), onBias = gpu.Upload<float>(bias), onResidual = gpu.Upload<float>(residual), onPerSample = gpu.Upload<float>(perSample), y = gpu.Allocate(Y(shape) * 4);
        using var convolution = new CuDnnConvolution(library, shape, ConvolutionPass.Forward);
        Assert.Equal(0, convolution.WorkspaceBytes());

        var plain = new float[Y(shape)];
        foreach (var (atX, atWeight, atY) in Terms(shape)) plain[atY] += x[atX] * weight[atWeight];
        convolution.Forward(gpu.Stream, onX, onWeight, 0, 0, y, 0, 0);
        Assert.Equal(plain, gpu.Download<float>(y, plain.Length));

        convolution.Forward(gpu.Stream, onX, onWeight, onBias, onResidual, y, 0, 0);
        convolution.AddPerSample(gpu.Stream, onPerSample, y);
        int plane = shape.OutHeight * shape.OutWidth * shape.Outputs;
        Assert.Equal(plain.Select((sum, i) => sum + residual[i] + bias[i % shape.Outputs] + perSample[i / plane * shape.Outputs + i % shape.Outputs]), gpu.Download<float>(y, plain.Length));
    }

    [Theory, MemberData(nameof(Strides))]
    public void Gradients_are_the_transposed_sums(bool down)
    {
        var shape = down ? Down : Same;
        float[] x = Numbers(X(shape), 1), weight = Numbers(W(shape), 2), dY = Numbers(Y(shape), 3), before = Numbers(W(shape), 4);
        nint onX = gpu.Upload<float>(x), onWeight = gpu.Upload<float>(weight), onDY = gpu.Upload<float>(dY), dX = gpu.Allocate(X(shape) * 4), dWeight = gpu.Upload<float>(before);
        float[] ofX = new float[x.Length], ofWeight = [.. before];
        foreach (var (atX, atWeight, atY) in Terms(shape))
        {
            ofX[atX] += weight[atWeight] * dY[atY];
            ofWeight[atWeight] += x[atX] * dY[atY];
        }
        using CuDnnConvolution data = new(library, shape, ConvolutionPass.BackwardData), filter = new(library, shape, ConvolutionPass.BackwardFilter);
        long bytes = data.WorkspaceBytes()!.Value;
        nint workspace = gpu.Allocate(bytes);
        data.BackwardData(gpu.Stream, onWeight, onDY, dX, workspace, bytes);
        filter.BackwardFilter(gpu.Stream, onX, onDY, dWeight, beta: 1, workspace, bytes);
        Assert.Equal(ofX, gpu.Download<float>(dX, ofX.Length));
        Assert.Equal(ofWeight, gpu.Download<float>(dWeight, ofWeight.Length));
    }

    [Fact]
    public void A_refusal_names_the_call_the_code_and_the_shape()
    {
        nint memory = gpu.Allocate(1 << 16);
        using var filter = new CuDnnConvolution(library, Same, ConvolutionPass.BackwardFilter);
        var small = Assert.Throws<LibraryCallException>(() => filter.BackwardFilter(gpu.Stream, memory, memory, memory, 0, memory, 8));
        Assert.Equal($"cuDNN 8.9.7: cudnnConvolutionBackwardFilter failed: CUDNN_STATUS_BAD_PARAM (3); BackwardFilter of {Same}", small.Message);
        Assert.Contains("too small", EmulatedLibraries.TakeRefusal());

        using var wrong = new CuDnnConvolution(library, Same with { OutHeight = 9 }, ConvolutionPass.Forward);
        Assert.Contains("cudnnGetConvolutionForwardWorkspaceSize", Assert.Throws<LibraryCallException>(() => wrong.WorkspaceBytes()).Message);

        using var forward = new CuDnnConvolution(library, Same, ConvolutionPass.Forward);
        var inPlace = Assert.Throws<LibraryCallException>(() => forward.Forward(gpu.Stream, memory, memory, memory, memory, memory, 0, 0));
        Assert.Contains("CUDNN_STATUS_NOT_SUPPORTED (9)", inPlace.Message);
    }

    [Fact]
    public void Both_versions_ways_to_say_not_supported_are_known()
    {
        Assert.True(CuDnn.IsNotSupported(9));
        Assert.True(CuDnn.IsNotSupported(3000));
        Assert.False(CuDnn.IsNotSupported(2000));
        Assert.False(CuDnn.IsNotSupported(0));
    }
}
