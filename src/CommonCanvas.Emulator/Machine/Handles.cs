using System.Collections.Concurrent;
using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Machine;

/// <summary>The objects that the driver's handles stand for. A handle is never used twice, so that a stale one is found out.</summary>
internal static class Handles
{
    static readonly ConcurrentDictionary<nint, object> objects = new();
    static long last = 0x1000;

    /// <summary>A handle for an object.</summary>
    public static nint Add(object value)
    {
        nint handle = (nint)Interlocked.Add(ref last, 16);
        objects[handle] = value;
        return handle;
    }

    /// <summary>The object.</summary>
    /// <exception cref="DriverError">There is none of this type.</exception>
    public static T Get<T>(nint handle) where T : class => objects.TryGetValue(handle, out object? value) && value is T found ? found
        : throw new DriverError(CudaResult.InvalidHandle, $"0x{handle:x} is no {typeof(T).Name}, or one that has been destroyed");

    /// <summary>The object, whose handle is no longer valid.</summary>
    public static T Remove<T>(nint handle) where T : class
    {
        var value = Get<T>(handle);
        objects.TryRemove(handle, out _);
        return value;
    }
}
