using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// A driver in which time passes only by launches of kernels, a millisecond each, and by what tests add: so that which of two
/// ways is the faster does not depend on the machine. One at a time.
/// </summary>
static unsafe class LaunchClock
{
    static readonly ConcurrentDictionary<nint, float> marks = new();
    static CudaDriver inner;

    /// <summary>Milliseconds so far.</summary>
    public static float Now { get; set; }

    /// <summary>Puts the clock before a driver.</summary>
    public static CudaDriver Over(CudaDriver driver)
    {
        (inner, Now) = (driver, 0);
        marks.Clear();
        driver.cuLaunchKernel = &Launch;
        driver.cuEventRecord = &Record;
        driver.cuEventElapsedTime = &Elapsed;
        return driver;
    }

    [UnmanagedCallersOnly]
    static CudaResult Launch(nint function, uint x, uint y, uint z, uint bx, uint by, uint bz, uint shared, nint stream, void** arguments, void** extra)
    {
        Now++;
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
