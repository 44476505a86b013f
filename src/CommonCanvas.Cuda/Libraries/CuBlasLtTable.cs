using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>cuBLASLt's calls, one field each; the same in CUDA 11, 12 and 13.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct CuBlasLtTable
{
#pragma warning disable CS1591, IDE1006 // the names are cuBLASLt's, and so is their documentation
    public delegate* unmanaged<nuint> cublasLtGetVersion;
    public delegate* unmanaged<nint*, CuBlasStatus> cublasLtCreate;
    public delegate* unmanaged<nint, CuBlasStatus> cublasLtDestroy;
    public delegate* unmanaged<nint*, CuBlasCompute, CudaType, CuBlasStatus> cublasLtMatmulDescCreate;
    public delegate* unmanaged<nint, MatmulAttribute, void*, nuint, CuBlasStatus> cublasLtMatmulDescSetAttribute;
    public delegate* unmanaged<nint, CuBlasStatus> cublasLtMatmulDescDestroy;
    public delegate* unmanaged<nint*, CudaType, ulong, ulong, long, CuBlasStatus> cublasLtMatrixLayoutCreate;
    public delegate* unmanaged<nint, CuBlasStatus> cublasLtMatrixLayoutDestroy;
    public delegate* unmanaged<nint*, CuBlasStatus> cublasLtMatmulPreferenceCreate;
    public delegate* unmanaged<nint, PreferenceAttribute, void*, nuint, CuBlasStatus> cublasLtMatmulPreferenceSetAttribute;
    public delegate* unmanaged<nint, CuBlasStatus> cublasLtMatmulPreferenceDestroy;
    public delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, MatmulHeuristic*, int*, CuBlasStatus> cublasLtMatmulAlgoGetHeuristic;
    public delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, MatmulAlgorithm*, nint, nuint, nint, CuBlasStatus> cublasLtMatmul;
#pragma warning restore CS1591, IDE1006
}

/// <summary>Result codes of cuBLAS (cublasStatus_t).</summary>
public enum CuBlasStatus
{
    /// <summary>No error.</summary>
    Success = 0,
    /// <summary>The library does not start: no context, or a driver that is too old for it.</summary>
    NotInitialized = 1,
    /// <summary>No memory.</summary>
    AllocationFailed = 3,
    /// <summary>An argument is wrong.</summary>
    InvalidValue = 7,
    /// <summary>Not on a device of this architecture.</summary>
    ArchitectureMismatch = 8,
    /// <summary>Memory cannot be reached.</summary>
    MappingError = 11,
    /// <summary>A kernel failed.</summary>
    ExecutionFailed = 13,
    /// <summary>An error of the library.</summary>
    InternalError = 14,
    /// <summary>No kernel does this.</summary>
    NotSupported = 15,
    /// <summary>A licence is missing.</summary>
    LicenceError = 16,
}

/// <summary>Element types of NVIDIA's libraries (cudaDataType_t).</summary>
public enum CudaType
{
    /// <summary>fp32.</summary>
    F32 = 0,
    /// <summary>fp16.</summary>
    F16 = 2,
    /// <summary>bf16.</summary>
    BF16 = 14,
}

/// <summary>What products are summed in (cublasComputeType_t).</summary>
public enum CuBlasCompute
{
    /// <summary>fp32, operands as they are: no TF32.</summary>
    F32 = 68,
}

/// <summary>Attributes of a product (cublasLtMatmulDescAttributes_t).</summary>
public enum MatmulAttribute
{
    /// <summary>int32: whether A is transposed.</summary>
    TransposeA = 3,
    /// <summary>int32: whether B is transposed.</summary>
    TransposeB = 4,
    /// <summary>uint32: <see cref="MatmulEpilogue"/>.</summary>
    Epilogue = 7,
    /// <summary>Address of a bias for each row of the result.</summary>
    BiasPointer = 8,
}

/// <summary>What is done to a product before it is stored (cublasLtEpilogue_t).</summary>
public enum MatmulEpilogue
{
    /// <summary>Nothing.</summary>
    None = 1,
    /// <summary>A number for each row is added.</summary>
    Bias = 4,
}

/// <summary>What limits a choice of algorithms (cublasLtMatmulPreferenceAttributes_t).</summary>
public enum PreferenceAttribute
{
    /// <summary>uint64: most bytes of workspace.</summary>
    MaxWorkspaceBytes = 1,
    /// <summary>uint32: <see cref="ReductionSchemes"/> that are allowed; not splitting is always.</summary>
    ReductionSchemeMask = 3,
    /// <summary>uint32: what A's address is a multiple of; 256 unless set.</summary>
    MinAlignmentA = 5,
    /// <summary>uint32: what B's address is a multiple of.</summary>
    MinAlignmentB = 6,
    /// <summary>uint32: what C's address is a multiple of.</summary>
    MinAlignmentC = 7,
    /// <summary>uint32: what D's address is a multiple of.</summary>
    MinAlignmentD = 8,
}

/// <summary>Ways to add the shares of a split contraction (cublasLtReductionScheme_t).</summary>
[Flags]
public enum ReductionSchemes
{
    /// <summary>The contraction is not split.</summary>
    None = 0,
    /// <summary>Shares lie in the workspace in the compute type.</summary>
    ComputeType = 2,
}

/// <summary>An algorithm with its settings (cublasLtMatmulAlgo_t): opaque, valid for this version of the library, may be stored.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct MatmulAlgorithm
{
    /// <summary>Its bytes.</summary>
    public const int Bytes = 64;

    /// <summary>The contents.</summary>
    public fixed ulong Data[Bytes / sizeof(ulong)];
}

/// <summary>A proposal (cublasLtMatmulHeuristicResult_t).</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct MatmulHeuristic
{
    /// <summary>The algorithm.</summary>
    public MatmulAlgorithm Algorithm;

    /// <summary>Bytes of workspace that it needs.</summary>
    public nuint WorkspaceBytes;

    /// <summary>Whether it can be run.</summary>
    public CuBlasStatus State;

    /// <summary>Times that the device is filled.</summary>
    public float Waves;

    fixed int reserved[4];
}
