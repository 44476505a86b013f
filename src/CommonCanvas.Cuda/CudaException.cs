using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>A failed driver call: names the call, the code, what ran last and the remedy.</summary>
public sealed class CudaException(CudaResult result, string message) : Exception(message)
{
    /// <summary>The driver's code.</summary>
    public CudaResult Result { get; } = result;
}

/// <summary>The driver's table together with the check of every result.</summary>
public sealed unsafe class CudaApi
{
    /// <summary>Stands in an emulated device's report between what a kernel did wrong and the block that did it.</summary>
    public const string FaultPlace = "; block ";

    readonly CudaDriver driver;

    /// <summary>The calls.</summary>
    public ref readonly CudaDriver Driver => ref driver;

    /// <summary>Takes a filled table and initialises the driver.</summary>
    /// <exception cref="CudaException">The driver does not start or is too old.</exception>
    public CudaApi(CudaDriver driver)
    {
        this.driver = driver;
        Check(driver.cuInit(0));
        int version;
        Check(driver.cuDriverGetVersion(&version));
        DriverVersion = new Version(version / 1000, version % 1000 / 10);
        if (version < InstalledDriver.OldestVersion)
            throw new CudaException(CudaResult.InvalidValue, $"the NVIDIA driver offers CUDA {DriverVersion}; driver 525 (CUDA 12.0) or newer is needed");
    }

    /// <summary>CUDA version of the driver.</summary>
    public Version DriverVersion { get; }

    /// <summary>The latest launches, for errors that surface after them.</summary>
    public LaunchLog Launches { get; } = new();

    /// <summary>Number of devices.</summary>
    public int DeviceCount
    {
        get
        {
            int count;
            Check(Driver.cuDeviceGetCount(&count));
            return count;
        }
    }

    /// <summary>Throws where <paramref name="result"/> is an error; <paramref name="context"/> adds shapes or geometry.</summary>
    public void Check(CudaResult result, string? context = null, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result != CudaResult.Success) Throw(result, context, call);
    }

    void Throw(CudaResult result, string? context, string call)
    {
        int start = call.IndexOf("cu", StringComparison.Ordinal), end = call.IndexOf('(', StringComparison.Ordinal);
        string name = start >= 0 && end > start ? call[start..end] : call;
        string text = TextOf(result), message = $"{name} failed: {NameOf(result)} ({(int)result}): {text}";
        if (context is not null) message += $"; {context}";
        if (SurfacesLate(result) && Launches.Describe() is { Length: > 0 } launches) message += $"; last launches, newest first: {launches}";
        if (RemedyOf(result, text) is { } remedy) message += $". {remedy}";
        throw new CudaException(result, message);
    }

    /// <summary>The driver's own name of a code.</summary>
    public string NameOf(CudaResult result)
    {
        byte* text;
        return Driver.cuGetErrorName(result, &text) == CudaResult.Success ? Marshal.PtrToStringUTF8((nint)text)! : "unknown code";
    }

    /// <summary>The driver's explanation of a code; an emulated device says what went wrong where.</summary>
    string TextOf(CudaResult result)
    {
        byte* text;
        return Driver.cuGetErrorString(result, &text) == CudaResult.Success ? Marshal.PtrToStringUTF8((nint)text)! : "the driver knows no text for it";
    }

    /// <summary>Errors of kernels, which the next synchronisation reports.</summary>
    static bool SurfacesLate(CudaResult result) => result is CudaResult.IllegalAddress or CudaResult.LaunchTimeout or CudaResult.Assert
        or CudaResult.IllegalInstruction or CudaResult.MisalignedAddress or CudaResult.LaunchFailed;

    // an emulated device has named the line of the kernel, or of the PTX that it does not know
    static string? RemedyOf(CudaResult result, string text) => result switch
    {
        CudaResult.OutOfMemory => "Use a smaller microbatch or --precision fp16, or close other programs that hold device memory",
        CudaResult.NoDevice or CudaResult.InvalidDevice => "See `Trainer doctor` for the devices that are there, or train with --device cpu",
        CudaResult.NoBinaryForGpu or CudaResult.UnsupportedPtxVersion or CudaResult.InvalidPtx when !text.StartsWith("PTX line", StringComparison.Ordinal) =>
            "The kernels were compiled for another device or by a newer NVRTC than the driver knows: update the driver, or remove the kernel cache",
        CudaResult.IllegalAddress or CudaResult.MisalignedAddress or CudaResult.LaunchFailed when !text.Contains(FaultPlace, StringComparison.Ordinal) =>
            "Run the same command with --device emulator, which names the line of the kernel",
        _ => null,
    };
}

/// <summary>A ring of the latest launches: a record of where to look when an asynchronous error surfaces.</summary>
public sealed class LaunchLog
{
    const int Capacity = 8;
    readonly (string Kernel, Dim3 Grid, Dim3 Block)[] ring = new (string, Dim3, Dim3)[Capacity];
    int next;

    /// <summary>Number of launches so far.</summary>
    public long Count { get; private set; }

    /// <summary>Notes a launch.</summary>
    public void Add(string kernel, Dim3 grid, Dim3 block)
    {
        ring[next] = (kernel, grid, block);
        next = (next + 1) % Capacity;
        Count++;
    }

    /// <summary>The latest launches, newest first.</summary>
    public string Describe() => string.Join(", ", Enumerable.Range(1, (int)Math.Min(Count, Capacity))
        .Select(back => ring[(next - back + Capacity) % Capacity])
        .Select(launch => $"{launch.Kernel}<<<{launch.Grid}, {launch.Block}>>>"));
}

/// <summary>Sizes of a grid or a block.</summary>
public readonly record struct Dim3(int X, int Y = 1, int Z = 1)
{
    /// <summary>Number of elements.</summary>
    public long Count => (long)X * Y * Z;

    /// <summary>A line of <paramref name="x"/>.</summary>
    public static implicit operator Dim3(int x) => new(x);

    /// <inheritdoc/>
    public override string ToString() => Z != 1 ? $"({X}, {Y}, {Z})" : Y != 1 ? $"({X}, {Y})" : $"{X}";
}
