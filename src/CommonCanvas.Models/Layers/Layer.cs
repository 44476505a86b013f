using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>What all layers of a model share.</summary>
/// <param name="ops">The device.</param>
/// <param name="training">Whether a Backward follows each Forward.</param>
public sealed class LayerContext(IOps ops, bool training)
{
    /// <summary>The device.</summary>
    public IOps Ops { get; } = ops;

    /// <summary>Whether layers keep what Backward needs.</summary>
    public bool Training { get; set; } = training;

    /// <summary>Gradients of weights that are computed together.</summary>
    public GatheredWeights Weights { get; } = new(ops);
}

/// <summary>
/// A layer: Forward, and Backward for the latest Forward. Forward does not take over its argument and returns a tensor that
/// the caller owns. What Backward needs is retained in Forward and released in Backward. Backward adds to the gradients of
/// parameters, or replaces them (<see cref="ParameterSet.ReceiveGradients"/>), and returns the gradient of the input, which the
/// caller owns. A Forward without Backward is allowed: the next
/// Forward releases what it had kept.
/// </summary>
public abstract class Layer(LayerContext context)
{
    /// <summary>Shared by the layers of a model.</summary>
    protected LayerContext Context => context;

    /// <summary>The device.</summary>
    protected IOps Ops { get; } = context.Ops;

    /// <summary>The device's memory.</summary>
    protected Arena Arena => Ops.Arena;

    /// <summary>Retains a tensor for Backward; outside training keeps nothing.</summary>
    protected void Keep(ref Tensor field, Tensor tensor)
    {
        Arena.Drop(ref field);
        if (context.Training) field = Arena.Retain(tensor);
    }

    /// <summary>Hands a tensor that this layer owns on to Backward; outside training releases it.</summary>
    protected void HandOn(ref Tensor field, Tensor tensor)
    {
        Arena.Drop(ref field);
        if (context.Training) field = tensor;
        else Arena.Release(tensor);
    }

    /// <summary>a += b, releasing b.</summary>
    protected void AddInto(Tensor a, Tensor b)
    {
        Ops.Add(a, b, a);
        Arena.Release(b);
    }
}
