using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Machine;

namespace CommonCanvas.Emulator;

public static unsafe partial class EmulatedDriver
{
    /// <summary>Page-locked allocations: start and size.</summary>
    static readonly ConcurrentDictionary<nint, nuint> pinned = new();

    [UnmanagedCallersOnly]
    static CudaResult cuMemGetInfo(nuint* free, nuint* total) => Call(() =>
    {
        var memory = Context().Memory;
        (*free, *total) = ((nuint)(memory.Bytes - memory.Used), (nuint)memory.Bytes);
    });

    [UnmanagedCallersOnly]
    static CudaResult cuMemAlloc(nint* address, nuint bytes) => Call(() =>
    {
        if (bytes == 0) throw new DriverError(CudaResult.InvalidValue, "an allocation needs at least one byte");
        *address = Context().Memory.Allocate((long)bytes);
        if (*address == 0) throw new DriverError(CudaResult.OutOfMemory, $"{bytes} bytes are not free in one piece");
    });

    // as the real one, waits for all work that may use the memory
    [UnmanagedCallersOnly]
    static CudaResult cuMemFree(nint address) => Call(() =>
    {
        var device = Context();
        device.Synchronize();
        if (address != 0 && !device.Memory.Free(address)) throw new DriverError(CudaResult.InvalidValue, $"nothing is allocated at 0x{address:x}");
    });

    [UnmanagedCallersOnly]
    static CudaResult cuMemHostAlloc(nint* address, nuint bytes, uint flags) => Call(() =>
    {
        Context();
        *address = (nint)NativeMemory.AlignedAlloc(Math.Max(bytes, 1), 4096);
        pinned[*address] = bytes;
    });

    [UnmanagedCallersOnly]
    static CudaResult cuMemFreeHost(nint address) => Call(() =>
    {
        RequireContext();
        if (!pinned.TryRemove(address, out _)) throw new DriverError(CudaResult.InvalidValue, $"0x{address:x} is no page-locked allocation");
        current!.Synchronize();
        NativeMemory.AlignedFree((void*)address);
    });

    static bool IsPinned(nint address, nuint bytes)
    {
        foreach (var (start, size) in pinned)
            if ((nuint)(address - start) <= size && (nuint)(address - start) + bytes <= size) return true;
        return false;
    }

    /// <summary>The host pointer to device memory.</summary>
    internal static byte* Host(EmulatedDevice device, nint address, nuint bytes)
    {
        if (bytes == 0) return null;
        byte* found = device.Memory.Find(address, (long)bytes);
        return found != null ? found : throw new DriverError(CudaResult.InvalidValue, $"{bytes} bytes at 0x{address:x} do not lie within one allocation{Operations.AddressMap.Elsewhere((ulong)address, device.Memory.View)}");
    }

    // pageable memory is read before the call returns, page-locked memory when the copy's turn comes
    [UnmanagedCallersOnly]
    static CudaResult cuMemcpyHtoDAsync(nint destination, void* source, nuint bytes, nint stream) => Call(() =>
    {
        var queue = Stream(stream);
        byte* to = Host(queue.Device, destination, bytes);
        if (queue.Device.Options.SampledBlocks > 0) return;
        if (IsPinned((nint)source, bytes) || queue.Capture is not null) queue.Add(() => Arrive((byte*)source, to));
        else
        {
            byte* staged = (byte*)NativeMemory.Alloc(Math.Max(bytes, 1));
            Buffer.MemoryCopy(source, staged, bytes, bytes);
            queue.Add(() =>
            {
                Arrive(staged, to);
                NativeMemory.Free(staged);
            });
        }

        void Arrive(byte* from, byte* to)
        {
            Buffer.MemoryCopy(from, to, bytes, bytes);
            queue.Device.Memory.MarkWritten(to, (long)bytes);
        }
    });

    // into pageable memory the call returns when the copy has been done
    [UnmanagedCallersOnly]
    static CudaResult cuMemcpyDtoHAsync(void* destination, nint source, nuint bytes, nint stream) => Call(() =>
    {
        var queue = Stream(stream);
        byte* from = Host(queue.Device, source, bytes);
        queue.Add(() => Buffer.MemoryCopy(from, destination, bytes, bytes));
        if (queue.Capture is null && !IsPinned((nint)destination, bytes)) queue.Drain();
        Context();
    });

    [UnmanagedCallersOnly]
    static CudaResult cuMemcpyDtoDAsync(nint destination, nint source, nuint bytes, nint stream) => Call(() =>
    {
        var queue = Stream(stream);
        byte* from = Host(queue.Device, source, bytes), to = Host(queue.Device, destination, bytes);
        queue.Add(() => queue.Device.Move("memcpy", (long)bytes, (long)bytes, () =>
        {
            Buffer.MemoryCopy(from, to, bytes, bytes);
            queue.Device.Memory.MarkCopied(from, to, (long)bytes);
        }));
    });

    [UnmanagedCallersOnly]
    static CudaResult cuMemsetD8Async(nint destination, byte value, nuint count, nint stream) => Call(() => Fill(destination, value, count, stream));

    [UnmanagedCallersOnly]
    static CudaResult cuMemsetD16Async(nint destination, ushort value, nuint count, nint stream) => Call(() => Fill(destination, value, count, stream));

    [UnmanagedCallersOnly]
    static CudaResult cuMemsetD32Async(nint destination, uint value, nuint count, nint stream) => Call(() => Fill(destination, value, count, stream));

    static void Fill<T>(nint destination, T value, nuint count, nint stream) where T : unmanaged
    {
        var queue = Stream(stream);
        if (destination % sizeof(T) != 0) throw new DriverError(CudaResult.InvalidValue, $"0x{destination:x} is not aligned to {sizeof(T)} bytes");
        byte* to = Host(queue.Device, destination, count * (nuint)sizeof(T));
        queue.Add(() => queue.Device.Move("memset", 0, (long)count * sizeof(T), () =>
        {
            queue.Device.Memory.MarkWritten(to, (long)count * sizeof(T));
            for (nuint done = 0; done < count;)
            {
                int part = (int)nuint.Min(count - done, 1 << 28);
                new Span<T>(to + done * (nuint)sizeof(T), part).Fill(value);
                done += (nuint)part;
            }
        }));
    }
}
