namespace CommonCanvas.Cuda;

/// <summary>The driver's result codes that the program tells apart; others keep their number.</summary>
public enum CudaResult
{
    /// <summary>No error.</summary>
    Success = 0,
    /// <summary>An argument is out of range.</summary>
    InvalidValue = 1,
    /// <summary>Device memory is used up.</summary>
    OutOfMemory = 2,
    /// <summary>cuInit has not been called.</summary>
    NotInitialized = 3,
    /// <summary>No CUDA device.</summary>
    NoDevice = 100,
    /// <summary>Device ordinal out of range.</summary>
    InvalidDevice = 101,
    /// <summary>The module image cannot be read.</summary>
    InvalidImage = 200,
    /// <summary>No context is current, or it is not valid.</summary>
    InvalidContext = 201,
    /// <summary>The image has no code for this device.</summary>
    NoBinaryForGpu = 209,
    /// <summary>The PTX does not compile.</summary>
    InvalidPtx = 218,
    /// <summary>The PTX is of a newer version than the driver.</summary>
    UnsupportedPtxVersion = 222,
    /// <summary>A handle is not valid.</summary>
    InvalidHandle = 400,
    /// <summary>A named symbol is not there.</summary>
    NotFound = 500,
    /// <summary>Work is still under way.</summary>
    NotReady = 600,
    /// <summary>A kernel accessed an address that is not allocated.</summary>
    IllegalAddress = 700,
    /// <summary>A launch needs more registers, threads or shared memory than there are.</summary>
    LaunchOutOfResources = 701,
    /// <summary>A kernel ran too long.</summary>
    LaunchTimeout = 702,
    /// <summary>A kernel hit a trap.</summary>
    Assert = 710,
    /// <summary>An illegal instruction.</summary>
    IllegalInstruction = 715,
    /// <summary>A load or store is not aligned to its size.</summary>
    MisalignedAddress = 716,
    /// <summary>A kernel failed for another reason.</summary>
    LaunchFailed = 719,
    /// <summary>The call is not permitted while a stream is captured.</summary>
    StreamCaptureUnsupported = 900,
    /// <summary>Capture ended with an error.</summary>
    StreamCaptureInvalidated = 901,
    /// <summary>An unknown error.</summary>
    Unknown = 999,
}

/// <summary>Device attributes that are asked for (CUdevice_attribute).</summary>
public enum DeviceAttribute
{
    /// <summary>Threads in a block at most.</summary>
    MaxThreadsPerBlock = 1,
    /// <summary>Grid size in x at most.</summary>
    MaxGridDimX = 5,
    /// <summary>Grid size in y at most.</summary>
    MaxGridDimY = 6,
    /// <summary>Grid size in z at most.</summary>
    MaxGridDimZ = 7,
    /// <summary>Shared memory of a block without opting in, bytes.</summary>
    MaxSharedMemoryPerBlock = 8,
    /// <summary>Threads that execute together.</summary>
    WarpSize = 10,
    /// <summary>Core clock, kHz.</summary>
    ClockRate = 13,
    /// <summary>Streaming multiprocessors.</summary>
    MultiprocessorCount = 16,
    /// <summary>Memory clock, kHz.</summary>
    MemoryClockRate = 36,
    /// <summary>Width of the memory bus, bits.</summary>
    GlobalMemoryBusWidth = 37,
    /// <summary>L2 cache, bytes.</summary>
    L2CacheSize = 38,
    /// <summary>Threads on a multiprocessor at most.</summary>
    MaxThreadsPerMultiprocessor = 39,
    /// <summary>Major compute capability.</summary>
    ComputeCapabilityMajor = 75,
    /// <summary>Minor compute capability.</summary>
    ComputeCapabilityMinor = 76,
    /// <summary>Shared memory of a multiprocessor, bytes.</summary>
    MaxSharedMemoryPerMultiprocessor = 81,
    /// <summary>Registers of a multiprocessor.</summary>
    MaxRegistersPerMultiprocessor = 82,
    /// <summary>Shared memory of a block after opting in, bytes.</summary>
    MaxSharedMemoryPerBlockOptin = 97,
}

/// <summary>Attributes of a kernel (CUfunction_attribute).</summary>
public enum FunctionAttribute
{
    /// <summary>Threads in a block at most.</summary>
    MaxThreadsPerBlock = 0,
    /// <summary>Static shared memory, bytes.</summary>
    SharedSizeBytes = 1,
    /// <summary>Local memory per thread, bytes: spills.</summary>
    LocalSizeBytes = 3,
    /// <summary>Registers per thread.</summary>
    NumRegs = 4,
    /// <summary>Dynamic shared memory that a launch may ask for, bytes.</summary>
    MaxDynamicSharedSizeBytes = 8,
}
