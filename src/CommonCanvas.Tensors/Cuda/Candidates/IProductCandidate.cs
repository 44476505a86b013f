using System.Numerics;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>A way to compute one product by a library.</summary>
interface IProductCandidate : IDisposable
{
    /// <summary>What it is made from again in another process, on one line.</summary>
    string Recipe { get; }

    /// <summary>
    /// Times that a result is rounded to the storage type beyond what the program's own kernels do, which sum in fp32 and
    /// round activations once, gradients of weights not at all.
    /// </summary>
    int ExtraRoundings { get; }

    /// <summary>Queues it. Must not wait; memory that it needs for itself it rents and releases.</summary>
    /// <exception cref="LibraryCallException">The library refuses, and has queued nothing.</exception>
    void Run(CudaStream stream, Arena arena, in ProductOperands operands);
}

/// <summary>What a candidate's result is beside that of the program's own kernels.</summary>
enum ProductVerdict
{
    /// <summary>As exact as the candidate says.</summary>
    Right,

    /// <summary>
    /// Rounded to the storage type once more than it says, before something is added. cuBLASLt 13.1 does so with addends where
    /// rows are not aligned to 16 bytes: nothing is wrong with it, but the program's own kernels are more exact.
    /// </summary>
    Coarse,

    /// <summary>Anything else.</summary>
    Wrong,
}

/// <summary>A library that has candidates for products.</summary>
interface IProductLibrary : IDisposable
{
    /// <summary>Name and version.</summary>
    string Name { get; }

    /// <summary>What might compute a product, the likeliest first; none where the library cannot.</summary>
    IReadOnlyList<IProductCandidate> Propose(ProductProblem problem);

    /// <summary>A candidate that the same version of the library has proposed for the problem before; null where the recipe is none of it.</summary>
    /// <exception cref="LibraryCallException">The library cannot set it up now.</exception>
    IProductCandidate? Restore(ProductProblem problem, string recipe);
}

/// <summary>Memory that libraries work in.</summary>
static class LibraryWorkspace
{
    /// <summary>The smallest block, bytes: what NVIDIA advises for products on its latest devices.</summary>
    public const long Smallest = 32 << 20;

    /// <summary>
    /// Rents memory for one call: in blocks of few sizes, for an arena keeps blocks by size, and one of each is enough for all
    /// products of a stream. None for 0 bytes.
    /// </summary>
    public static Tensor Rent(Arena arena, long bytes) => bytes == 0 ? Tensor.None
        : arena.Rent(DType.F32, (int)(Math.Max(Smallest, (long)BitOperations.RoundUpToPowerOf2((ulong)bytes)) / sizeof(float)));
}
