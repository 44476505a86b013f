namespace CommonCanvas.Cuda;

/// <summary>
/// D[M, N] = op(A)[M, K] op(B)[K, N] + beta C[M, N] + bias[M], matrices column by column without gaps as BLAS has them; C and
/// D have one type and may be the same memory.
/// </summary>
/// <param name="TransposeA">A is stored [K, M].</param>
/// <param name="TransposeB">B is stored [N, K].</param>
/// <param name="M">Rows of the result.</param>
/// <param name="N">Columns of the result.</param>
/// <param name="K">Length of the contraction.</param>
/// <param name="Operands">Element type of A, B and the bias.</param>
/// <param name="Result">Element type of C and D.</param>
/// <param name="Bias">Whether there is a bias.</param>
/// <param name="Alignment">Bytes that every address is a multiple of.</param>
public readonly record struct GemmShape(bool TransposeA, bool TransposeB, int M, int N, int K, CudaType Operands, CudaType Result, bool Bias, int Alignment)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"D[{M}, {N}] of {Result} = A{(TransposeA ? "^T" : "")} B{(TransposeB ? "^T" : "")} of {Operands} over {K}{(Bias ? " + bias" : "")}";
}

/// <summary>A product by cuBLASLt: its descriptors, the algorithms proposed for it, and its launch.</summary>
public sealed unsafe class CuBlasLtProduct : IDisposable
{
    readonly CuBlasLt library;
    readonly LibraryObject description, a, b, result;

    /// <summary>Describes a product.</summary>
    /// <exception cref="LibraryCallException">The library does not take the shape.</exception>
    public CuBlasLtProduct(CuBlasLt library, GemmShape shape)
    {
        this.library = library;
        Shape = shape;
        library.Device.MakeCurrent();
        ref readonly var table = ref library.Table;
        nint created;
        library.Check(table.cublasLtMatmulDescCreate(&created, CuBlasCompute.F32, CudaType.F32), shape.ToString());
        description = new LibraryObject(created, (delegate* unmanaged<nint, int>)table.cublasLtMatmulDescDestroy);
        Set(MatmulAttribute.TransposeA, shape.TransposeA ? 1 : 0);
        Set(MatmulAttribute.TransposeB, shape.TransposeB ? 1 : 0);
        Set(MatmulAttribute.Epilogue, shape.Bias ? MatmulEpilogue.Bias : MatmulEpilogue.None);
        // proposals look at the bias's alignment, so some address stands here until there is one
        if (shape.Bias) Set(MatmulAttribute.BiasPointer, (nint)shape.Alignment);
        a = Layout(shape.Operands, shape.TransposeA ? (shape.K, shape.M) : (shape.M, shape.K));
        b = Layout(shape.Operands, shape.TransposeB ? (shape.N, shape.K) : (shape.K, shape.N));
        result = Layout(shape.Result, (shape.M, shape.N));
    }

    /// <summary>What is computed.</summary>
    public GemmShape Shape { get; }

    /// <summary>What the library takes for the fastest algorithms, best first; none where it has none.</summary>
    /// <param name="most">How many at most.</param>
    /// <param name="workspaceBytes">Most workspace that one may need.</param>
    public MatmulHeuristic[] Propose(int most, long workspaceBytes)
    {
        ref readonly var table = ref library.Table;
        nint created;
        library.Check(table.cublasLtMatmulPreferenceCreate(&created), Shape.ToString());
        using var preference = new LibraryObject(created, (delegate* unmanaged<nint, int>)table.cublasLtMatmulPreferenceDestroy);
        Prefer(PreferenceAttribute.MaxWorkspaceBytes, (ulong)workspaceBytes);
        Prefer(PreferenceAttribute.ReductionSchemeMask, (uint)ReductionSchemes.ComputeType);
        for (var operand = PreferenceAttribute.MinAlignmentA; operand <= PreferenceAttribute.MinAlignmentD; operand++)
            Prefer(operand, (uint)Shape.Alignment);
        var found = new MatmulHeuristic[most];
        int count;
        fixed (MatmulHeuristic* into = found)
        {
            var status = table.cublasLtMatmulAlgoGetHeuristic(library.Handle, description.Value, a.Value, b.Value, result.Value, result.Value, created, most, into, &count);
            if (status == CuBlasStatus.NotSupported) return [];
            library.Check(status, Shape.ToString(), "cublasLtMatmulAlgoGetHeuristic(");
        }
        return [.. found.Take(count).Where(proposal => proposal.State == CuBlasStatus.Success)];

        void Prefer<T>(PreferenceAttribute attribute, T value) where T : unmanaged => library.Check(
            library.Table.cublasLtMatmulPreferenceSetAttribute(preference.Value, attribute, &value, (nuint)sizeof(T)), attribute.ToString(), "cublasLtMatmulPreferenceSetAttribute(");
    }

    /// <summary>Queues the product.</summary>
    /// <param name="stream">Of the library's device.</param>
    /// <param name="algorithm">Proposed for this shape, now or by the same version of the library before.</param>
    /// <param name="a">Address of A.</param>
    /// <param name="b">Address of B.</param>
    /// <param name="c">Address of C; not read where beta is 0.</param>
    /// <param name="d">Address of D.</param>
    /// <param name="bias">Address of the bias, where the shape has one.</param>
    /// <param name="beta">What C is multiplied by.</param>
    /// <param name="workspace">Memory that nobody else uses until this has been done.</param>
    /// <param name="workspaceBytes">Its size.</param>
    /// <exception cref="LibraryCallException">The library refuses.</exception>
    public void Run(CudaStream stream, MatmulAlgorithm algorithm, nint a, nint b, nint c, nint d, nint bias, float beta, nint workspace, long workspaceBytes)
    {
        library.Device.MakeCurrent();
        if (Shape.Bias) Set(MatmulAttribute.BiasPointer, bias);
        float alpha = 1;
        var status = library.Table.cublasLtMatmul(library.Handle, description.Value, &alpha, a, this.a.Value, b, this.b.Value, &beta, c, result.Value, d, result.Value,
            &algorithm, workspace, (nuint)workspaceBytes, stream.Value);
        if (status != CuBlasStatus.Success) library.Check(status, $"{Shape}, {workspaceBytes} bytes of workspace", "cublasLtMatmul(");
    }

    void Set<T>(MatmulAttribute attribute, T value) where T : unmanaged
    {
        var status = library.Table.cublasLtMatmulDescSetAttribute(description.Value, attribute, &value, (nuint)sizeof(T));
        if (status != CuBlasStatus.Success) library.Check(status, $"{attribute} = {value}", "cublasLtMatmulDescSetAttribute(");
    }

    LibraryObject Layout(CudaType type, (int Rows, int Columns) size)
    {
        nint created;
        library.Check(library.Table.cublasLtMatrixLayoutCreate(&created, type, (ulong)size.Rows, (ulong)size.Columns, size.Rows), $"{type} [{size.Rows}, {size.Columns}]");
        return new LibraryObject(created, (delegate* unmanaged<nint, int>)library.Table.cublasLtMatrixLayoutDestroy);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        result.Dispose();
        b.Dispose();
        a.Dispose();
        description.Dispose();
    }
}
