using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>NCCL's calls, one field each.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct NcclTable
{
#pragma warning disable CS1591, IDE1006 // the names are NCCL's, and so is their documentation
    public delegate* unmanaged<int*, NcclResult> ncclGetVersion;
    public delegate* unmanaged<NcclResult, byte*> ncclGetErrorString;
    [Export("ncclGetLastError", Optional = true)] public delegate* unmanaged<nint, byte*> ncclGetLastError;
    public delegate* unmanaged<NcclUniqueId*, NcclResult> ncclGetUniqueId;
    public delegate* unmanaged<nint*, int, NcclUniqueId, int, NcclResult> ncclCommInitRank;
    public delegate* unmanaged<nint, NcclResult> ncclCommDestroy;
    public delegate* unmanaged<nint, NcclResult> ncclCommAbort;
    public delegate* unmanaged<nint, NcclResult*, NcclResult> ncclCommGetAsyncError;
    public delegate* unmanaged<nint, nint, nuint, NcclType, NcclReduction, nint, nint, NcclResult> ncclAllReduce;
    public delegate* unmanaged<nint, nint, nuint, NcclType, NcclReduction, nint, nint, NcclResult> ncclReduceScatter;
    public delegate* unmanaged<nint, nint, nuint, NcclType, nint, nint, NcclResult> ncclAllGather;
    public delegate* unmanaged<nint, nint, nuint, NcclType, int, nint, nint, NcclResult> ncclBroadcast;
    public delegate* unmanaged<NcclResult> ncclGroupStart;
    public delegate* unmanaged<NcclResult> ncclGroupEnd;
#pragma warning restore CS1591, IDE1006
}

/// <summary>What ranks find each other by (ncclUniqueId): made by one of them and carried to the others.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct NcclUniqueId
{
    /// <summary>Size.</summary>
    public const int Bytes = 128;

    fixed byte data[Bytes];

    /// <summary>From the bytes that another rank sent.</summary>
    /// <exception cref="ArgumentException">They are not 128.</exception>
    public static NcclUniqueId From(ReadOnlySpan<byte> bytes) => bytes.Length == Bytes ? MemoryMarshal.Read<NcclUniqueId>(bytes)
        : throw new ArgumentException($"NCCL's unique id has {Bytes} bytes, {bytes.Length} were given", nameof(bytes));

    /// <summary>Its bytes, to be sent to the other ranks.</summary>
    public byte[] ToArray()
    {
        var id = this;
        return MemoryMarshal.AsBytes(new Span<NcclUniqueId>(ref id)).ToArray();
    }
}

/// <summary>Result codes (ncclResult_t).</summary>
public enum NcclResult
{
    /// <summary>No error.</summary>
    Success = 0,
    /// <summary>A CUDA call failed.</summary>
    UnhandledCudaError = 1,
    /// <summary>A call of the operating system failed, the network's among them.</summary>
    SystemError = 2,
    /// <summary>An error of the library.</summary>
    InternalError = 3,
    /// <summary>An argument is wrong.</summary>
    InvalidArgument = 4,
    /// <summary>Ranks do not call the same.</summary>
    InvalidUsage = 5,
    /// <summary>Another rank failed or is gone.</summary>
    RemoteError = 6,
    /// <summary>Not finished yet.</summary>
    InProgress = 7,
}

/// <summary>Element types (ncclDataType_t).</summary>
public enum NcclType
{
    /// <summary>Bytes.</summary>
    U8 = 1,
    /// <summary>32-bit integers.</summary>
    I32 = 2,
    /// <summary>fp16.</summary>
    F16 = 6,
    /// <summary>fp32.</summary>
    F32 = 7,
    /// <summary>bf16.</summary>
    BF16 = 9,
}

/// <summary>How elements of ranks are joined (ncclRedOp_t).</summary>
public enum NcclReduction
{
    /// <summary>Their sum.</summary>
    Sum = 0,
    /// <summary>The largest.</summary>
    Max = 2,
    /// <summary>The smallest.</summary>
    Min = 3,
}
