using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Decoding;

namespace CommonCanvas.Emulator.Execution;

/// <summary>What a launch asks for.</summary>
/// <param name="Code">The kernel.</param>
/// <param name="Grid">Thread blocks.</param>
/// <param name="Block">Threads of a block.</param>
/// <param name="SharedBytes">Dynamic shared memory.</param>
/// <param name="Parameters">The arguments, laid out.</param>
internal sealed record Launch(KernelCode Code, Dim3 Grid, Dim3 Block, int SharedBytes, byte[] Parameters)
{
    /// <summary>Warps of a block.</summary>
    public int Warps => (int)((Block.Count + Warp.Lanes - 1) / Warp.Lanes);

    /// <summary>Shared memory of a block, static and dynamic.</summary>
    public int AllSharedBytes => KernelCode.DynamicSharedOffset(Code.Kernel) + SharedBytes;

    /// <summary>A block's place in the grid.</summary>
    public Dim3 BlockAt(long number) => new((int)(number % Grid.X), (int)(number / Grid.X % Grid.Y), (int)(number / Grid.X / Grid.Y));

    /// <summary>A thread's place in its block.</summary>
    public Dim3 ThreadAt(long number) => new((int)(number % Block.X), (int)(number / Block.X % Block.Y), (int)(number / Block.X / Block.Y));
}

/// <summary>Where device memory lies: on the host and for the kernel.</summary>
internal unsafe readonly struct MemoryView(byte* host, ulong address, ulong bytes)
{
    public byte* Host { get; } = host;

    public ulong Address { get; } = address;

    public ulong Bytes { get; } = bytes;
}

/// <summary>Runs thread blocks of a launch, one after another, on the calling thread.</summary>
internal sealed unsafe class BlockRunner : IDisposable
{
    readonly Launch launch;
    readonly Warp* warps;
    readonly byte* registers, shared, parameters, local;
    readonly long budget;
    readonly ulong schedule;
    readonly MemoryView memory;
    readonly WorkCounter? counter;
    readonly GCHandle blockRuns;
    readonly BlockWatch? watch;

    /// <summary>Threads that have arrived at each barrier without waiting there.</summary>
    readonly int[] arrived = new int[WarpRunner.Barriers];

    /// <summary>
    /// Prepares for blocks of a launch, whose warps take turns as <paramref name="schedule"/> seeds it; what they do is added to <paramref name="counter"/> and checked with
    /// <paramref name="watched"/>, where there are such.
    /// </summary>
    public BlockRunner(Launch launch, MemoryView memory, long budget, ulong schedule, WorkCounter? counter, MemoryWatch? watched)
    {
        (this.launch, this.memory, this.budget, this.schedule, this.counter) = (launch, memory, budget, schedule, counter);
        if (watched is { } known) watch = new BlockWatch(known, launch.Warps, launch.AllSharedBytes, Warp.Lanes * LocalBytes);
        if (counter is not null) blockRuns = GCHandle.Alloc(counter.BlockRuns, GCHandleType.Pinned);
        int count = launch.Warps;
        warps = (Warp*)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(Warp));
        registers = (byte*)NativeMemory.AlignedAlloc((nuint)(count * launch.Code.RegisterBytes), 64);
        shared = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(launch.AllSharedBytes, 1), 128);
        local = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(count * Warp.Lanes * LocalBytes, 1), 64);
        parameters = (byte*)NativeMemory.AlignedAlloc(KernelArguments.MaxBytes, 64);
        NativeMemory.Clear(parameters, KernelArguments.MaxBytes);
        launch.Parameters.CopyTo(new Span<byte>(parameters, KernelArguments.MaxBytes));
    }

    long LocalBytes => (launch.Code.Kernel.LocalBytes + 15) / 16 * 16;

    /// <summary>Runs a block.</summary>
    /// <exception cref="LaunchFault">With kernel, line, block and thread.</exception>
    public void Run(long number)
    {
        var place = launch.BlockAt(number);
        int current = 0;
        try
        {
            NativeMemory.Clear(shared, (nuint)launch.AllSharedBytes);
            NativeMemory.Clear(local, (nuint)(launch.Warps * Warp.Lanes * LocalBytes));
            watch?.Start(number);
            for (int w = 0; w < launch.Warps; w++) Start(w, place);
            Array.Clear(arrived);
            ulong turn = schedule == 0 ? 0 : schedule + (ulong)number;
            for (bool running = true; running;)
            {
                running = false;
                var order = new Permutation(turn == 0 ? 0 : Permutation.Mix(ref turn), launch.Warps);
                for (int w = 0; w < launch.Warps; w++)
                {
                    current = (int)order[w];
                    var warp = warps + current;
                    if (warp->Done || warp->Waiting) continue;
                    WarpRunner.Run(launch.Code, warp);
                    if (warp->Arrives) arrived[warp->Barrier] += Warp.Lanes;
                    warp->Arrives = false;
                    running = true;
                }
                running |= OpenBarriers();
            }
            for (current = 0; current < launch.Warps; current++)
                if (!warps[current].Done)
                    throw new KernelFault(CudaResult.LaunchTimeout, $"the warp waits at barrier {warps[current].Barrier}, which other warps never reach",
                        -1, launch.Code.Blocks[warps[current].Position - 1].Source);
        }
        catch (KernelFault fault)
        {
            throw new LaunchFault(launch, fault, place, current);
        }
    }

    void Start(int index, Dim3 place)
    {
        var warp = warps + index;
        *warp = default;
        warp->Registers = registers + (long)index * launch.Code.RegisterBytes;
        Buffer.MemoryCopy(launch.Code.Template, warp->Registers, launch.Code.RegisterBytes, launch.Code.RegisterBytes);
        (warp->Index, warp->Budget) = (index, budget);
        if (watch is not null) warp->Watch = watch[index];
        if (counter is not null)
        {
            warp->Counter = counter.Slot;
            warp->BlockRuns = (long*)blockRuns.AddrOfPinnedObject();
        }
        warp->Shared = shared;
        warp->SharedBytes = (ulong)launch.AllSharedBytes;
        warp->Local = local + index * Warp.Lanes * LocalBytes;
        warp->LocalBytes = (ulong)LocalBytes;
        warp->Parameters = parameters;
        warp->Memory = memory.Host;
        (warp->MemoryAddress, warp->MemoryBytes) = (memory.Address, memory.Bytes);
        long threads = Math.Min(Warp.Lanes, launch.Block.Count - (long)index * Warp.Lanes);
        warp->Live = threads == Warp.Lanes ? Warp.All : (1u << (int)threads) - 1;
        Warp.SetMask(warp, warp->Live);
        foreach (var (name, at) in launch.Code.Specials)
        {
            int* to = (int*)(warp->Registers + at);
            for (int lane = 0; lane < Warp.Lanes; lane++) to[lane] = Special(name, lane, index, place);
        }
    }

    int Special(string name, int lane, int warp, Dim3 place) => name switch
    {
        "%tid.x" => launch.ThreadAt(warp * Warp.Lanes + lane).X,
        "%tid.y" => launch.ThreadAt(warp * Warp.Lanes + lane).Y,
        "%tid.z" => launch.ThreadAt(warp * Warp.Lanes + lane).Z,
        "%ntid.x" => launch.Block.X,
        "%ntid.y" => launch.Block.Y,
        "%ntid.z" => launch.Block.Z,
        "%ctaid.x" => place.X,
        "%ctaid.y" => place.Y,
        "%ctaid.z" => place.Z,
        "%nctaid.x" => launch.Grid.X,
        "%nctaid.y" => launch.Grid.Y,
        "%nctaid.z" => launch.Grid.Z,
        "%laneid" => lane,
        "%warpid" => warp,
        "%nwarpid" => launch.Warps,
        "%lanemask_eq" => 1 << lane,
        "%lanemask_lt" => (1 << lane) - 1,
        "%lanemask_le" => (int)((2L << lane) - 1),
        "%lanemask_gt" => (int)~((2L << lane) - 1),
        "%lanemask_ge" => ~((1 << lane) - 1),
        "%nsmid" => 1,
        "%dynamic_smem_size" => launch.SharedBytes,
        "%total_smem_size" => launch.AllSharedBytes,
        _ => 0,
    };

    // a barrier opens when all threads that it counts have come; without a count, all that have not ended
    bool OpenBarriers()
    {
        bool opened = false;
        for (int w = 0; w < launch.Warps; w++)
        {
            if (!warps[w].Waiting) continue;
            int barrier = warps[w].Barrier, wanted = warps[w].BarrierThreads, come = arrived[barrier], expected = arrived[barrier];
            for (int other = 0; other < launch.Warps; other++)
            {
                if (!warps[other].Done) expected += Warp.Lanes;
                if (warps[other].Waiting && warps[other].Barrier == barrier) come += Warp.Lanes;
            }
            if (come < (wanted == 0 ? expected : wanted)) continue;
            arrived[barrier] = 0;
            Open(barrier);
            opened = true;
        }
        return opened;
    }

    void Open(int barrier)
    {
        watch?.PassBarrier();
        int votes = 0, threads = 0;
        for (int w = 0; w < launch.Warps; w++)
        {
            if (!warps[w].Waiting || warps[w].Barrier != barrier) continue;
            votes += System.Numerics.BitOperations.PopCount(warps[w].Votes);
            threads += System.Numerics.BitOperations.PopCount(warps[w].Live);
        }
        for (int w = 0; w < launch.Warps; w++)
        {
            var warp = warps + w;
            if (!warp->Waiting || warp->Barrier != barrier) continue;
            warp->Waiting = false;
            if (warp->Vote == BarrierVote.Count) new Span<int>(warp->Registers + warp->VoteResult, Warp.Lanes).Fill(votes);
            else if (warp->Vote != BarrierVote.None)
                *(uint*)(warp->Registers + warp->VoteResult) = (warp->Vote == BarrierVote.All ? votes == threads : votes > 0) ? Warp.All : 0;
        }
    }

    public void Dispose()
    {
        if (blockRuns.IsAllocated) blockRuns.Free();
        watch?.Dispose();
        NativeMemory.Free(warps);
        NativeMemory.AlignedFree(registers);
        NativeMemory.AlignedFree(shared);
        NativeMemory.AlignedFree(local);
        NativeMemory.AlignedFree(parameters);
    }
}
