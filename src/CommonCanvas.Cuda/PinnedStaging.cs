namespace CommonCanvas.Cuda;

/// <summary>
/// Page-locked buffers between pageable host memory and the device. An upload is copied into a buffer and queued: the caller
/// may change its memory at once and nothing waits, unless <see cref="Limit"/> bytes are still under way. A buffer is used
/// again when the event behind its copy has come. For one stream, not for concurrent use.
/// </summary>
public sealed unsafe class PinnedStaging(CudaStream stream) : IDisposable
{
    /// <summary>Larger copies go in pieces of this size.</summary>
    public const int PieceBytes = 4 << 20;

    /// <summary>Most memory that is locked; an upload beyond it waits for the oldest one.</summary>
    public const long Limit = 256L << 20;

    const int SmallestBytes = 4096;

    sealed record Slot(PinnedBuffer Buffer, CudaEvent Done) : IDisposable
    {
        public void Dispose()
        {
            Done.Dispose();
            Buffer.Dispose();
        }
    }

    readonly Queue<Slot> underWay = new();
    readonly Dictionary<long, Stack<Slot>> free = [];

    /// <summary>Bytes that are locked.</summary>
    public long Reserved { get; private set; }

    /// <summary>Queues a copy of <paramref name="source"/>, which may change as soon as this returns.</summary>
    public void Upload(ReadOnlySpan<byte> source, nint destination)
    {
        for (int start = 0; start < source.Length; start += PieceBytes)
        {
            var piece = source.Slice(start, Math.Min(PieceBytes, source.Length - start));
            var slot = Take(piece.Length);
            piece.CopyTo(slot.Buffer.Span<byte>());
            stream.CopyToDevice(slot.Buffer.Value, destination + start, piece.Length);
            slot.Done.Record(stream);
            underWay.Enqueue(slot);
        }
    }

    /// <summary>Copies from the device, after all that is queued; waits once for each <see cref="PieceBytes"/>.</summary>
    public void Download(nint source, Span<byte> destination)
    {
        for (int start = 0; start < destination.Length; start += PieceBytes)
        {
            var piece = destination.Slice(start, Math.Min(PieceBytes, destination.Length - start));
            var slot = Take(piece.Length);
            stream.CopyToHost(source + start, slot.Buffer.Value, piece.Length);
            stream.Synchronize();
            slot.Buffer.Span<byte>()[..piece.Length].CopyTo(piece);
            Return(slot);
        }
    }

    Slot Take(int bytes)
    {
        while (underWay.TryPeek(out var oldest) && oldest.Done.HasCome) Return(underWay.Dequeue());
        long size = Math.Max(SmallestBytes, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)bytes));
        while (true)
        {
            if (free.TryGetValue(size, out var stack) && stack.TryPop(out var slot)) return slot;
            if (Reserved + size <= Limit || underWay.Count == 0) break;
            underWay.Peek().Done.Synchronize();
            Return(underWay.Dequeue());
        }
        Reserved += size;
        return new Slot(new PinnedBuffer(stream.Device, size), new CudaEvent(stream.Device));
    }

    void Return(Slot slot)
    {
        if (!free.TryGetValue(slot.Buffer.Bytes, out var stack)) free[slot.Buffer.Bytes] = stack = new();
        stack.Push(slot);
    }

    /// <summary>Waits for what is under way and unlocks the memory.</summary>
    public void Dispose()
    {
        stream.Synchronize();
        foreach (var slot in underWay.Concat(free.Values.SelectMany(stack => stack))) slot.Dispose();
        underWay.Clear();
        free.Clear();
        Reserved = 0;
    }
}
