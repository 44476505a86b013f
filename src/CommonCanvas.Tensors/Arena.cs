using System.Runtime.InteropServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// Hands out device memory and takes it back. Blocks are counted: <see cref="Rent"/> returns a tensor with one owner,
/// <see cref="Retain"/> adds one, <see cref="Release"/> removes one, and the last release returns the block to a free
/// list of its exact size. A training step asks for the same sizes in the same order every time, so after the first
/// step nothing is allocated, neither natively nor on the managed heap.
///
/// Who frees what: a layer's Forward does not take over its argument and returns a tensor that its caller owns. What a
/// layer needs again in Backward it retains in Forward and releases in Backward.
///
/// Recorded work finds its memory at the addresses that it was recorded with, so nobody else may hold it: such work rents
/// from an <see cref="ArenaPool"/> of its own.
/// </summary>
public abstract class Arena : IDisposable
{
    const int Alignment = 64;

    sealed class Block
    {
        public long Bytes;
        public int Owners;
        public ArenaPool Pool = null!;
    }

    readonly Dictionary<nint, Block> live = [];
    readonly ArenaPool common;
    ArenaPool current;
    readonly Stack<Block> spare = new();
    readonly Lock gate = new();

    /// <summary>Nothing is taken from the device before the first request.</summary>
    protected Arena() => current = common = new ArenaPool(this);

    /// <summary>Bytes handed out and not yet returned.</summary>
    public long InUse { get; private set; }

    /// <summary>Largest value that <see cref="InUse"/> has had.</summary>
    public long HighWater { get; private set; }

    /// <summary>Bytes taken from the device: in use or kept for the next request of their size.</summary>
    public long Reserved { get; private set; }

    /// <summary>Number of blocks taken from the device since the start; constant once a step has warmed up.</summary>
    public long DeviceAllocations { get; private set; }

    /// <summary>Number of blocks that have an owner: a test that expects none finds what a layer forgot.</summary>
    public int LiveBlocks { get { lock (gate) return live.Count; } }

    /// <summary>A tensor with undefined contents and one owner.</summary>
    public Tensor Rent(DType type, int d0, int d1 = -1, int d2 = -1, int d3 = -1)
    {
        var shape = new Tensor(0, type, d0, d1, d2, d3);
        return new Tensor(RentBytes(shape.Bytes), type, d0, d1, d2, d3);
    }

    /// <summary>A tensor of the type and shape of <paramref name="like"/>, with undefined contents and one owner.</summary>
    public Tensor RentLike(Tensor like) => RentLike(like, like.Type);

    /// <summary>A tensor of the shape of <paramref name="like"/> and another type.</summary>
    public Tensor RentLike(Tensor like, DType type) => like.Rank switch
    {
        1 => Rent(type, like[0]),
        2 => Rent(type, like[0], like[1]),
        3 => Rent(type, like[0], like[1], like[2]),
        4 => Rent(type, like[0], like[1], like[2], like[3]),
        _ => throw new ArgumentException("no tensor to take the shape of"),
    };

    /// <summary>Adds an owner. Views (<see cref="Tensor.Reshape"/>) of a block count as the block.</summary>
    public Tensor Retain(Tensor tensor)
    {
        lock (gate) Find(tensor).Owners++;
        return tensor;
    }

    /// <summary>Removes an owner; with the last one the block is free. The absent tensor is ignored.</summary>
    public void Release(Tensor tensor)
    {
        if (tensor.IsNone) return;
        lock (gate)
        {
            var block = Find(tensor);
            if (--block.Owners > 0) return;
            PutBack(tensor.Data, block);
        }
    }

    /// <summary>Releases a field and clears it.</summary>
    public void Drop(ref Tensor tensor)
    {
        var was = tensor;
        tensor = default;
        Release(was);
    }

    /// <summary>Gives the free blocks back to the device, after a change of shapes; those of pools stay.</summary>
    public void Trim()
    {
        lock (gate) Trim(common);
    }

    /// <summary>Requests are served from <paramref name="pool"/> until <see cref="Leave"/>; a block goes back to where it came from, whenever.</summary>
    internal void Enter(ArenaPool pool)
    {
        if (current != common) throw new InvalidOperationException("a pool of the arena is in use already");
        current = pool;
    }

    /// <summary>Requests are served as before.</summary>
    internal void Leave() => current = common;

    /// <summary>Takes every block of a pool back from its owners.</summary>
    internal void Reclaim(ArenaPool pool)
    {
        lock (gate)
            foreach (var (data, block) in live.Where(entry => entry.Value.Pool == pool).ToArray()) PutBack(data, block);
    }

    /// <summary>Gives a pool's memory back to the device.</summary>
    internal void Close(ArenaPool pool)
    {
        Reclaim(pool);
        lock (gate) Trim(pool);
    }

    void PutBack(nint data, Block block)
    {
        live.Remove(data);
        InUse -= block.Bytes;
        block.Pool.Live--;
        if (!block.Pool.Free.TryGetValue(block.Bytes, out var stack)) block.Pool.Free[block.Bytes] = stack = new Stack<nint>();
        stack.Push(data);
        spare.Push(block);
    }

    void Trim(ArenaPool pool)
    {
        foreach (var (bytes, stack) in pool.Free)
            while (stack.TryPop(out nint data)) { FreeDevice(data, bytes); Reserved -= bytes; }
    }

    /// <summary>Takes <paramref name="bytes"/> from the device, aligned to 64 bytes at least.</summary>
    protected abstract nint AllocateDevice(long bytes);

    /// <summary>Gives a block back to the device.</summary>
    protected abstract void FreeDevice(nint data, long bytes);

    nint RentBytes(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        long rounded = Math.Max(Alignment, (bytes + Alignment - 1) / Alignment * Alignment);
        lock (gate)
        {
            nint data;
            if (current.Free.TryGetValue(rounded, out var stack) && stack.Count > 0) data = stack.Pop();
            else
            {
                data = AllocateDevice(rounded);
                Reserved += rounded;
                DeviceAllocations++;
            }
            var block = spare.Count > 0 ? spare.Pop() : new Block();
            (block.Bytes, block.Owners, block.Pool) = (rounded, 1, current);
            current.Live++;
            live.Add(data, block);
            InUse += rounded;
            HighWater = Math.Max(HighWater, InUse);
            return data;
        }
    }

    Block Find(Tensor tensor) => live.TryGetValue(tensor.Data, out var block) ? block
        : throw new InvalidOperationException($"{tensor} at 0x{tensor.Data:x} is not a rented block: released twice, or a slice of one");

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Returns everything to the device.</summary>
    protected virtual void Dispose(bool disposing)
    {
        Trim();
        lock (gate)
        {
            foreach (var (data, block) in live) FreeDevice(data, block.Bytes);
            live.Clear();
            (InUse, Reserved) = (0, 0);
        }
    }
}

/// <summary>Host memory, aligned to 64 bytes.</summary>
public sealed unsafe class HostArena : Arena
{
    /// <inheritdoc/>
    protected override nint AllocateDevice(long bytes) => (nint)NativeMemory.AlignedAlloc((nuint)bytes, 64);

    /// <inheritdoc/>
    protected override void FreeDevice(nint data, long bytes) => NativeMemory.AlignedFree((void*)data);
}
