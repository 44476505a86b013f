using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>diffusers' Downsample2D: a 3x3 convolution of stride 2.</summary>
public sealed class Downsample : Layer
{
    readonly Conv2d conv;

    /// <summary>Declares <c>conv</c>. Padding 1 pads every side, padding 0 only right and below.</summary>
    public Downsample(LayerContext context, ParameterScope scope, int channels, int padding) : base(context) =>
        conv = new(context, scope["conv"], channels, channels, padding == 0 ? ConvGeometry.DownAsymmetric3 : ConvGeometry.Down3);

    /// <summary>About half of height and width.</summary>
    public Tensor Forward(Tensor x) => conv.Forward(x);

    /// <summary>The gradient of x.</summary>
    public Tensor Backward(Tensor dY) => conv.Backward(dY);
}

/// <summary>diffusers' Upsample2D: nearest neighbour, then a 3x3 convolution.</summary>
public sealed class Upsample : Layer
{
    readonly Conv2d conv;
    int height, width;

    /// <summary>Declares <c>conv</c>.</summary>
    public Upsample(LayerContext context, ParameterScope scope, int channels) : base(context) =>
        conv = new(context, scope["conv"], channels, channels, ConvGeometry.Same3);

    /// <summary>To the given size; left out, twice the input's.</summary>
    public Tensor Forward(Tensor x, int toHeight = 0, int toWidth = 0)
    {
        (height, width) = (x[1], x[2]);
        var larger = Arena.Rent(x.Type, x[0], toHeight > 0 ? toHeight : 2 * height, toWidth > 0 ? toWidth : 2 * width, x.Channels);
        Ops.UpsampleForward(x, larger);
        var y = conv.Forward(larger);
        Arena.Release(larger);
        return y;
    }

    /// <summary>The gradient of x.</summary>
    public Tensor Backward(Tensor dY)
    {
        var dLarger = conv.Backward(dY);
        var dX = Arena.Rent(dY.Type, dY[0], height, width, dLarger.Channels);
        Ops.UpsampleBackward(dLarger, dX);
        Arena.Release(dLarger);
        return dX;
    }
}
