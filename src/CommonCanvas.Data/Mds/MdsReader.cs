using System.Text.Json.Nodes;

namespace CommonCanvas.Data;

/// <summary>How shards are read.</summary>
public sealed record MdsReaderOptions
{
    /// <summary>Compare each shard's digests with the index when it is first opened.</summary>
    public bool VerifyHashes { get; init; } = true;

    /// <summary>Shards kept open at the same time.</summary>
    public int OpenShards { get; init; } = 64;

    /// <summary>Memory for unpacked shards, in bytes; one is always kept.</summary>
    public long CacheBytes { get; init; } = 1L << 30;

    /// <summary>Largest size that a compressed shard may unpack to, in bytes.</summary>
    public long MaxUnpackedBytes { get; init; } = 1L << 30;
}

/// <summary>
/// Reads an MDS folder, version 2, sample by sample in any order. Nothing but the index is read at the start; a shard is
/// opened, and verified, when its first sample is asked for. Use from many threads.
/// </summary>
public sealed class MdsReader : IDisposable
{
    readonly string folder;
    readonly MdsReaderOptions options;
    readonly MdsShardInfo[] shards;
    readonly long[] firstSample;
    readonly Slot?[] slots;
    readonly bool[] verified;
    readonly LinkedList<int> recent = new();
    readonly Lock gate = new();
    long heldBytes;
    bool disposed;

    /// <summary>Opens a folder.</summary>
    /// <exception cref="InvalidDataException">The index is missing, damaged or contradicts itself.</exception>
    public MdsReader(string folder, MdsReaderOptions? options = null)
    {
        this.folder = Path.GetFullPath(folder);
        this.options = options ?? new MdsReaderOptions();
        (List<MdsShardInfo> list, Metadata) = MdsIndex.Read(Path.Combine(this.folder, MdsIndex.FileName));
        shards = [.. list];
        slots = new Slot?[shards.Length];
        verified = new bool[shards.Length];
        firstSample = new long[shards.Length + 1];
        for (int i = 0; i < shards.Length; i++) firstSample[i + 1] = firstSample[i] + shards[i].Samples;
    }

    /// <summary>Number of samples in all shards.</summary>
    public long Count => firstSample[^1];

    /// <summary>What the index says of each shard.</summary>
    public IReadOnlyList<MdsShardInfo> Shards => shards;

    /// <summary>What this program recorded under <c>commoncanvas</c> in the index, or null.</summary>
    public JsonObject? Metadata { get; }

    /// <summary>Reads a sample.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="InvalidDataException">Its shard is missing, cut off or damaged; the message names the file.</exception>
    public MdsSample Read(long sample)
    {
        byte[] own = [];
        return Read(sample, ref own);
    }

    /// <summary>
    /// Reads a sample into memory that the caller uses again and again, one thread at a time: the sample is valid until then.
    /// </summary>
    /// <param name="sample">Its number.</param>
    /// <param name="buffer">Memory for its bytes; replaced where it is too small.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="InvalidDataException">Its shard is missing, cut off or damaged; the message names the file.</exception>
    public MdsSample Read(long sample, ref byte[] buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sample);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sample, Count);
        int s = Array.BinarySearch(firstSample, sample);
        if (s < 0) s = ~s - 1;
        // A shard without samples begins where the next one does; the sample is in the last that begins there.
        while (firstSample[s + 1] <= sample) s++;
        Slot slot = Acquire(s);
        try { return slot.Shard.Value.Read(sample - firstSample[s], sample, ref buffer); }
        finally { Release(slot); }
    }

    /// <summary>Opens every shard and compares its digests with the index.</summary>
    /// <exception cref="InvalidDataException">The first shard that is damaged.</exception>
    public void VerifyAll()
    {
        foreach (MdsShardInfo shard in shards) MdsShard.Open(folder, shard, verify: true, options.MaxUnpackedBytes).Dispose();
    }

    /// <summary>Closes all shards.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            while (recent.Count > 0) Evict(recent.Last!.Value);
        }
    }

    /// <summary>Takes a shard out of the cache, or opens it, and holds it until it is released.</summary>
    Slot Acquire(int s)
    {
        Slot slot;
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            if (slots[s] is Slot known)
            {
                slot = known;
                recent.Remove(slot.Node);
            }
            else
            {
                bool verify = options.VerifyHashes && !verified[s];
                slot = new Slot(s, new Lazy<MdsShard>(() => MdsShard.Open(folder, shards[s], verify, options.MaxUnpackedBytes)));
                slots[s] = slot;
                if (shards[s].Zip is not null) heldBytes += shards[s].Raw.Bytes;
            }
            slot.Users++;
            recent.AddFirst(slot.Node);
            while (recent.Count > 1 && (recent.Count > options.OpenShards || heldBytes > options.CacheBytes)) Evict(recent.Last!.Value);
        }
        try
        {
            // Opening takes long, so it happens outside the lock; threads that want the same shard wait for it here.
            _ = slot.Shard.Value;
            Volatile.Write(ref verified[s], true);
            return slot;
        }
        catch
        {
            lock (gate)
            {
                if (slots[s] == slot) Evict(s);
            }
            Release(slot);
            throw;
        }
    }

    void Release(Slot slot)
    {
        lock (gate)
        {
            if (--slot.Users == 0 && slot.Evicted) slot.Close();
        }
    }

    /// <summary>Forgets a shard; whoever still reads from it closes it. Call under the lock.</summary>
    void Evict(int s)
    {
        Slot slot = slots[s]!;
        slots[s] = null;
        recent.Remove(slot.Node);
        if (shards[s].Zip is not null) heldBytes -= shards[s].Raw.Bytes;
        slot.Evicted = true;
        if (slot.Users == 0) slot.Close();
    }

    sealed class Slot(int number, Lazy<MdsShard> shard)
    {
        public Lazy<MdsShard> Shard { get; } = shard;

        public LinkedListNode<int> Node { get; } = new(number);

        public int Users { get; set; }

        public bool Evicted { get; set; }

        public void Close()
        {
            if (Shard.IsValueCreated) Shard.Value.Dispose();
        }
    }
}
