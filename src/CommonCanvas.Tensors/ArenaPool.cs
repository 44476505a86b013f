namespace CommonCanvas.Tensors;

/// <summary>
/// Memory of an arena that is kept apart for work which is done again and again at the same addresses: nobody else gets it,
/// not even while it is free. Whatever the work rents it must have released when it ends.
/// </summary>
/// <param name="arena">Takes the memory from the device, and counts it.</param>
public sealed class ArenaPool(Arena arena) : IDisposable
{
    internal Dictionary<long, Stack<nint>> Free { get; } = [];

    /// <summary>Number of its blocks that have an owner.</summary>
    public int Live { get; internal set; }

    /// <summary>Does work whose memory is rented here.</summary>
    /// <exception cref="InvalidOperationException">Work of a pool is under way.</exception>
    public void Run(Action work)
    {
        arena.Enter(this);
        try { work(); }
        finally { arena.Leave(); }
    }

    /// <summary>Takes back what work that failed half-way has left rented; nobody may use or release it any more.</summary>
    public void Reclaim() => arena.Reclaim(this);

    /// <summary>Gives the memory back to the device.</summary>
    public void Dispose() => arena.Close(this);
}
