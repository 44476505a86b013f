using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Libraries;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>The emulated cuBLASLt with its products counted, and with the faults of libraries to choose from. One at a time.</summary>
static unsafe class CountedCuBlasLt
{
    static readonly CuBlasLtTable inner = EmulatedCuBlasLt.Table;

    /// <summary>Products that were asked for.</summary>
    public static int Products { get; private set; }

    /// <summary>Milliseconds that a product takes on <see cref="LaunchClock"/>.</summary>
    public static float Milliseconds { get; set; }

    /// <summary>What results are multiplied by.</summary>
    public static float Factor { get; set; }

    /// <summary>What they are multiplied by besides where the result overwrites what is added.</summary>
    public static float FactorInPlace { get; set; }

    /// <summary>Whether products are refused.</summary>
    public static bool Refuses { get; set; }

    /// <summary>Whether there is no memory for descriptions of products.</summary>
    public static bool IsFull { get; set; }

    /// <summary>A right library that is faster than any kernel.</summary>
    public static void Reset() => (Products, Milliseconds, Factor, FactorInPlace, Refuses, IsFull) = (0, 0, 1, 1, false, false);

    /// <summary>The library's calls.</summary>
    public static CuBlasLtTable Table
    {
        get
        {
            var table = inner;
            table.cublasLtMatmul = &Matmul;
            table.cublasLtMatmulDescCreate = &Describe;
            return table;
        }
    }

    [UnmanagedCallersOnly]
    static CuBlasStatus Describe(nint* description, CuBlasCompute compute, CudaType scale) =>
        IsFull ? CuBlasStatus.AllocationFailed : inner.cublasLtMatmulDescCreate(description, compute, scale);

    [UnmanagedCallersOnly]
    static CuBlasStatus Matmul(nint handle, nint description, void* alpha, nint a, nint layoutA, nint b, nint layoutB, void* beta,
        nint c, nint layoutC, nint d, nint layoutD, MatmulAlgorithm* algorithm, nint workspace, nuint workspaceBytes, nint stream)
    {
        Products++;
        if (Refuses) return CuBlasStatus.NotSupported;
        LaunchClock.Now += Milliseconds;
        float scaled = *(float*)alpha * Factor * (c == d && *(float*)beta != 0 ? FactorInPlace : 1);
        return inner.cublasLtMatmul(handle, description, &scaled, a, layoutA, b, layoutB, beta, c, layoutC, d, layoutD, algorithm, workspace, workspaceBytes, stream);
    }
}
