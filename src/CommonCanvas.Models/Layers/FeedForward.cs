using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>diffusers' FeedForward with GEGLU, with a residual.</summary>
public sealed class FeedForward : Layer
{
    const int Expansion = 4;
    readonly Linear project, output;
    Tensor hidden;

    /// <summary>Declares net.0.proj and net.2.</summary>
    public FeedForward(LayerContext context, ParameterScope scope, int width) : base(context)
    {
        project = new(context, scope["net.0.proj"], width, 2 * Expansion * width);
        output = new(context, scope["net.2"], Expansion * width, width);
    }

    /// <summary>[B, N, width].</summary>
    public Tensor Forward(Tensor x, Tensor residual)
    {
        var h = project.Forward(x);
        var gated = Arena.Rent(x.Type, x[0], x[1], h.Channels / 2);
        Ops.GegluForward(h, gated);
        var y = output.Forward(gated, residual);
        Arena.Release(gated);
        HandOn(ref hidden, h);
        return y;
    }

    /// <summary>The gradient of x.</summary>
    public Tensor Backward(Tensor dY)
    {
        var dGated = output.Backward(dY);
        var dHidden = Arena.RentLike(hidden);
        Ops.GegluBackward(hidden, dGated, dHidden);
        Arena.Release(dGated);
        Arena.Drop(ref hidden);
        var dX = project.Backward(dHidden);
        Arena.Release(dHidden);
        return dX;
    }
}
