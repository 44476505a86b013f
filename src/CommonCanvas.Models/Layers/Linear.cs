using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>y = x W^T + b, plus a residual where one is given. x [..., inputs].</summary>
public sealed class Linear : Layer
{
    readonly Parameter weight;
    readonly Parameter? bias;
    Tensor x;

    /// <summary>Declares <c>weight</c> and, with a bias, <c>bias</c>.</summary>
    /// <param name="context">Shared by the model.</param>
    /// <param name="scope">Where the parameters are named.</param>
    /// <param name="inputs">Width in.</param>
    /// <param name="outputs">Width out.</param>
    /// <param name="hasBias">Whether there is a bias.</param>
    /// <param name="pointwise">Whether files hold it as a 1x1 convolution.</param>
    public Linear(LayerContext context, ParameterScope scope, int inputs, int outputs, bool hasBias = true, bool pointwise = false) : base(context)
    {
        weight = scope.Matrix(outputs, inputs, pointwise);
        bias = hasBias ? scope.Bias(outputs, inputs) : null;
    }

    Linear(LayerContext context, Parameter weight) : base(context) => this.weight = weight;

    /// <summary>
    /// One layer for several of the same input: [..., the outputs of the first, of the second, ...]. Null where their weights do not
    /// lie next to each other, as those of layers with biases.
    /// </summary>
    /// <param name="context">Shared by the model.</param>
    /// <param name="scope">How they are named together.</param>
    /// <param name="layers">Stay unused where there is one for all.</param>
    public static Linear? Joined(LayerContext context, ParameterScope scope, params Linear[] layers) =>
        scope.Join([.. layers.Select(layer => layer.weight)]) is { } weight ? new Linear(context, weight) : null;

    /// <summary>[..., outputs]; the residual, of the result's shape, is optional.</summary>
    public Tensor Forward(Tensor input, Tensor residual = default)
    {
        int outputs = weight.Shape[0];
        var y = input.Rank switch
        {
            2 => Arena.Rent(input.Type, input[0], outputs),
            3 => Arena.Rent(input.Type, input[0], input[1], outputs),
            _ => Arena.Rent(input.Type, input[0], input[1], input[2], outputs),
        };
        Ops.LinearForward(input, weight.Value, bias?.Value ?? default, residual, y);
        Keep(ref x, input);
        return y;
    }

    /// <summary>y[..., outputs / 2] = the GEGLU of what Forward gives, which goes to <paramref name="hidden"/> where that is given.</summary>
    public void ForwardGeglu(Tensor input, Tensor hidden, Tensor y)
    {
        Ops.LinearGegluForward(input, weight.Value, bias?.Value ?? default, hidden, y);
        Keep(ref x, input);
    }

    /// <summary>Where the input was the GEGLU of <paramref name="hidden"/>: puts the gradient of that in its place.</summary>
    public void BackwardGeglu(Tensor dY, Tensor hidden)
    {
        Backward(dY, needInput: false);
        Ops.LinearGegluBackward(hidden, weight.Value, dY, hidden);
    }

    /// <summary>The gradient of the input; none where it is not needed. The forward residual's is dY itself.</summary>
    public Tensor Backward(Tensor dY, bool needInput = true)
    {
        var dX = needInput ? Arena.RentLike(x) : default;
        BackwardInto(dX, default, dY);
        return dX;
    }

    /// <summary>Adds the gradient of the input to what <paramref name="dX"/> holds of others that read it.</summary>
    public void BackwardAdding(Tensor dX, Tensor dY) => BackwardInto(dX, dX, dY);

    void BackwardInto(Tensor dX, Tensor residual, Tensor dY)
    {
        var dWeight = weight.NextGradient();
        bool later = Context.Weights.TryAdd(x, dY, dWeight);
        Ops.LinearBackward(x, weight.Value, dY, residual, dX, later ? default : dWeight, bias?.NextGradient() ?? default);
        if (later) x = default;
        else Arena.Drop(ref x);
    }
}
