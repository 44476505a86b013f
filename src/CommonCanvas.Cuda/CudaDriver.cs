using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>
/// The CUDA driver API, exactly the calls that are made: one field per call, in the order of its header. Filled from
/// <c>libcuda.so.1</c> or <c>nvcuda.dll</c> (driver 525 or newer) or from an emulated device. Handles are addresses,
/// devices are ordinals, device memory is <c>nint</c>. Calls whose names carry a version suffix take the current ABI.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct CudaDriver
{
#pragma warning disable CS1591, IDE1006 // the names are CUDA's, and so is their documentation
    public delegate* unmanaged<CudaResult, byte**, CudaResult> cuGetErrorName;
    public delegate* unmanaged<CudaResult, byte**, CudaResult> cuGetErrorString;
    public delegate* unmanaged<uint, CudaResult> cuInit;
    public delegate* unmanaged<int*, CudaResult> cuDriverGetVersion;

    public delegate* unmanaged<int*, int, CudaResult> cuDeviceGet;
    public delegate* unmanaged<int*, CudaResult> cuDeviceGetCount;
    public delegate* unmanaged<byte*, int, int, CudaResult> cuDeviceGetName;
    [Export("cuDeviceTotalMem_v2")] public delegate* unmanaged<nuint*, int, CudaResult> cuDeviceTotalMem;
    public delegate* unmanaged<int*, DeviceAttribute, int, CudaResult> cuDeviceGetAttribute;
    public delegate* unmanaged<nint*, int, CudaResult> cuDevicePrimaryCtxRetain;
    [Export("cuDevicePrimaryCtxRelease_v2")] public delegate* unmanaged<int, CudaResult> cuDevicePrimaryCtxRelease;
    public delegate* unmanaged<nint, CudaResult> cuCtxSetCurrent;
    public delegate* unmanaged<nint*, CudaResult> cuCtxGetCurrent;
    public delegate* unmanaged<CudaResult> cuCtxSynchronize;

    public delegate* unmanaged<nint*, void*, CudaResult> cuModuleLoadData;
    public delegate* unmanaged<nint, CudaResult> cuModuleUnload;
    public delegate* unmanaged<nint*, nint, byte*, CudaResult> cuModuleGetFunction;
    [Export("cuModuleGetGlobal_v2")] public delegate* unmanaged<nint*, nuint*, nint, byte*, CudaResult> cuModuleGetGlobal;

    [Export("cuMemGetInfo_v2")] public delegate* unmanaged<nuint*, nuint*, CudaResult> cuMemGetInfo;
    [Export("cuMemAlloc_v2")] public delegate* unmanaged<nint*, nuint, CudaResult> cuMemAlloc;
    [Export("cuMemFree_v2")] public delegate* unmanaged<nint, CudaResult> cuMemFree;
    public delegate* unmanaged<nint*, nuint, uint, CudaResult> cuMemHostAlloc;
    public delegate* unmanaged<nint, CudaResult> cuMemFreeHost;
    [Export("cuMemcpyHtoDAsync_v2")] public delegate* unmanaged<nint, void*, nuint, nint, CudaResult> cuMemcpyHtoDAsync;
    [Export("cuMemcpyDtoHAsync_v2")] public delegate* unmanaged<void*, nint, nuint, nint, CudaResult> cuMemcpyDtoHAsync;
    [Export("cuMemcpyDtoDAsync_v2")] public delegate* unmanaged<nint, nint, nuint, nint, CudaResult> cuMemcpyDtoDAsync;
    public delegate* unmanaged<nint, byte, nuint, nint, CudaResult> cuMemsetD8Async;
    public delegate* unmanaged<nint, ushort, nuint, nint, CudaResult> cuMemsetD16Async;
    public delegate* unmanaged<nint, uint, nuint, nint, CudaResult> cuMemsetD32Async;

    public delegate* unmanaged<nint*, uint, CudaResult> cuStreamCreate;
    public delegate* unmanaged<nint, nint, uint, CudaResult> cuStreamWaitEvent;
    public delegate* unmanaged<nint, CudaResult> cuStreamSynchronize;
    public delegate* unmanaged<nint, CudaResult> cuStreamQuery;
    [Export("cuStreamDestroy_v2")] public delegate* unmanaged<nint, CudaResult> cuStreamDestroy;
    [Export("cuStreamBeginCapture_v2")] public delegate* unmanaged<nint, int, CudaResult> cuStreamBeginCapture;
    public delegate* unmanaged<nint, nint*, CudaResult> cuStreamEndCapture;

    public delegate* unmanaged<nint*, uint, CudaResult> cuEventCreate;
    public delegate* unmanaged<nint, nint, CudaResult> cuEventRecord;
    public delegate* unmanaged<nint, CudaResult> cuEventQuery;
    public delegate* unmanaged<nint, CudaResult> cuEventSynchronize;
    [Export("cuEventDestroy_v2")] public delegate* unmanaged<nint, CudaResult> cuEventDestroy;
    public delegate* unmanaged<float*, nint, nint, CudaResult> cuEventElapsedTime;

    public delegate* unmanaged<int*, FunctionAttribute, nint, CudaResult> cuFuncGetAttribute;
    public delegate* unmanaged<nint, FunctionAttribute, int, CudaResult> cuFuncSetAttribute;
    public delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, CudaResult> cuLaunchKernel;
    public delegate* unmanaged<int*, nint, int, nuint, CudaResult> cuOccupancyMaxActiveBlocksPerMultiprocessor;

    public delegate* unmanaged<nint*, nint, ulong, CudaResult> cuGraphInstantiateWithFlags;
    public delegate* unmanaged<nint, nint, CudaResult> cuGraphLaunch;
    public delegate* unmanaged<nint, CudaResult> cuGraphExecDestroy;
    public delegate* unmanaged<nint, CudaResult> cuGraphDestroy;
#pragma warning restore CS1591, IDE1006
}

/// <summary>Finds and loads the installed driver.</summary>
public static class InstalledDriver
{
    /// <summary>The oldest driver API that is supported: 12.0, of driver 525.</summary>
    public const int OldestVersion = 12000;

    /// <summary>Loads the driver's library.</summary>
    /// <exception cref="LibraryMissingException">With numbered remedies.</exception>
    public static (CudaDriver Driver, string Path) Load() => LibraryLoader.OpenTable<CudaDriver>("The NVIDIA driver",
        OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"], [],
        "install the NVIDIA driver, version 525 or newer, and check that nvidia-smi lists the device",
        "in a container, start it with the NVIDIA container toolkit (--gpus all)",
        "train without a GPU: --device cpu");
}
