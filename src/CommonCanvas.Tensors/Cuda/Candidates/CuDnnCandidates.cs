using System.Globalization;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>
/// One pass of convolutions by cuDNN: forward, or one of the gradients; each its own, so that a wrong one does not take the
/// others with it. Padding has to be the same on opposite sides, and addresses multiples of 16 for matrix instructions.
/// cuDNN has no place for perSample, which is added after y was rounded; and of 16-bit operands it makes a 16-bit gradient of
/// the weight, which is then widened to the fp32 one or added to it: both are rounded once more than the program's own, as in PyTorch.
/// </summary>
/// <param name="library">Disposed with this.</param>
/// <param name="kind">The pass.</param>
/// <param name="widen">Queues gradient = or += a tensor of another type, [outputs, kernel kernel inputs] both.</param>
sealed class CuDnnCandidates(CuDnn library, ProductKind kind, Action<Tensor, GradientTarget> widen) : IProductLibrary
{
    /// <summary>Workspace that a pass may use.</summary>
    const long WorkspaceBytes = 512 << 20;

    /// <inheritdoc/>
    public string Name => $"cuDNN {library.Version} {kind}";

    /// <summary>The three passes, each with a handle of its own.</summary>
    public static IReadOnlyList<IProductLibrary> All(Func<CuDnn> open, Action<Tensor, GradientTarget> widen) =>
        [.. new[] { ProductKind.ConvForward, ProductKind.ConvBackwardInput, ProductKind.ConvBackwardWeight }.Select(kind => new CuDnnCandidates(open(), kind, widen))];

    /// <inheritdoc/>
    public IReadOnlyList<IProductCandidate> Propose(ProductProblem problem)
    {
        if (ShapeOf(problem) is not { } shape) return [];
        var convolution = new CuDnnConvolution(library, shape, Pass);
        if (convolution.WorkspaceBytes() is { } workspace and <= WorkspaceBytes) return [new Candidate(convolution, problem, workspace, widen)];
        convolution.Dispose();
        return [];
    }

    /// <inheritdoc/>
    public IProductCandidate? Restore(ProductProblem problem, string recipe) =>
        ShapeOf(problem) is { } shape && long.TryParse(recipe, NumberStyles.None, CultureInfo.InvariantCulture, out long workspace) && workspace <= WorkspaceBytes
            ? new Candidate(new CuDnnConvolution(library, shape, Pass), problem, workspace, widen) : null;

    ConvolutionPass Pass => kind switch
    {
        ProductKind.ConvForward => ConvolutionPass.Forward,
        ProductKind.ConvBackwardInput => ConvolutionPass.BackwardData,
        _ => ConvolutionPass.BackwardFilter,
    };

    ConvolutionShape? ShapeOf(ProductProblem problem)
    {
        var geometry = problem.Geometry;
        bool residualAlone = problem.Addends.HasFlag(ProductAddends.Residual) && !problem.Addends.HasFlag(ProductAddends.Bias);
        if (problem.Kind != kind || geometry.PadTop != geometry.PadBottom || geometry.PadLeft != geometry.PadRight || problem.Alignment < 16 || residualAlone) return null;
        return new(problem.Samples, problem.Height, problem.Width, problem.Inputs, problem.OutHeight, problem.OutWidth, problem.Outputs,
            geometry.Kernel, geometry.Stride, geometry.PadTop, geometry.PadLeft,
            problem.Type switch { DType.F16 => CuDnnType.F16, DType.BF16 => CuDnnType.BF16, _ => CuDnnType.F32 });
    }

    /// <inheritdoc/>
    public void Dispose() => library.Dispose();

    sealed class Candidate(CuDnnConvolution convolution, ProductProblem problem, long workspaceBytes, Action<Tensor, GradientTarget> widen) : IProductCandidate
    {
        public string Recipe => workspaceBytes.ToString(CultureInfo.InvariantCulture);

        public int ExtraRoundings => problem.Addends.HasFlag(ProductAddends.PerSample) || (problem.IsWeightGradient && problem.Type != DType.F32) ? 1 : 0;

        public void Run(CudaStream stream, Arena arena, in ProductOperands operands)
        {
            var workspace = LibraryWorkspace.Rent(arena, workspaceBytes);
            try
            {
                nint result = operands.Result.Data;
                switch (problem.Kind)
                {
                    case ProductKind.ConvForward:
                        convolution.Forward(stream, operands.X.Data, operands.Weight.Data, operands.Bias.Data, operands.Residual.Data, result, workspace.Data, workspaceBytes);
                        if (!operands.PerSample.IsNone) convolution.AddPerSample(stream, operands.PerSample.Data, result);
                        break;
                    case ProductKind.ConvBackwardInput:
                        convolution.BackwardData(stream, operands.Weight.Data, operands.DY.Data, result, workspace.Data, workspaceBytes);
                        break;
                    default:
                        WeightGradient(stream, arena, operands, workspace.Data);
                        break;
                }
            }
            finally { arena.Release(workspace); }
        }

        void WeightGradient(CudaStream stream, Arena arena, in ProductOperands operands, nint workspace)
        {
            if (problem.Type == DType.F32)
            {
                convolution.BackwardFilter(stream, operands.X.Data, operands.DY.Data, operands.Result.Data, beta: operands.Accumulate ? 1 : 0, workspace, workspaceBytes);
                return;
            }
            int columns = problem.Geometry.Kernel * problem.Geometry.Kernel * problem.Inputs;
            var rounded = arena.Rent(problem.Type, problem.Outputs, columns);
            try
            {
                convolution.BackwardFilter(stream, operands.X.Data, operands.DY.Data, rounded.Data, beta: 0, workspace, workspaceBytes);
                widen(rounded, new(operands.Result.Reshape(problem.Outputs, columns), operands.Accumulate));
            }
            finally { arena.Release(rounded); }
        }

        public void Dispose() => convolution.Dispose();
    }
}
