using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>
/// Gradients of linear layers' weights that a stretch of the backward pass leaves to its end, to be computed together, where the device
/// gains by it (<see cref="IOps.GathersWeights"/>). What they are computed from is kept until then: nothing may change it.
/// </summary>
/// <param name="ops">The device.</param>
public sealed class GatheredWeights(IOps ops)
{
    readonly List<LinearGradient> waiting = [];
    bool open;

    /// <summary>Begins a stretch. It ends with <see cref="Stretch.Complete"/>, or without gradients where an exception leaves it.</summary>
    /// <exception cref="InvalidOperationException">There is one already.</exception>
    public Stretch Gather()
    {
        if (open) throw new InvalidOperationException("gradients are being gathered already");
        open = ops.GathersWeights;
        return new Stretch(this);
    }

    /// <summary>
    /// Leaves dWeight = or += dY^T x to the end of the stretch, and takes over the caller's hold on x; false, and nothing done, where
    /// there is none.
    /// </summary>
    internal bool TryAdd(Tensor x, Tensor dY, GradientTarget dWeight)
    {
        if (!open) return false;
        waiting.Add(new(x, ops.Arena.Retain(dY), dWeight));
        return true;
    }

    void Close(bool compute)
    {
        open = false;
        try
        {
            if (compute && waiting.Count > 0) ops.LinearBackwardWeights(waiting);
        }
        finally
        {
            foreach (var (x, dY, _) in waiting)
            {
                ops.Arena.Release(x);
                ops.Arena.Release(dY);
            }
            waiting.Clear();
        }
    }

    /// <summary>A stretch of the backward pass.</summary>
    public readonly ref struct Stretch
    {
        readonly GatheredWeights owner;

        internal Stretch(GatheredWeights owner) => this.owner = owner;

        /// <summary>Computes what was left to the end.</summary>
        public void Complete() => owner.Close(compute: true);

        /// <summary>Drops what an exception kept from being computed.</summary>
        public void Dispose() => owner.Close(compute: false);
    }
}
