using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>A convolution over NHWC, plus a vector for each sample and a residual where they are given.</summary>
public sealed class Conv2d : Layer
{
    readonly Parameter weight, bias;
    readonly ConvGeometry geometry;
    Tensor x;

    /// <summary>Declares <c>weight</c> and <c>bias</c>.</summary>
    public Conv2d(LayerContext context, ParameterScope scope, int inputs, int outputs, ConvGeometry geometry) : base(context)
    {
        this.geometry = geometry;
        weight = scope.Kernel(outputs, inputs, geometry.Kernel);
        bias = scope.Bias(outputs, inputs * geometry.Kernel * geometry.Kernel);
    }

    /// <summary>[B, Ho, Wo, outputs]; perSample [B, outputs] and residual, of the result's shape, are optional.</summary>
    public Tensor Forward(Tensor input, Tensor perSample = default, Tensor residual = default)
    {
        var y = Arena.Rent(input.Type, input[0], geometry.OutHeight(input[1]), geometry.OutWidth(input[2]), weight.Shape[0]);
        Ops.ConvForward(input, weight.Value, bias.Value, perSample, residual, geometry, y);
        Keep(ref x, input);
        return y;
    }

    /// <summary>The gradient of the input, none where it is not needed; perSample's is written to <paramref name="dPerSample"/>.</summary>
    public Tensor Backward(Tensor dY, bool needInput = true, Tensor dPerSample = default)
    {
        var dX = needInput ? Arena.RentLike(x) : default;
        Ops.ConvBackward(x, weight.Value, dY, geometry, dX, weight.NextGradient(), bias.NextGradient(), dPerSample);
        Arena.Drop(ref x);
        return dX;
    }
}
