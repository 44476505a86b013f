using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>diffusers' FeedForward with GEGLU, with a residual.</summary>
public sealed class FeedForward : Layer
{
    const int Expansion = 4;
    readonly Linear project, output;
    Tensor hidden; // what GEGLU reads, then its gradient

    /// <summary>Declares net.0.proj and net.2.</summary>
    public FeedForward(LayerContext context, ParameterScope scope, int width) : base(context)
    {
        project = new(context, scope["net.0.proj"], width, 2 * Expansion * width);
        output = new(context, scope["net.2"], Expansion * width, width);
    }

    /// <summary>[B, N, width].</summary>
    public Tensor Forward(Tensor x, Tensor residual)
    {
        int width = Expansion * x.Channels;
        Arena.Drop(ref hidden);
        if (Context.Training) hidden = Arena.Rent(x.Type, x[0], x[1], 2 * width);
        var gated = Arena.Rent(x.Type, x[0], x[1], width);
        project.ForwardGeglu(x, hidden, gated);
        var y = output.Forward(gated, residual);
        Arena.Release(gated);
        return y;
    }

    /// <summary>The gradient of x.</summary>
    public Tensor Backward(Tensor dY)
    {
        output.BackwardGeglu(dY, hidden);
        var dX = project.Backward(hidden);
        Arena.Drop(ref hidden);
        return dX;
    }
}
