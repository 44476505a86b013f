using System.Numerics;
using System.Runtime.InteropServices;
using CommonCanvas.Emulator.Operations;

namespace CommonCanvas.Emulator.Execution;

/// <summary>
/// What is ordered before the next access of a block's threads, after PTX's memory consistency model. What a thread did, and what
/// it waited for at a barrier or __syncwarp, is released to other blocks by a fence of the whole device and an atomic operation
/// behind it; a later atomic operation on the same bytes and a fence behind that acquire it. A barrier or __syncwarp may stand
/// between the atomic operation and either fence, and other threads then make them: that holds for fences that are sequentially
/// consistent, as __threadfence is, and is granted to all. Each atomic operation counts as relaxed, each load and store as weak.
/// An access to what another block wrote leaves the entry to the writer: a write that comes later is compared with that alone.
/// </summary>
internal sealed class BlockOrder : IDisposable
{
    readonly LaunchOrder launch;
    readonly WarpKnowledge[] warps;
    readonly Knowledge all = new();
    readonly HashSet<uint> ordered = [];
    readonly GCHandle handle;
    uint number;

    /// <summary>Prepares for blocks of so many warps.</summary>
    public BlockOrder(LaunchOrder launch, int warps)
    {
        this.launch = launch;
        this.warps = [.. Enumerable.Range(0, warps).Select(_ => new WarpKnowledge())];
        handle = GCHandle.Alloc(this);
    }

    /// <summary>What <see cref="Of"/> finds it by, for a warp's watch is unmanaged memory.</summary>
    public nint Handle => GCHandle.ToIntPtr(handle);

    /// <summary>The order of a warp's block.</summary>
    public static BlockOrder Of(nint handle) => (BlockOrder)GCHandle.FromIntPtr(handle).Target!;

    /// <summary>Begins a block.</summary>
    public void Start(uint block)
    {
        number = block;
        foreach (var warp in warps) warp.Clear();
        all.Clear();
        ordered.Clear();
    }

    /// <summary>All threads have waited for each other.</summary>
    public void PassBarrier()
    {
        foreach (var warp in warps)
        {
            warp.Sync();
            all.Join(warp.All);
            warp.All.Clear();
        }
    }

    /// <summary>The lanes of a warp have waited for each other.</summary>
    public void SyncWarp(int warp) => warps[warp].Sync();

    /// <summary>Lanes of a warp make a fence: what they know of is fenced, what they have seen is acquired.</summary>
    public void Fence(int warp, uint lanes)
    {
        var mine = warps[warp];
        foreach (var notes in mine.Notes.ToArray())
            if ((notes.Lanes & lanes) != 0) mine.Note(notes.Lanes & lanes).Acquired.Join(notes.Observed);
        var note = mine.Note(lanes);
        foreach (var segment in mine.Open)
        {
            if ((segment.Lanes & lanes) == 0) continue;
            segment.Closed = true;
            note.Parts[segment] = segment.Lanes & lanes;
        }
        foreach (var known in (ReadOnlySpan<Knowledge>)[mine.All, all])
        {
            foreach (var segment in known.Accessed) segment.Closed = true;
            note.Fenced.UnionWith(known.Accessed);
            note.Acquired.Join(known.Observed);
        }
    }

    /// <summary>Notes an access of lanes of a warp; the number for the entries.</summary>
    public uint Note(int warp, uint lanes, Access access)
    {
        var segment = SegmentOf(warps[warp], lanes, access);
        return access == Access.Write ? segment.Number : launch.FirstOwner + number;
    }

    Segment SegmentOf(WarpKnowledge warp, uint lanes, Access access)
    {
        if (access == Access.Read && warp.Reads is { Closed: false } reads)
        {
            reads.Lanes |= lanes;
            if (reads.Open) return reads;
            // its earlier reads are taken for as late as these
            warp.All.Accessed.Remove(reads);
            all.Accessed.Remove(reads);
            reads.Open = true;
            warp.Open.Add(reads);
            return reads;
        }
        if (access != Access.Read)
            for (int s = warp.Open.Count - 1; s >= 0; s--)
                if (warp.Open[s] is { Closed: false } open && open.Lanes == lanes && open.Kind == access) return open;
        Segment segment;
        lock (launch.Gate) segment = launch.Begin(number, lanes, access);
        warp.Open.Add(segment);
        if (access == Access.Read) warp.Reads = segment;
        return segment;
    }

    /// <summary>Lanes of a warp are about to make an atomic operation, this one of them on so many granules: releases what is fenced.</summary>
    public void Release(int warp, uint lanes, int lane, long granule, int granules)
    {
        var change = SegmentOf(warps[warp], lanes, Access.Atomic);
        lock (launch.Gate)
        {
            var place = launch.Place(granule, granules);
            long time = ++place.Time;
            place.Changes.Add((change, time));
            Release(all, place, time);
            Release(warps[warp].All, place, time);
            foreach (var note in warps[warp].Notes)
            {
                if ((note.Lanes >> lane & 1) == 0) continue;
                Release(note, place, time);
                foreach (var segment in note.Parts.Keys)
                    if (segment.Lanes == 1u << lane) segment.Release(place, time);
            }
        }
    }

    static void Release(Knowledge known, AtomicPlace place, long time)
    {
        foreach (var segment in known.Fenced) segment.Release(place, time);
        place.Released.Join(known.Acquired);
    }

    /// <summary>A lane has made an atomic operation: it has seen what was released there before.</summary>
    public void Observe(int warp, int lane, long granule, int granules)
    {
        var observed = warps[warp].Note(1u << lane).Observed;
        lock (launch.Gate)
        {
            var place = launch.Place(granule, granules);
            observed.Join(place.Released);
            observed[place] = place.Time;
        }
    }

    /// <summary>Whose access an entry stands for; only where that is one block.</summary>
    public uint BlockOf(uint entry)
    {
        if ((entry & OwnerEntry.Kind) != OwnerEntry.WrittenBy) return (entry & OwnerEntry.Owner) - launch.FirstOwner;
        lock (launch.Gate) return launch.Writes(entry & OwnerEntry.Owner).Block;
    }

    /// <summary>Null where the accesses that an entry stands for are ordered before one of a lane; else what is missing.</summary>
    public string? Missing(uint entry, long granule, int warp, int lane, Access access)
    {
        uint owner = entry & OwnerEntry.Owner;
        if (ordered.Contains(owner)) return null;
        lock (launch.Gate)
            switch (entry & OwnerEntry.Kind)
            {
                case OwnerEntry.WrittenBy:
                    var writes = launch.Writes(owner);
                    if (writes.Block == number || writes.Releases.Any(release => all.Acquired[release.Place] >= release.Time))
                    {
                        ordered.Add(owner);
                        return null;
                    }
                    return Missing(writes, warp, lane);
                case OwnerEntry.ReadByOne:
                    uint reader = owner - launch.FirstOwner;
                    return reader == number ? null : launch.Reads(reader).Select(reads => Missing(reads, warp, lane)).FirstOrDefault(why => why is not null);
                case OwnerEntry.ReadByMany:
                    return "";
                default:
                    return owner == launch.FirstOwner + number ? null : MissingOfChanges(granule, warp, lane, access);
            }
    }

    // a change that an atomic operation of this block has seen is ordered before its later accesses to the same bytes
    string? MissingOfChanges(long granule, int warp, int lane, Access access)
    {
        var places = launch.PlacesAt(granule);
        foreach (var place in places)
        {
            long seen = 0;
            foreach (var known in Known(warp, lane)) seen = Math.Max(seen, known.Observed[place]);
            for (int c = place.Changes.Count - 1; c >= 0 && place.Changes[c].Time > seen; c--)
                if (Missing(place.Changes[c].Segment, warp, lane) is { } why) return why;
        }
        if (access == Access.Write) places.ForEach(launch.Forget);
        return null;
    }

    string? Missing(Segment segment, int warp, int lane)
    {
        if (segment.Block == number) return null;
        bool observed = false;
        foreach (var (place, time) in segment.Releases)
            foreach (var known in Known(warp, lane))
            {
                if (known.Acquired[place] >= time) return null;
                observed |= known.Observed[place] >= time;
            }
        return observed ? ", for no fence of the whole device stands between it and this block's atomic operation"
            : segment.Releases.Count > 0 ? $", for this block makes no atomic operation that sees where block {segment.Block} releases it"
            : $", for block {segment.Block} does not release it by a fence of the whole device and an atomic operation behind it";
    }

    List<Knowledge> Known(int warp, int lane)
    {
        var known = new List<Knowledge> { all, warps[warp].All };
        foreach (var note in warps[warp].Notes)
            if ((note.Lanes >> lane & 1) != 0) known.Add(note);
        return known;
    }

    public void Dispose() => handle.Free();
}

/// <summary>What is ordered before the next access of threads.</summary>
internal class Knowledge
{
    /// <summary>Accesses of the block.</summary>
    public HashSet<Segment> Accessed { get; } = [];

    /// <summary>Those that a fence follows.</summary>
    public HashSet<Segment> Fenced { get; } = [];

    /// <summary>What their atomic operations have seen.</summary>
    public Clock Observed { get; } = new();

    /// <summary>What they had seen before a fence.</summary>
    public Clock Acquired { get; } = new();

    /// <summary>Adds what others know.</summary>
    public void Join(Knowledge other)
    {
        Accessed.UnionWith(other.Accessed);
        Fenced.UnionWith(other.Fenced);
        Observed.Join(other.Observed);
        Acquired.Join(other.Acquired);
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        Accessed.Clear();
        Fenced.Clear();
        Observed.Clear();
        Acquired.Clear();
    }
}

/// <summary>What each of some lanes of a warp knows and others may not.</summary>
internal sealed class LaneKnowledge(uint lanes) : Knowledge
{
    /// <summary>The lanes.</summary>
    public uint Lanes => lanes;

    /// <summary>Accesses that only the lanes that made them know of, and which of these have made a fence since.</summary>
    public Dictionary<Segment, uint> Parts { get; } = [];
}

/// <summary>What the lanes of a warp know and other warps may not.</summary>
internal sealed class WarpKnowledge
{
    /// <summary>What all lanes know.</summary>
    public Knowledge All { get; } = new();

    /// <summary>What some lanes know.</summary>
    public List<LaneKnowledge> Notes { get; } = [];

    /// <summary>Accesses since the lanes last waited for each other.</summary>
    public List<Segment> Open { get; } = [];

    /// <summary>What the warp reads.</summary>
    public Segment? Reads { get; set; }

    /// <summary>What exactly these lanes know.</summary>
    public LaneKnowledge Note(uint lanes)
    {
        foreach (var note in Notes)
            if (note.Lanes == lanes) return note;
        Notes.Add(new LaneKnowledge(lanes));
        return Notes[^1];
    }

    /// <summary>The lanes have waited for each other.</summary>
    public void Sync()
    {
        foreach (var segment in Open)
        {
            segment.Open = false;
            All.Accessed.Add(segment);
        }
        foreach (var note in Notes) All.Join(note);
        foreach (var parts in Notes.SelectMany(note => note.Parts).GroupBy(part => part.Key, part => part.Value))
            if (parts.Aggregate((a, b) => a | b) == parts.Key.Lanes) All.Fenced.Add(parts.Key);
        Open.Clear();
        Notes.Clear();
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        All.Clear();
        Notes.Clear();
        Open.Clear();
        Reads = null;
    }
}
