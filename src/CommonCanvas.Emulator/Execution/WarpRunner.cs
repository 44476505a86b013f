using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Decoding;

namespace CommonCanvas.Emulator.Execution;

/// <summary>
/// Runs a warp until it ends or waits. Lanes that branch apart become fragments, each with its block; the one whose block
/// comes first in the text runs, and fragments that meet at a block join. Compilers lay out code so that this brings
/// the lanes of a branch together again where its sides meet. A fragment before an instruction between lanes whose mask names
/// lanes of other fragments lets those run until they come there too.
/// </summary>
internal static unsafe class WarpRunner
{
    /// <summary>Barriers of a thread block.</summary>
    public const int Barriers = 16;

    /// <summary>Runs on from the warp's position.</summary>
    /// <exception cref="KernelFault">The kernel did something that is not allowed.</exception>
    public static void Run(KernelCode code, Warp* warp)
    {
        int at = warp->Position;
        while (true)
        {
            if (warp->Fragments > 0) at = Schedule(code, warp, at);
            var block = code.Blocks + at;
            var instruction = block->First;
            var end = block->End;
            warp->Budget -= end - instruction + 1;
            if (warp->Budget < 0) throw new KernelFault(CudaResult.LaunchTimeout, "the instruction budget is used up: a loop does not end", -1, block->Source);
            if (warp->BlockRuns != null) warp->BlockRuns[at]++;
            for (; instruction < end; instruction++) instruction->Run(warp, instruction);
            switch (block->Kind)
            {
                case BlockEnd.Next: at++; break;
                case BlockEnd.Branch: at = Branch(warp, block, at); break;
                case BlockEnd.Switch: at = Switch(warp, block); break;
                case BlockEnd.Barrier or BlockEnd.Arrive:
                    at++;
                    if (!ReachBarrier(warp, block)) break;
                    warp->Position = at;
                    return;
                case BlockEnd.Exit:
                    at = Exit(warp, block, at);
                    if (at >= 0) break;
                    warp->Done = true;
                    return;
            }
            if (at >= code.BlockCount) throw new KernelFault(CudaResult.IllegalInstruction, "the code ends without ret", -1, block->Source);
        }
    }

    // joins the fragments that stand here, and changes to the one that stands first among those that need not wait
    static int Schedule(KernelCode code, Warp* warp, int at)
    {
        uint mask = warp->Mask;
        for (int f = warp->Fragments - 1; f >= 0; f--)
            if (warp->FragmentPosition[f] == at)
            {
                mask |= warp->FragmentMask[f];
                Remove(warp, f);
            }
        // where all wait, the first goes on, and is told that its members do not come
        int first = -1;
        bool ready = IsReady(code, warp, at, mask);
        for (int f = 0; f < warp->Fragments; f++)
        {
            int position = warp->FragmentPosition[f];
            bool comes = IsReady(code, warp, position, warp->FragmentMask[f]);
            if (comes == ready ? position >= (first < 0 ? at : warp->FragmentPosition[first]) : ready) continue;
            (first, ready) = (f, comes);
        }
        if (first >= 0)
        {
            (at, warp->FragmentPosition[first]) = (warp->FragmentPosition[first], at);
            (mask, warp->FragmentMask[first]) = (warp->FragmentMask[first], mask);
        }
        if (mask != warp->Mask) Warp.SetMask(warp, mask);
        return at;
    }

    // whether all lanes have come that live and that the block's first instruction waits for
    static bool IsReady(KernelCode code, Warp* warp, int position, uint mask)
    {
        int members = code.Blocks[position].Members;
        return members < 0 || (((uint*)(warp->Registers + members))[System.Numerics.BitOperations.TrailingZeroCount(mask)] & warp->Live & ~mask) == 0;
    }

    static void Remove(Warp* warp, int fragment)
    {
        int last = --warp->Fragments;
        warp->FragmentPosition[fragment] = warp->FragmentPosition[last];
        warp->FragmentMask[fragment] = warp->FragmentMask[last];
    }

    static void Add(Warp* warp, int position, uint mask)
    {
        // fragments have disjoint lanes, so there are never more than lanes
        warp->FragmentPosition[warp->Fragments] = position;
        warp->FragmentMask[warp->Fragments++] = mask;
    }

    static uint Guarded(Warp* warp, BlockCode* block) =>
        block->Guard < 0 ? warp->Mask : (*(uint*)(warp->Registers + block->Guard) ^ block->Negation) & warp->Mask;

    static int Branch(Warp* warp, BlockCode* block, int at)
    {
        uint taken = Guarded(warp, block);
        if (taken == warp->Mask) return block->Target;
        if (taken == 0) return at + 1;
        Add(warp, block->Target, taken);
        Warp.SetMask(warp, warp->Mask & ~taken);
        return at + 1;
    }

    static int Switch(Warp* warp, BlockCode* block)
    {
        uint* index = (uint*)(warp->Registers + block->Guard);
        int lane = System.Numerics.BitOperations.TrailingZeroCount(warp->Mask);
        uint left = warp->Mask, group;
        do
        {
            group = 0;
            uint chosen = index[lane];
            for (uint mask = left; mask != 0; mask &= mask - 1)
            {
                int other = System.Numerics.BitOperations.TrailingZeroCount(mask);
                if (index[other] == chosen) group |= 1u << other;
            }
            if (chosen >= (uint)block->TargetCount) throw new KernelFault(CudaResult.IllegalInstruction, $"a switch has {block->TargetCount} targets, not {chosen}", lane, block->Source);
            left &= ~group;
            if (left == 0)
            {
                if (group != warp->Mask) Warp.SetMask(warp, group);
                return block->Targets[chosen];
            }
            Add(warp, block->Targets[chosen], group);
            lane = System.Numerics.BitOperations.TrailingZeroCount(left);
        } while (true);
    }

    // the next block, or -1 where no lane lives
    static int Exit(Warp* warp, BlockCode* block, int at)
    {
        uint ends = Guarded(warp, block), stay = warp->Mask & ~ends;
        warp->Live &= ~ends;
        if (stay != 0)
        {
            if (ends != 0) Warp.SetMask(warp, stay);
            return at + 1;
        }
        if (warp->Fragments == 0) return -1;
        int position = warp->FragmentPosition[warp->Fragments - 1];
        Warp.SetMask(warp, warp->FragmentMask[--warp->Fragments]);
        return position;
    }

    // false where the guard holds for no lane, and the barrier is passed by
    static bool ReachBarrier(Warp* warp, BlockCode* block)
    {
        uint come = Guarded(warp, block);
        if (come == 0) return false;
        if (come != warp->Live)
            throw new KernelFault(CudaResult.IllegalInstruction,
                $"a barrier is reached by some lanes of a warp only ({come:x8} of {warp->Live:x8}): a divergent barrier", System.Numerics.BitOperations.TrailingZeroCount(come), block->Source);
        int lane = System.Numerics.BitOperations.TrailingZeroCount(warp->Mask);
        warp->Waiting = block->Kind == BlockEnd.Barrier;
        warp->Arrives = block->Kind == BlockEnd.Arrive;
        warp->Vote = block->Vote;
        if (block->Vote != BarrierVote.None)
        {
            warp->Votes = (*(uint*)(warp->Registers + block->Predicate) ^ block->PredicateNegation) & warp->Mask;
            warp->VoteResult = block->Result;
        }
        warp->Barrier = ((int*)(warp->Registers + block->BarrierId))[lane];
        warp->BarrierThreads = block->TargetCount < 0 ? 0 : ((int*)(warp->Registers + block->TargetCount))[lane];
        if ((uint)warp->Barrier >= Barriers) throw new KernelFault(CudaResult.IllegalInstruction, $"a block has barriers 0 to {Barriers - 1}, not {warp->Barrier}", lane, block->Source);
        return true;
    }
}
