using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tests;

/// <summary>
/// A driver in which time passes only by launches of kernels, a millisecond for a product and a tenth for anything else, and by
/// what tests add: so that which of two ways is the faster does not depend on the machine. For tests of one collection.
/// </summary>
public static unsafe class LaunchClock
{
    static readonly ConcurrentDictionary<nint, float> marks = new(), costs = new();
    static CudaDriver inner;

    /// <summary>Milliseconds so far.</summary>
    public static float Now { get; set; }

    /// <summary>Puts the clock before a driver.</summary>
    public static CudaDriver Over(CudaDriver driver)
    {
        (inner, Now) = (driver, 0);
        driver.cuModuleGetFunction = &GetFunction;
        driver.cuLaunchKernel = &Launch;
        driver.cuEventRecord = &Record;
        driver.cuEventElapsedTime = &Elapsed;
        return driver;
    }

    [UnmanagedCallersOnly]
    static CudaResult GetFunction(nint* function, nint module, byte* name)
    {
        var result = inner.cuModuleGetFunction(function, module, name);
        string text = Marshal.PtrToStringUTF8((nint)name)!;
        if (result == CudaResult.Success) costs[*function] = text.StartsWith("Linear", StringComparison.Ordinal) || text.StartsWith("Conv", StringComparison.Ordinal) ? 1 : 0.1f;
        return result;
    }

    [UnmanagedCallersOnly]
    static CudaResult Launch(nint function, uint x, uint y, uint z, uint bx, uint by, uint bz, uint shared, nint stream, void** arguments, void** extra)
    {
        Now += costs[function];
        return inner.cuLaunchKernel(function, x, y, z, bx, by, bz, shared, stream, arguments, extra);
    }

    [UnmanagedCallersOnly]
    static CudaResult Record(nint handle, nint stream)
    {
        marks[handle] = Now;
        return inner.cuEventRecord(handle, stream);
    }

    [UnmanagedCallersOnly]
    static CudaResult Elapsed(float* milliseconds, nint start, nint end)
    {
        *milliseconds = marks[end] - marks[start];
        return CudaResult.Success;
    }
}
