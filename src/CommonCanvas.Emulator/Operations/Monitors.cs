using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>What an access does.</summary>
internal enum Access
{
    Read,
    Write,
    Atomic,
    /// <summary>Written by an asynchronous copy.</summary>
    CopyIn,
}

/// <summary>
/// What watches a kernel's memory traffic. A handler is compiled once for each monitor, so that one that does nothing costs
/// nothing. Called once a warp and instruction, before the access, with the pointers of the active lanes.
/// </summary>
internal unsafe interface IMonitor
{
    /// <summary>An access to space <typeparamref name="TSpace"/> of <paramref name="bytes"/> by each active lane.</summary>
    static abstract void On<TSpace>(Warp* warp, Instruction* i, byte** pointers, int bytes, Access access) where TSpace : struct, ISpace;

    /// <summary>Whether faults that the hardware leaves undefined are reported.</summary>
    static abstract bool Checks { get; }

    /// <summary>The asynchronous copies since the last commit form a group.</summary>
    static abstract void Commit(Warp* warp, Instruction* i);

    /// <summary>All but the latest <paramref name="groups"/> groups have arrived; all copies where it is negative.</summary>
    static abstract void Wait(Warp* warp, Instruction* i, int groups);

    /// <summary>Lanes of the warp have waited for each other: what they did before is ordered before what they do next.</summary>
    static abstract void SyncWarp(Warp* warp);

    /// <summary>A fence of the whole device by each active lane.</summary>
    static abstract void Fence(Warp* warp);

    /// <summary>The atomic operation that <see cref="On"/> was told of has been made.</summary>
    static abstract void Changed<TSpace>(Warp* warp, byte** pointers, int bytes) where TSpace : struct, ISpace;
}

/// <summary>Watches nothing.</summary>
internal unsafe struct Unwatched : IMonitor
{
    public static bool Checks => false;

    public static void On<TSpace>(Warp* warp, Instruction* i, byte** pointers, int bytes, Access access) where TSpace : struct, ISpace
    {
    }

    public static void Commit(Warp* warp, Instruction* i)
    {
    }

    public static void Wait(Warp* warp, Instruction* i, int groups)
    {
    }

    public static void SyncWarp(Warp* warp)
    {
    }

    public static void Fence(Warp* warp)
    {
    }

    public static void Changed<TSpace>(Warp* warp, byte** pointers, int bytes) where TSpace : struct, ISpace
    {
    }
}
