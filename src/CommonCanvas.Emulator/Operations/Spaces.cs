using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>A state space: turns the lanes' addresses into host pointers and refuses those outside.</summary>
internal unsafe interface ISpace
{
    /// <summary>Fills <paramref name="pointers"/> for the active lanes.</summary>
    /// <param name="warp">The warp.</param>
    /// <param name="i">The access, for reports.</param>
    /// <param name="operand">Offset of the address register.</param>
    /// <param name="offset">Bytes to add to it.</param>
    /// <param name="bytes">Bytes that each lane accesses.</param>
    /// <param name="pointers">32 host pointers.</param>
    static abstract void Resolve(Warp* warp, Instruction* i, int operand, long offset, int bytes, byte** pointers);
}

/// <summary>
/// Where the spaces lie in the generic address space. Each is far above what a host pointer can be, so that host code that
/// takes a device address for a pointer fails at once.
/// </summary>
internal static class AddressMap
{
    /// <summary>Device memory; each device has its own part of <see cref="DeviceStride"/>.</summary>
    public const ulong Global = 0x0100_0000_0000_0000;

    /// <summary>Addresses of a device.</summary>
    public const ulong DeviceStride = 1ul << 40;

    /// <summary>The shared window.</summary>
    public const ulong Shared = 0x0200_0000_0000_0000;

    /// <summary>The local window: of a thread's own memory.</summary>
    public const ulong Local = 0x0300_0000_0000_0000;

    /// <summary>The size of a window.</summary>
    public const ulong Window = 1ul << 32;

    /// <summary>What a report adds where an address that is not in a device's memory is in another's.</summary>
    public static string Elsewhere(ulong address, MemoryView memory) =>
        address is >= Global and < Shared && address - memory.Address >= DeviceStride ? ": it is memory of another device" : "";
}

/// <summary>Device memory by its device address.</summary>
internal unsafe struct GlobalSpace : ISpace
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Resolve(Warp* warp, Instruction* i, int operand, long offset, int bytes, byte** pointers)
    {
        var shift = Vector512.Create((ulong)offset - warp->MemoryAddress);
        var last = Vector512.Create(warp->MemoryBytes - (ulong)bytes);
        var memory = Vector512.Create((ulong)warp->Memory);
        var outside = Vector512<ulong>.Zero;
        for (int part = 0; part < 4; part++)
        {
            var at = ((Vector512<ulong>*)(warp->Registers + operand))[part] + shift;
            ((Vector512<ulong>*)pointers)[part] = at + memory;
            outside |= Vector512.GreaterThan(at, last) & ((Vector512<ulong>*)(warp->Registers + Warp.WideMask))[part];
        }
        if (outside != Vector512<ulong>.Zero) Refuse(warp, i, operand, offset, bytes);
    }

    static void Refuse(Warp* warp, Instruction* i, int operand, long offset, int bytes)
    {
        ulong* addresses = (ulong*)(warp->Registers + operand);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            ulong address = addresses[lane] + (ulong)offset;
            if (address - warp->MemoryAddress > warp->MemoryBytes - (ulong)bytes)
                throw new KernelFault(CudaResult.IllegalAddress, $"{bytes} bytes at 0x{address:x} are not in device memory{AddressMap.Elsewhere(address, Warp.View(warp))}", lane, i->Source);
        }
    }
}

/// <summary>Shared memory by an offset in a 32-bit register.</summary>
internal unsafe struct SharedSpace : ISpace
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Resolve(Warp* warp, Instruction* i, int operand, long offset, int bytes, byte** pointers)
    {
        var (low, high) = Vector512.Widen(((Vector512<uint>*)(warp->Registers + operand))[0]);
        var (low2, high2) = Vector512.Widen(((Vector512<uint>*)(warp->Registers + operand))[1]);
        Window.Resolve(warp, i, low, high, low2, high2, offset, bytes, pointers);
    }
}

/// <summary>Shared memory by an offset in a 64-bit register.</summary>
internal unsafe struct SharedSpace64 : ISpace
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Resolve(Warp* warp, Instruction* i, int operand, long offset, int bytes, byte** pointers)
    {
        var at = (Vector512<ulong>*)(warp->Registers + operand);
        Window.Resolve(warp, i, at[0], at[1], at[2], at[3], offset, bytes, pointers);
    }
}

/// <summary>The part of the two that is the same.</summary>
internal static unsafe class Window
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Resolve(Warp* warp, Instruction* i, Vector512<ulong> a, Vector512<ulong> b, Vector512<ulong> c, Vector512<ulong> d,
        long offset, int bytes, byte** pointers)
    {
        var shift = Vector512.Create((ulong)offset);
        (a, b, c, d) = (a + shift, b + shift, c + shift, d + shift);
        if (warp->SharedBytes < (ulong)bytes) Refuse(i, (ulong)offset, bytes, 0, 0);
        var last = Vector512.Create(warp->SharedBytes - (ulong)bytes);
        var mask = (Vector512<ulong>*)(warp->Registers + Warp.WideMask);
        var outside = (Vector512.GreaterThan(a, last) & mask[0]) | (Vector512.GreaterThan(b, last) & mask[1])
            | (Vector512.GreaterThan(c, last) & mask[2]) | (Vector512.GreaterThan(d, last) & mask[3]);
        var start = Vector512.Create((ulong)warp->Shared);
        var to = (Vector512<ulong>*)pointers;
        (to[0], to[1], to[2], to[3]) = (a + start, b + start, c + start, d + start);
        if (outside == Vector512<ulong>.Zero) return;
        for (uint active = warp->Mask; active != 0; active &= active - 1)
        {
            int lane = BitOperations.TrailingZeroCount(active);
            ulong at = (ulong)pointers[lane] - (ulong)warp->Shared;
            if (at > warp->SharedBytes - (ulong)bytes) Refuse(i, at, bytes, warp->SharedBytes, lane);
        }
    }

    static void Refuse(Instruction* i, ulong at, int bytes, ulong size, int lane) =>
        throw new KernelFault(CudaResult.IllegalAddress, $"{bytes} bytes at offset {(long)at} are not in the block's {size} bytes of shared memory", lane, i->Source);
}

/// <summary>A thread's own memory by an offset in a 64-bit register.</summary>
internal unsafe struct LocalSpace : ISpace
{
    public static void Resolve(Warp* warp, Instruction* i, int operand, long offset, int bytes, byte** pointers)
    {
        ulong* addresses = (ulong*)(warp->Registers + operand);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            pointers[lane] = GenericSpace.Local(warp, i, addresses[lane] + (ulong)offset, bytes, lane);
        }
    }
}

/// <summary>Any space by a generic address.</summary>
internal unsafe struct GenericSpace : ISpace
{
    public static void Resolve(Warp* warp, Instruction* i, int operand, long offset, int bytes, byte** pointers)
    {
        ulong* addresses = (ulong*)(warp->Registers + operand);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            ulong address = addresses[lane] + (ulong)offset;
            if (address - AddressMap.Shared < AddressMap.Window)
            {
                ulong at = address - AddressMap.Shared;
                if (at + (ulong)bytes > warp->SharedBytes)
                    throw new KernelFault(CudaResult.IllegalAddress, $"{bytes} bytes at offset {at} are not in the block's {warp->SharedBytes} bytes of shared memory", lane, i->Source);
                pointers[lane] = warp->Shared + at;
            }
            else if (address - AddressMap.Local < AddressMap.Window) pointers[lane] = Local(warp, i, address - AddressMap.Local, bytes, lane);
            else if (address - warp->MemoryAddress <= warp->MemoryBytes - (ulong)bytes) pointers[lane] = warp->Memory + (address - warp->MemoryAddress);
            else throw new KernelFault(CudaResult.IllegalAddress, $"{bytes} bytes at 0x{address:x} are not in device memory{AddressMap.Elsewhere(address, Warp.View(warp))}", lane, i->Source);
        }
    }

    /// <summary>The pointer into a lane's local memory.</summary>
    internal static byte* Local(Warp* warp, Instruction* i, ulong at, int bytes, int lane) => at + (ulong)bytes <= warp->LocalBytes && at < AddressMap.Window
        ? warp->Local + (ulong)lane * warp->LocalBytes + at
        : throw new KernelFault(CudaResult.IllegalAddress, $"{bytes} bytes at offset {(long)at} are not in the thread's {warp->LocalBytes} bytes of local memory", lane, i->Source);
}

/// <summary>The kernel's arguments by an offset in a 64-bit register.</summary>
internal unsafe struct ParameterSpace : ISpace
{
    public static void Resolve(Warp* warp, Instruction* i, int operand, long offset, int bytes, byte** pointers)
    {
        ulong* addresses = (ulong*)(warp->Registers + operand);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            ulong at = addresses[lane] + (ulong)offset;
            if (at + (ulong)bytes > KernelArguments.MaxBytes)
                throw new KernelFault(CudaResult.IllegalAddress, $"{bytes} bytes at offset {(long)at} are not in the kernel's parameters", lane, i->Source);
            pointers[lane] = warp->Parameters + at;
        }
    }
}
