using System.Numerics;
using System.Runtime.CompilerServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>Where a shuffle's lane reads, and whether that is inside its segment.</summary>
internal interface IShuffle
{
    /// <param name="lane">The lane.</param>
    /// <param name="b">Operand b, a lane or a distance.</param>
    /// <param name="segment">Mask of the lane bits that stay.</param>
    /// <param name="bound">The last lane of the segment (for <c>up</c> the first).</param>
    static abstract (int Source, bool Inside) From(int lane, int b, int segment, int bound);
}

internal struct ShuffleUp : IShuffle { public static (int, bool) From(int lane, int b, int segment, int bound) => (lane - b, lane - b >= bound); }
internal struct ShuffleDown : IShuffle { public static (int, bool) From(int lane, int b, int segment, int bound) => (lane + b, lane + b <= bound); }
internal struct ShuffleButterfly : IShuffle { public static (int, bool) From(int lane, int b, int segment, int bound) => (lane ^ b, (lane ^ b) <= bound); }
internal struct ShuffleIndex : IShuffle { public static (int, bool) From(int lane, int b, int segment, int bound) => ((lane & segment) | (b & ~segment), ((lane & segment) | (b & ~segment)) <= bound); }

/// <summary>Operations between the lanes of a warp. The members named by the instruction must run together.</summary>
internal static unsafe class WarpOps
{
    const MethodImplOptions Now = MethodImplOptions.AggressiveOptimization;

    /// <summary>bar.warp.sync: lanes run in step here, so the monitor alone has something to do.</summary>
    [MethodImpl(Now)]
    public static void Sync<TMonitor>(Warp* warp, Instruction* i) where TMonitor : struct, IMonitor => TMonitor.SyncWarp(warp);

    /// <summary>membar and fence of the whole device: memory is in order here, so the monitor alone has something to do.</summary>
    [MethodImpl(Now)]
    public static void Fence<TMonitor>(Warp* warp, Instruction* i) where TMonitor : struct, IMonitor => TMonitor.Fence(warp);

    /// <summary>shfl: operands are the destination, the predicate or -1, a, b, c and the members.</summary>
    [MethodImpl(Now)]
    public static void Shuffle<TMonitor, TMode>(Warp* warp, Instruction* i) where TMonitor : struct, IMonitor where TMode : struct, IShuffle
    {
        if (warp->Mask == 0) return;
        CheckMembers(warp, i, i->Operand[5]);
        uint* to = (uint*)(warp->Registers + i->Operand[0]), a = (uint*)(warp->Registers + i->Operand[2]);
        uint* b = (uint*)(warp->Registers + i->Operand[3]), c = (uint*)(warp->Registers + i->Operand[4]);
        uint* result = stackalloc uint[Warp.Lanes];
        uint inside = 0;
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            int segment = (int)(c[lane] >> 8 & 31), clamp = (int)(c[lane] & 31);
            var (source, valid) = TMode.From(lane, (int)(b[lane] & 31), segment, (lane & segment) | (clamp & ~segment));
            if (valid) inside |= 1u << lane;
            else source = lane;
            if (TMonitor.Checks && (warp->Mask >> source & 1) == 0)
                throw new KernelFault(CudaResult.IllegalInstruction, $"{nameof(Shuffle).ToLowerInvariant()} reads lane {source}, which does not take part (active lanes {warp->Mask:x8})", lane, i->Source);
            result[lane] = a[source];
        }
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            to[lane] = result[lane];
        }
        if (i->Operand[1] >= 0) Templates.StorePredicate(warp, i->Operand[1], inside);
    }

    /// <summary>Sees that all members that live are active.</summary>
    static void CheckMembers(Warp* warp, Instruction* i, int operand)
    {
        uint* members = (uint*)(warp->Registers + operand);
        int first = BitOperations.TrailingZeroCount(warp->Mask);
        uint named = members[first];
        if ((named >> first & 1) == 0)
            throw new KernelFault(CudaResult.IllegalInstruction, $"the member mask {named:x8} does not name the executing lane", first, i->Source);
        if ((named & warp->Live & ~warp->Mask) != 0)
            throw new KernelFault(CudaResult.IllegalInstruction, $"the member mask {named:x8} names lanes that do not take part (active lanes {warp->Mask:x8})", first, i->Source);
    }

    /// <summary>vote: destination, source predicate, members or -1; <see cref="Instruction.Option"/> negates the source.</summary>
    [MethodImpl(Now)]
    public static void VoteAll(Warp* warp, Instruction* i) => StoreVote(warp, i, Votes(warp, i, out uint members) == members);

    [MethodImpl(Now)]
    public static void VoteAny(Warp* warp, Instruction* i) => StoreVote(warp, i, Votes(warp, i, out _) != 0);

    [MethodImpl(Now)]
    public static void VoteUniform(Warp* warp, Instruction* i) =>
        StoreVote(warp, i, Votes(warp, i, out uint members) is var votes && (votes == 0 || votes == members));

    [MethodImpl(Now)]
    public static void Ballot(Warp* warp, Instruction* i) => Fill(warp, i->Operand[0], Votes(warp, i, out _));

    static uint Votes(Warp* warp, Instruction* i, out uint members)
    {
        if (i->Operand[2] >= 0 && warp->Mask != 0) CheckMembers(warp, i, i->Operand[2]);
        members = warp->Mask;
        return (*(uint*)(warp->Registers + i->Operand[1]) ^ (uint)i->Option) & warp->Mask;
    }

    static void StoreVote(Warp* warp, Instruction* i, bool holds) => Templates.StorePredicate(warp, i->Operand[0], holds ? uint.MaxValue : 0);

    static void Fill(Warp* warp, int operand, uint value)
    {
        uint* to = (uint*)(warp->Registers + operand);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1) to[BitOperations.TrailingZeroCount(mask)] = value;
    }

    [MethodImpl(Now)]
    public static void ActiveMask(Warp* warp, Instruction* i) => Fill(warp, i->Operand[0], warp->Mask);

    /// <summary>match.any: the lanes with the same value. Destination, predicate or -1, value, members.</summary>
    [MethodImpl(Now)]
    public static void MatchAny<T>(Warp* warp, Instruction* i) where T : unmanaged, IEquatable<T>
    {
        if (warp->Mask == 0) return;
        CheckMembers(warp, i, i->Operand[3]);
        var values = (T*)(warp->Registers + i->Operand[2]);
        uint* result = stackalloc uint[Warp.Lanes];
        for (int lane = 0; lane < Warp.Lanes; lane++)
        {
            result[lane] = 0;
            for (int other = 0; other < Warp.Lanes; other++)
                if ((warp->Mask >> other & 1) != 0 && values[other].Equals(values[lane])) result[lane] |= 1u << other;
        }
        uint* to = (uint*)(warp->Registers + i->Operand[0]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1) to[BitOperations.TrailingZeroCount(mask)] = result[BitOperations.TrailingZeroCount(mask)];
    }

    /// <summary>match.all: all members where their values are the same, else none.</summary>
    [MethodImpl(Now)]
    public static void MatchAll<T>(Warp* warp, Instruction* i) where T : unmanaged, IEquatable<T>
    {
        if (warp->Mask == 0) return;
        CheckMembers(warp, i, i->Operand[3]);
        var values = (T*)(warp->Registers + i->Operand[2]);
        int first = BitOperations.TrailingZeroCount(warp->Mask);
        bool same = true;
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1) same &= values[BitOperations.TrailingZeroCount(mask)].Equals(values[first]);
        Fill(warp, i->Operand[0], same ? warp->Mask : 0);
        if (i->Operand[1] >= 0) Templates.StorePredicate(warp, i->Operand[1], same ? uint.MaxValue : 0);
    }

    /// <summary>redux: the members' values joined. Destination, value, members.</summary>
    [MethodImpl(Now)]
    public static void Reduce<TOp>(Warp* warp, Instruction* i) where TOp : struct, IAtomic<uint>
    {
        if (warp->Mask == 0) return;
        CheckMembers(warp, i, i->Operand[2]);
        uint* values = (uint*)(warp->Registers + i->Operand[1]);
        uint sum = values[BitOperations.TrailingZeroCount(warp->Mask)];
        for (uint mask = warp->Mask & (warp->Mask - 1); mask != 0; mask &= mask - 1) sum = TOp.Of(sum, values[BitOperations.TrailingZeroCount(mask)], 0);
        Fill(warp, i->Operand[0], sum);
    }
}
