using System.Globalization;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>
/// Linear products, and convolutions that are ones, by cuBLASLt. A row-major matrix is the transpose of a column-major one, so
/// it is y^T = weight x^T + bias + residual^T that is asked for; then the bias has a number for each row, as the library wants.
/// </summary>
sealed class CuBlasLtCandidates(CuBlasLt library) : IProductLibrary
{
    /// <summary>Proposals that are tried: the first is usually the best.</summary>
    const int Most = 4;

    /// <summary>Workspace that an algorithm may use.</summary>
    const long WorkspaceBytes = LibraryWorkspace.Smallest;

    /// <inheritdoc/>
    public string Name => $"cuBLASLt {library.Version}";

    /// <inheritdoc/>
    public IReadOnlyList<IProductCandidate> Propose(ProductProblem problem)
    {
        if (ShapeOf(problem) is not { } shape) return [];
        using var product = new CuBlasLtProduct(library, shape);
        return [.. product.Propose(Most, WorkspaceBytes).Select(proposal => new Candidate(library, shape, proposal.Algorithm, (long)proposal.WorkspaceBytes, problem.Kind))];
    }

    /// <inheritdoc/>
    public IProductCandidate? Restore(ProductProblem problem, string recipe)
    {
        string[] parts = recipe.Split(' ');
        if (ShapeOf(problem) is not { } shape || parts.Length != 2 || parts[0].Length != 2 * MatmulAlgorithm.Bytes
            || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long workspace) || workspace > WorkspaceBytes) return null;
        MatmulAlgorithm algorithm = default;
        try { Convert.FromHexString(parts[0]).CopyTo(MemoryMarshal.AsBytes(new Span<MatmulAlgorithm>(ref algorithm))); }
        catch (FormatException) { return null; }
        return new Candidate(library, shape, algorithm, workspace, problem.Kind);
    }

    static GemmShape? ShapeOf(ProductProblem problem)
    {
        if (problem.IsConvolution || problem.Addends.HasFlag(ProductAddends.PerSample)) return null;
        int rows = problem.Samples, inputs = problem.Inputs, outputs = problem.Outputs, alignment = problem.Alignment;
        CudaType type = problem.Type switch { DType.F16 => CudaType.F16, DType.BF16 => CudaType.BF16, _ => CudaType.F32 };
        return problem.Kind switch
        {
            ProductKind.LinearForward => new(true, false, outputs, rows, inputs, type, type, problem.Addends.HasFlag(ProductAddends.Bias), alignment),
            ProductKind.LinearBackwardInput => new(false, false, inputs, rows, outputs, type, type, Bias: false, alignment),
            _ => new(false, true, inputs, outputs, rows, type, CudaType.F32, Bias: false, alignment),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => library.Dispose();

    sealed class Candidate(CuBlasLt library, GemmShape shape, MatmulAlgorithm algorithm, long workspaceBytes, ProductKind kind) : IProductCandidate
    {
        readonly CuBlasLtProduct product = new(library, shape);

        public string Recipe => string.Create(CultureInfo.InvariantCulture,
            $"{Convert.ToHexStringLower(MemoryMarshal.AsBytes(new ReadOnlySpan<MatmulAlgorithm>(in algorithm)))} {workspaceBytes}");

        public int ExtraRoundings => 0;

        public void Run(CudaStream stream, Arena arena, in ProductOperands operands)
        {
            var workspace = LibraryWorkspace.Rent(arena, workspaceBytes);
            nint result = operands.Result.Data;
            var (added, factor) = operands.Residual.IsNone ? (result, 0f) : (operands.Residual.Data, 1f);
            var (a, b, c, beta) = kind switch
            {
                ProductKind.LinearForward => (operands.Weight, operands.X, added, factor),
                ProductKind.LinearBackwardInput => (operands.Weight, operands.DY, added, factor),
                _ => (operands.X, operands.DY, result, operands.Accumulate ? 1f : 0f),
            };
            try { product.Run(stream, algorithm, a.Data, b.Data, c, result, operands.Bias.Data, beta, workspace.Data, workspaceBytes); }
            finally { arena.Release(workspace); }
        }

        public void Dispose() => product.Dispose();
    }
}
