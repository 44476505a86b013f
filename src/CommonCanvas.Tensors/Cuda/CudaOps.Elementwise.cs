namespace CommonCanvas.Tensors;

/// <summary>Functions of single elements: <c>elementwise.cu</c>.</summary>
public sealed partial class CudaOps
{
    const string ElementwiseFile = "elementwise.cu";

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y)
    {
        OpChecks.Add(a, b, y);
        LaunchOver(Packs(y), Kernel(ElementwiseFile, y.Type, nameof(Add)), [a.Data, b.Data, y.Data, y.Count, Aligned(a, b, y) ? 1 : 0]);
    }

    /// <inheritdoc/>
    public void Scale(Tensor x, float factor, Tensor y)
    {
        OpChecks.Scale(x, y);
        LaunchOver(Packs(y), Kernel(ElementwiseFile, y.Type, nameof(Scale)), [x.Data, factor, y.Data, y.Count, Aligned(x, y) ? 1 : 0]);
    }

    /// <summary>Pieces of 16 bytes, the last one perhaps not full.</summary>
    static long Packs(Tensor t) => (t.Count + Lanes(t.Type) - 1) / Lanes(t.Type);
}
