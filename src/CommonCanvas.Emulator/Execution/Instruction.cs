using System.Runtime.CompilerServices;

[module: SkipLocalsInit]

namespace CommonCanvas.Emulator.Execution;

/// <summary>A decoded instruction: what runs it and where its operands stand in the register file.</summary>
internal unsafe struct Instruction
{
    /// <summary>Most operands: a matrix instruction has 20, others at most 15 and an address.</summary>
    public const int Operands = 20;

    /// <summary>Where an access keeps the register of its address.</summary>
    public const int Address = 15;

    /// <summary>The handler.</summary>
    public delegate*<Warp*, Instruction*, void> Run;

    /// <summary>An offset, a number of groups, a selector: what the handler says.</summary>
    public long Immediate;

    /// <summary>Byte offsets of the operands in the register file; the destination first.</summary>
    public fixed int Operand[Operands];

    /// <summary>Elements of a vector access.</summary>
    public int Count;

    /// <summary>A second small number or a set of flags: what the handler says.</summary>
    public int Option;

    /// <summary>Index in the kernel's PTX, for reports.</summary>
    public int Source;
}

/// <summary>How a run of instructions ends.</summary>
internal enum BlockEnd
{
    /// <summary>Goes on with the next block.</summary>
    Next,
    /// <summary>Jumps, where the guard holds.</summary>
    Branch,
    /// <summary>Jumps to one of several blocks by an index.</summary>
    Switch,
    /// <summary>Ends the threads, where the guard holds.</summary>
    Exit,
    /// <summary>Waits at a barrier, where the guard holds.</summary>
    Barrier,
    /// <summary>Arrives at a barrier without waiting.</summary>
    Arrive,
}

/// <summary>What bar.red makes of the predicates of a barrier's threads.</summary>
internal enum BarrierVote
{
    /// <summary>It has none.</summary>
    None,
    /// <summary>How many hold.</summary>
    Count,
    /// <summary>Whether all hold.</summary>
    All,
    /// <summary>Whether one holds.</summary>
    Any,
}

/// <summary>A run of instructions that is entered at its head only.</summary>
internal unsafe struct BlockCode
{
    /// <summary>First instruction.</summary>
    public Instruction* First;

    /// <summary>One behind the last.</summary>
    public Instruction* End;

    /// <summary>How it ends.</summary>
    public BlockEnd Kind;

    /// <summary>Block that a branch goes to.</summary>
    public int Target;

    /// <summary>Offset of the guard's predicate; negative where there is none. For a switch, of the index.</summary>
    public int Guard;

    /// <summary>All ones where the guard is negated.</summary>
    public uint Negation;

    /// <summary>For a switch, its targets.</summary>
    public int* Targets;

    /// <summary>Number of <see cref="Targets"/>; for a barrier, the offset of its thread count or -1.</summary>
    public int TargetCount;

    /// <summary>What a barrier makes of its threads' predicates.</summary>
    public BarrierVote Vote;

    /// <summary>For a barrier with a vote, the offset of the predicate.</summary>
    public int Predicate;

    /// <summary>All ones where the predicate is negated.</summary>
    public uint PredicateNegation;

    /// <summary>For a barrier with a vote, the offset of the result.</summary>
    public int Result;

    /// <summary>For a barrier, the offset of its number.</summary>
    public int BarrierId;

    /// <summary>For a block that begins with an instruction between lanes, the offset of its member mask; else -1.</summary>
    public int Members;

    /// <summary>Index in the kernel's PTX of what ends it, for reports.</summary>
    public int Source;
}
