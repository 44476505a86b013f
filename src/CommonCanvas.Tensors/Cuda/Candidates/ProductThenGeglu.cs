using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>
/// A library's product, and then GEGLU or its gradient as a kernel of its own: the alternative to the program's own kernels
/// that do both in one. Both round the product to storage before GEGLU takes it, but a library may sum it in another order, and
/// then a sum near a tie falls to the other side: the two ways do not give the same bits. What decides between them is time
/// alone, for the product has been checked before.
/// </summary>
/// <param name="product">Computes the product; disposed with this.</param>
/// <param name="kind"><see cref="ProductKind.LinearGegluForward"/> or <see cref="ProductKind.LinearGegluBackward"/>.</param>
/// <param name="ops">Whose GEGLU follows, on the stream that products are queued on.</param>
sealed class ProductThenGeglu(IProductCandidate product, ProductKind kind, IOps ops) : IProductCandidate
{
    /// <inheritdoc/>
    public string Recipe => product.Recipe;

    /// <inheritdoc/>
    public int ExtraRoundings => product.ExtraRoundings;

    /// <inheritdoc/>
    public void Run(CudaStream stream, Arena arena, in ProductOperands operands)
    {
        Tensor u = operands.Hidden, result = operands.Result;
        bool forward = kind == ProductKind.LinearGegluForward, stored = forward && !u.IsNone;
        var between = stored ? u : arena.Rent(result.Type, checked((int)result.Rows), operands.Weight[forward ? 0 : 1]);
        try
        {
            product.Run(stream, arena, operands with { Result = between, Hidden = default });
            if (forward) ops.GegluForward(between, result);
            else ops.GegluBackward(u, between, result);
        }
        finally
        {
            if (!stored) arena.Release(between);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => product.Dispose();
}
