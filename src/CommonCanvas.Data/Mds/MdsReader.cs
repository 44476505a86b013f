using System.Globalization;
using System.Text.Json.Nodes;

namespace CommonCanvas.Data;

/// <summary>
/// Reads an MDS folder, version 2, sample by sample in any order. Nothing but the index is read at the start; a shard is
/// opened, and verified, when its first sample is asked for. Compressed shards are unpacked whole, to memory or, where they
/// do not fit and the options allow it, to a temporary file (<see cref="MdsSpool"/>). Use from many threads.
/// </summary>
public sealed class MdsReader : IDisposable
{
    readonly string folder;
    readonly MdsReaderOptions options;
    readonly MdsShardInfo[] shards;
    readonly long[] firstSample;
    readonly Slot?[] slots;
    readonly bool[] verified, packed;
    readonly LinkedList<int> recent = new();
    readonly Lock gate = new();
    readonly MdsSpool? spool;
    readonly long unpackedBytes;
    long heldBytes;
    int openFiles, users;
    bool disposed, warned;

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
        packed = [.. shards.Select(s => MdsShard.IsPacked(this.folder, s))];
        unpackedBytes = shards.Where((_, i) => packed[i]).Sum(s => s.Raw.Bytes);
        if (unpackedBytes > this.options.CacheBytes && this.options.SpoolBytes > 0) spool = NewSpool();
    }

    /// <summary>Reads with a given temporary file, for tests.</summary>
    internal MdsReader(string folder, MdsReaderOptions options, MdsSpool spool) : this(folder, options with { SpoolBytes = 0 }) => this.spool = spool;

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
        for (int i = 0; i < shards.Length; i++) MdsShard.Open(folder, shards[i], verify: true, packed[i], options.MaxUnpackedBytes).Dispose();
    }

    /// <summary>Closes all shards; what is being read is read to its end.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            while (recent.Count > 0) Evict(recent.Last!.Value);
            if (users == 0) spool?.Dispose();
        }
    }

    /// <summary>Takes a shard out of the cache, or opens it, and holds it until it is released.</summary>
    Slot Acquire(int s)
    {
        Slot slot;
        bool refused = false;
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            slot = slots[s] ??= NewSlot(s, out refused);
            slot.Users++;
            users++;
            Touch(slot);
        }
        if (refused) Warn(spool!.Problem);
        try
        {
            // Opening takes long, so it happens outside the lock; threads that want the same shard wait for it here.
            MdsShard shard = slot.Shard.Value;
            Volatile.Write(ref verified[s], true);
            if (slot.Kind == SlotKind.Spooled && shard.InMemory) MoveToMemory(slot);
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

    /// <summary>Call under the lock.</summary>
    Slot NewSlot(int s, out bool refused)
    {
        bool verify = options.VerifyHashes && !verified[s];
        MdsSpool.Part? part = packed[s] ? spool?.TryReserve(shards[s].Raw.Bytes) : null;
        refused = packed[s] && spool is not null && part is null;
        return new Slot(s, packed[s] ? part is null ? SlotKind.Memory : SlotKind.Spooled : SlotKind.File, new Lazy<MdsShard>(() =>
        {
            using (part) return MdsShard.Open(folder, shards[s], verify, packed[s], options.MaxUnpackedBytes, part);
        }));
    }

    void Release(Slot slot)
    {
        lock (gate)
        {
            if (--slot.Users == 0 && slot.Evicted) slot.Close();
            if (--users == 0 && disposed) spool?.Dispose();
        }
    }

    /// <summary>Makes a shard the most recent one and closes those that are too many. A spooled one costs nothing and stays. Call under the lock.</summary>
    void Touch(Slot slot)
    {
        if (slot.Kind == SlotKind.Spooled || slot.Evicted) return;
        if (slot.Node.List is null) Charge(slot, 1);
        else recent.Remove(slot.Node);
        recent.AddFirst(slot.Node);
        while (recent.Count > 1 && (openFiles > options.OpenShards || heldBytes > options.CacheBytes)) Evict(recent.Last!.Value);
    }

    /// <summary>Forgets a shard; whoever still reads from it closes it. Call under the lock.</summary>
    void Evict(int s)
    {
        Slot slot = slots[s]!;
        slots[s] = null;
        if (slot.Node.List is not null)
        {
            recent.Remove(slot.Node);
            Charge(slot, -1);
        }
        slot.Evicted = true;
        if (slot.Users == 0) slot.Close();
    }

    void Charge(Slot slot, int sign)
    {
        if (slot.Kind == SlotKind.Memory) heldBytes += sign * shards[slot.Node.Value].Raw.Bytes;
        else openFiles += sign;
    }

    /// <summary>A shard could not be written to the temporary file; it has been unpacked to memory.</summary>
    void MoveToMemory(Slot slot)
    {
        lock (gate)
        {
            if (slot.Kind != SlotKind.Spooled) return;
            slot.Kind = SlotKind.Memory;
            Touch(slot);
        }
        Warn(spool!.Problem);
    }

    MdsSpool? NewSpool()
    {
        MdsSpool? made = MdsSpool.Create(options.SpoolFolder is string given ? [given] : MdsSpool.Folders, unpackedBytes, options.SpoolBytes);
        if (made is null) Warn("no folder for temporary files can be written to");
        else if (made.Room < unpackedBytes) Warn($"{made.Folder} has room for {Size(made.Room)}");
        else options.Note?.Invoke($"{folder}: unpacked shards ({Size(unpackedBytes)}) do not fit into memory ({Size(options.CacheBytes)}) and are kept in a temporary file in {made.Folder}");
        return made;
    }

    /// <summary>Tells once what it costs that neither memory nor disk suffices, and what helps.</summary>
    void Warn(string why)
    {
        if (Interlocked.Exchange(ref warned, true)) return;
        string tool = shards.First(s => s.Zip is not null).Compression!.Split(':')[0] switch { "zstd" => "zstd -d *.zstd", "gz" => "gzip -dk *.gz", _ => "brotli -d *.br" };
        options.Note?.Invoke($"{folder}: unpacked shards ({Size(unpackedBytes)}) fit neither into memory ({Size(options.CacheBytes)}) nor all into a temporary file: {why}. "
            + $"Nearly every sample of the others has to unpack a whole shard, which is slow. Unpack the shards for good ({tool} in their folder), free room, or name a roomier folder in {(OperatingSystem.IsWindows() ? "TMP" : "TMPDIR")}");
    }

    static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):F1} GiB");

    /// <summary>Where a shard's bytes are while it is open.</summary>
    enum SlotKind { File, Memory, Spooled }

    sealed class Slot(int number, SlotKind kind, Lazy<MdsShard> shard)
    {
        public SlotKind Kind { get; set; } = kind;

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
