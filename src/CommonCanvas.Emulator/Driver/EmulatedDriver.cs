using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Machine;

namespace CommonCanvas.Emulator;

/// <summary>
/// The CUDA driver over emulated devices. Each <see cref="Create"/> makes devices of its own; ordinals count those of the
/// latest one made on the calling thread, or, where the thread made none, of the latest one of all.
/// </summary>
public static unsafe partial class EmulatedDriver
{
    const int Version = 12000;

    static readonly List<EmulatedDevice> devices = [];
    static EmulatedDevice[] latest = [];

    [ThreadStatic] static EmulatedDevice[]? own;
    [ThreadStatic] static EmulatedDevice? current;
    [ThreadStatic] static (CudaResult Result, string Text) lastReport;
    [ThreadStatic] static nint lastText;

    /// <summary>A driver table over new devices.</summary>
    public static CudaDriver Create(EmulatedDeviceOptions? options = null)
    {
        options ??= new EmulatedDeviceOptions();
        lock (devices)
        {
            own = [.. Enumerable.Range(devices.Count, options.Devices).Select(ordinal => new EmulatedDevice(ordinal, options))];
            devices.AddRange(own);
            latest = own;
        }
        return Table();
    }

    /// <summary>
    /// What a kernel did wrong on the calling thread's device, if anything: kernel, line, block and thread. The device is
    /// usable again, which a real one would not be.
    /// </summary>
    public static string? TakeFault()
    {
        string? report = current?.Fault?.Report;
        if (current is { } device) device.Fault = null;
        return report;
    }

    /// <summary>
    /// What the launches on the calling thread's device did since the last call, in order; only where
    /// <see cref="EmulatedDeviceOptions.Counted"/>. Work that is still queued is not among them: synchronise first.
    /// </summary>
    public static IReadOnlyList<LaunchCount> TakeCounts()
    {
        if (current is not { } device) return [];
        LaunchCount[] counts = [.. device.Counts];
        device.Counts.Clear();
        return counts;
    }

    /// <summary>The devices that the calling thread's ordinals count.</summary>
    static EmulatedDevice[] Own => own ?? latest;

    static EmulatedDevice Device(int handle)
    {
        lock (devices)
            return handle >= 0 && handle < devices.Count ? devices[handle] : throw new DriverError(CudaResult.InvalidDevice, $"there is no device {handle}");
    }

    /// <summary>The current context's device, unless a kernel has broken it.</summary>
    internal static EmulatedDevice Context()
    {
        var device = current ?? throw new DriverError(CudaResult.InvalidContext, "no context is current on this thread");
        return device.Fault is { } fault ? throw new DriverError(fault.Result, fault.Report) : device;
    }

    /// <summary>An object of a handle, for the calls that the driver's documentation refuses where no context is current.</summary>
    static T InContext<T>(nint handle) where T : class
    {
        RequireContext();
        return Handles.Get<T>(handle);
    }

    /// <summary>Some context, broken by a kernel or not, is the calling thread's.</summary>
    static void RequireContext() => _ = current ?? throw new DriverError(CudaResult.InvalidContext, "no context is current on this thread");

    internal static WorkQueue Stream(nint handle) => handle == 0 ? Context().DefaultStream : Handles.Get<WorkQueue>(handle);

    /// <summary>Runs a call and turns what it throws into its result.</summary>
    static CudaResult Call(Action body, [CallerMemberName] string name = "")
    {
        try
        {
            body();
            return CudaResult.Success;
        }
        catch (DriverError error) { return Report(error.Result, error.Message); }
        catch (OutOfMemoryException error) { return Report(CudaResult.OutOfMemory, error.Message); }
        catch (Exception error) { return Report(CudaResult.Unknown, $"{name} of the emulator failed: {error}"); }
    }

    static CudaResult Report(CudaResult result, string text)
    {
        lastReport = (result, text);
        return result;
    }

    [UnmanagedCallersOnly]
    static CudaResult cuGetErrorName(CudaResult result, byte** text) => Text(text, $"CUDA_ERROR_{SnakeCase(result.ToString())}");

    [UnmanagedCallersOnly]
    static CudaResult cuGetErrorString(CudaResult result, byte** text) =>
        Text(text, lastReport.Result == result && result != CudaResult.Success ? lastReport.Text : result.ToString());

    // the text lives until the thread asks for the next one
    static CudaResult Text(byte** to, string text)
    {
        Marshal.FreeCoTaskMem(lastText);
        lastText = Marshal.StringToCoTaskMemUTF8(text);
        *to = (byte*)lastText;
        return CudaResult.Success;
    }

    static string SnakeCase(string name) =>
        string.Concat(name.Select((c, i) => i > 0 && char.IsUpper(c) ? $"_{c}" : char.ToUpperInvariant(c).ToString()));

    [UnmanagedCallersOnly]
    static CudaResult cuInit(uint flags) => CudaResult.Success;

    [UnmanagedCallersOnly]
    static CudaResult cuDriverGetVersion(int* version)
    {
        *version = Version;
        return CudaResult.Success;
    }
}
