namespace CommonCanvas.Emulator.Execution;

/// <summary>What one worker of a launch counts. Reached from a warp by the index of its slot, for a warp is unmanaged memory.</summary>
internal sealed class WorkCounter
{
    static readonly List<WorkCounter?> slots = [null];

    readonly int slot;

    /// <summary>Counts for a kernel with so many instruction blocks.</summary>
    public WorkCounter(int blocks)
    {
        BlockRuns = new long[blocks];
        lock (slots)
        {
            slot = slots.IndexOf(null, 1);
            if (slot < 0)
            {
                slot = slots.Count;
                slots.Add(this);
            }
            else slots[slot] = this;
        }
    }

    /// <summary>What <see cref="Of"/> finds it by.</summary>
    public int Slot => slot;

    /// <summary>How often each block of instructions was run by a warp.</summary>
    public long[] BlockRuns { get; }

    /// <summary>Sectors that were read.</summary>
    public SectorSet Read { get; } = new();

    /// <summary>Sectors that were written.</summary>
    public SectorSet Written { get; } = new();

    /// <summary>Sectors that accesses of warps asked for.</summary>
    public long Sectors;

    /// <summary>The least number of sectors that hold the bytes that they asked for.</summary>
    public long SectorsNeeded;

    /// <summary>Passes of shared memory.</summary>
    public long SharedPasses;

    /// <summary>Of them those that bank conflicts cost.</summary>
    public long BankConflicts;

    /// <summary>Atomic operations of lanes.</summary>
    public long Atomics;

    /// <summary>The counter of a warp.</summary>
    public static WorkCounter Of(int slot) => slots[slot]!;

    /// <summary>Gives the slot back.</summary>
    public void Release()
    {
        lock (slots) slots[slot] = null;
    }
}
