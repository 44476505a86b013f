using CommonCanvas.Emulator.Operations;

namespace CommonCanvas.Emulator.Execution;

/// <summary>
/// An entry for two bytes of device memory: in 30 bits whose access was the last, in 2 bits which kind it was. The number is the
/// block's, counted from the launch's first owner; where the launch's blocks are ordered (<see cref="LaunchOrder"/>) a write has that
/// of its <see cref="Segment"/>. No number comes twice in several launches, so that those of earlier ones are lower.
/// </summary>
internal static class OwnerEntry
{
    /// <summary>Bytes of an entry.</summary>
    public const int Granule = 2;

    public const int KindShift = 30;
    public const uint Owner = (1u << KindShift) - 1, Kind = 3u << KindShift;
    public const uint ReadByOne = 0, ReadByMany = 1u << KindShift, WrittenBy = 2u << KindShift, ChangedBy = 3u << KindShift;
}

/// <summary>Bytes of device memory that are changed atomically, and over which blocks can therefore order their accesses.</summary>
internal sealed class AtomicPlace(long start, int granules)
{
    /// <summary>Where it begins, in <see cref="OwnerEntry.Granule"/>s.</summary>
    public long Start { get; } = start;

    /// <summary>Its size.</summary>
    public int Granules { get; } = granules;

    /// <summary>Number of changes.</summary>
    public long Time { get; set; }

    /// <summary>What the blocks that released something here knew of other places.</summary>
    public Clock Released { get; } = new();

    /// <summary>Who changed it, and the time after that.</summary>
    public List<(Segment Segment, long Time)> Changes { get; } = [];
}

/// <summary>A vector clock: up to which change of each place somebody knows what was released there. 0 where he knows nothing.</summary>
internal sealed class Clock
{
    Dictionary<AtomicPlace, long>? times;

    /// <summary>The time at a place; it is only ever put forward.</summary>
    public long this[AtomicPlace place]
    {
        get => times is not null && times.TryGetValue(place, out long time) ? time : 0;
        set
        {
            times ??= [];
            if (value > this[place]) times[place] = value;
        }
    }

    /// <summary>Learns what another knows.</summary>
    public void Join(Clock other)
    {
        if (other.times is null || ReferenceEquals(this, other)) return;
        foreach (var (place, time) in other.times) this[place] = time;
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => times?.Clear();
}

/// <summary>
/// Accesses of one kind that the same lanes of a warp made, with neither a barrier nor a fence of theirs between them: they are
/// ordered before another block's all or none. The reads of a warp are taken together, until a fence follows them.
/// </summary>
internal sealed class Segment(uint block, uint lanes, Access kind)
{
    List<(AtomicPlace Place, long Time)>? releases;

    /// <summary>Whose they are.</summary>
    public uint Block { get; } = block;

    /// <summary>The lanes that made them.</summary>
    public uint Lanes { get; set; } = lanes;

    /// <summary>What they are.</summary>
    public Access Kind { get; } = kind;

    /// <summary>The number that stands in the entries of a write.</summary>
    public uint Number { get; set; }

    /// <summary>Whether the warp's lanes have not waited for each other since.</summary>
    public bool Open { get; set; } = true;

    /// <summary>Whether a fence follows some of them; no more are added then.</summary>
    public bool Closed { get; set; }

    /// <summary>Notes that who knows of a place up to that time knows of these accesses.</summary>
    public void Release(AtomicPlace place, long time)
    {
        releases ??= [];
        foreach (var release in releases)
            if (release.Place == place) return;
        releases.Add((place, time));
    }

    /// <summary>Where and when it was released.</summary>
    public IReadOnlyList<(AtomicPlace Place, long Time)> Releases => releases ?? (IReadOnlyList<(AtomicPlace, long)>)[];
}

/// <summary>
/// What the blocks of a launch with fences of the whole device have in common: their segments, and the places that they change
/// atomically. Blocks run on several threads; who calls has locked <see cref="Gate"/>.
/// </summary>
/// <param name="firstOwner">The number of the launch's first block in entries.</param>
/// <param name="firstSegment">The number of its first segment there.</param>
internal sealed class LaunchOrder(uint firstOwner, uint firstSegment)
{
    readonly List<Segment> writes = [];
    readonly Dictionary<uint, List<Segment>> reads = [];
    readonly Dictionary<(long Start, int Granules), AtomicPlace> places = [];

    /// <summary>What the blocks lock.</summary>
    public Lock Gate { get; } = new();

    /// <summary>The number of the launch's first block in entries.</summary>
    public uint FirstOwner => firstOwner;

    /// <summary>The lowest number that stands in no entry yet.</summary>
    public uint NextOwner => firstSegment + (uint)writes.Count;

    /// <summary>A segment of a block begins.</summary>
    public Segment Begin(uint block, uint lanes, Access kind)
    {
        var segment = new Segment(block, lanes, kind);
        if (kind == Access.Write)
        {
            segment.Number = NextOwner;
            writes.Add(segment);
        }
        else if (kind == Access.Read)
        {
            if (!reads.TryGetValue(block, out var all)) reads[block] = all = [];
            all.Add(segment);
        }
        return segment;
    }

    /// <summary>The writes that a number stands for in entries.</summary>
    public Segment Writes(uint owner) => writes[(int)(owner - firstSegment)];

    /// <summary>What a block has read.</summary>
    public List<Segment> Reads(uint block) => reads[block];

    /// <summary>The place of an atomic operation. One of another size is another place.</summary>
    public AtomicPlace Place(long granule, int granules)
    {
        if (!places.TryGetValue((granule, granules), out var place)) places[(granule, granules)] = place = new AtomicPlace(granule, granules);
        return place;
    }

    /// <summary>The places that have a granule.</summary>
    public List<AtomicPlace> PlacesAt(long granule)
    {
        const int Largest = sizeof(ulong) / OwnerEntry.Granule;
        var found = new List<AtomicPlace>(1);
        for (int granules = 1; granules <= Largest; granules *= 2)
            for (int back = 0; back < granules; back++)
                if (places.TryGetValue((granule - back, granules), out var place)) found.Add(place);
        return found;
    }

    /// <summary>A place is written to: atomic operations behind that see none before it.</summary>
    public void Forget(AtomicPlace place) => places.Remove((place.Start, place.Granules));
}
