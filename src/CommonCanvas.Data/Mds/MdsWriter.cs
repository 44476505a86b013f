using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace CommonCanvas.Data;

/// <summary>How shards are written.</summary>
public sealed record MdsWriterOptions
{
    /// <summary>Bytes after which a shard is closed; below 2 GiB.</summary>
    public long SizeLimit { get; init; } = 1 << 26;

    /// <summary>Null, <c>zstd</c> (level 3) or <c>zstd:LEVEL</c>.</summary>
    public string? Compression { get; init; }

    /// <summary>Digests to record of each file: md5, sha1, sha256, sha384, sha512, xxh32, xxh64, xxh3_64, xxh128.</summary>
    public IReadOnlyList<string> Hashes { get; init; } = ["xxh64"];

    /// <summary>What this program records beside the shards, under <c>commoncanvas</c> in the index; null: nothing.</summary>
    public JsonObject? Metadata { get; init; }
}

/// <summary>
/// Writes an MDS folder, version 2. Complete shards are on the disk whole, under their own names, and noted in a journal;
/// <see cref="Finish"/> writes the index and removes the journal. After <c>kill -9</c> <see cref="Resume"/> goes on behind the
/// last complete shard, and the folder ends up byte for byte the same. Use from one thread at a time.
/// </summary>
public sealed class MdsWriter : IDisposable
{
    readonly string folder;
    readonly MdsColumn[] columns;
    readonly MdsWriterOptions options;
    readonly MdsJournal journal;
    readonly byte[] config;
    readonly ByteBuffer sample = new(), body = new();
    readonly List<int> lengths = [];
    readonly List<MdsShardInfo> shards;
    long size, cursor;

    MdsWriter(string folder, MdsColumn[] columns, MdsWriterOptions options, MdsJournal journal, bool complete)
    {
        this.folder = folder;
        this.columns = columns;
        this.options = options;
        this.journal = journal;
        config = Encoding.ASCII.GetBytes(PythonJson.Text(Plan(columns, options).Config(), sortKeys: true));
        shards = journal.Shards;
        SamplesWritten = shards.Sum(s => s.Samples);
        cursor = Cursor = journal.Cursor;
        IsComplete = complete;
        size = EmptySize;
    }

    /// <summary>Samples in complete shards; those of the unfinished shard come on top when it is closed.</summary>
    public long SamplesWritten { get; private set; }

    /// <summary>Complete shards.</summary>
    public int ShardsWritten => shards.Count;

    /// <summary>
    /// What the caller gave to <see cref="Write"/> with the last sample that is in a complete shard, or 0: where to go on in
    /// the input.
    /// </summary>
    public long Cursor { get; private set; }

    /// <summary>True when the index is written: there is nothing left to do.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Columns in the order in which they are stored.</summary>
    public IReadOnlyList<MdsColumn> Columns => columns;

    long EmptySize => 8 + config.Length;

    /// <summary>Starts a new folder.</summary>
    /// <param name="folder">Made if it is not there. Must not hold shards.</param>
    /// <param name="columns">Encodings by column name, such as <c>("latents_256", "bytes")</c>.</param>
    /// <param name="options">Size limit, compression, digests, metadata.</param>
    /// <exception cref="IOException">The folder holds shards already.</exception>
    public static MdsWriter Create(string folder, IEnumerable<KeyValuePair<string, string>> columns, MdsWriterOptions? options = null)
    {
        if (File.Exists(Path.Combine(folder, MdsIndex.FileName)) || MdsJournal.Exists(folder) || Directory.Exists(folder) && Directory.EnumerateFiles(folder, "shard.*").Any())
            throw new IOException($"{folder}: holds shards already; resume, delete them, or choose another folder");
        return Resume(folder, columns, options);
    }

    /// <summary>
    /// Goes on where an interrupted run stopped, or starts. The caller writes on with the sample after
    /// <see cref="SamplesWritten"/> (after input position <see cref="Cursor"/>).
    /// </summary>
    /// <exception cref="InvalidDataException">The folder was begun with other columns, options or metadata; the message says which.</exception>
    public static MdsWriter Resume(string folder, IEnumerable<KeyValuePair<string, string>> columns, MdsWriterOptions? options = null)
    {
        options ??= new MdsWriterOptions();
        MdsColumn[] sorted = Sorted(columns);
        Check(options);
        MdsShardInfo plan = Plan(sorted, options);
        Directory.CreateDirectory(folder);
        string index = Path.Combine(folder, MdsIndex.FileName);
        if (File.Exists(index))
        {
            (List<MdsShardInfo> shards, JsonObject? metadata) = MdsIndex.Read(index);
            foreach (MdsShardInfo shard in shards) MdsJournal.RequireSame(index, shard.Config(), plan.Config());
            MdsJournal.RequireSame(index, new JsonObject { [MdsIndex.MetadataKey] = metadata?.DeepClone() }, new JsonObject { [MdsIndex.MetadataKey] = options.Metadata?.DeepClone() });
            MdsJournal.Delete(folder);
            return new MdsWriter(folder, sorted, options, MdsJournal.Finished(folder, shards), complete: true);
        }
        return new MdsWriter(folder, sorted, options, MdsJournal.Open(folder, plan, options.Metadata), complete: false);
    }

    /// <summary>Adds a sample. It is safe against interruption once its shard is complete.</summary>
    /// <param name="row">A value for each column; see <see cref="MdsEncoding"/> for the types.</param>
    /// <param name="next">The input position to go on from after this sample; see <see cref="Cursor"/>.</param>
    /// <exception cref="ArgumentException">A column is missing, unknown, or has a value of another kind; nothing is added.</exception>
    /// <exception cref="IOException">The disk is full or the folder cannot be written; complete shards stay whole.</exception>
    public void Write(IReadOnlyDictionary<string, object> row, long next = 0)
    {
        if (IsComplete) throw new InvalidOperationException($"{folder}: the index is written; nothing can be added");
        Encode(row);
        if (size + sample.Length + 4 > options.SizeLimit) Flush();
        body.Append(sample.Span);
        lengths.Add(sample.Length);
        size += sample.Length + 4L;
        cursor = next;
    }

    /// <summary>Reads the last sample that is in a complete shard, or null where there is none: what a resumed run goes on behind.</summary>
    /// <exception cref="InvalidDataException">Its shard is damaged.</exception>
    public MdsSample? ReadLast()
    {
        if (shards.LastOrDefault(s => s.Samples > 0) is not MdsShardInfo last) return null;
        byte[] buffer = [];
        using MdsShard shard = MdsShard.Open(folder, last, verify: true, MdsShard.IsPacked(folder, last), Array.MaxLength);
        return shard.Read(last.Samples - 1, SamplesWritten - 1, ref buffer);
    }

    /// <summary>Closes the last shard and writes the index; the folder is then complete.</summary>
    /// <param name="next">The input position reached, where it went on behind the last sample.</param>
    public void Finish(long? next = null)
    {
        if (IsComplete) return;
        cursor = next ?? cursor;
        if (lengths.Count > 0) Flush();
        AtomicFile.Write(Path.Combine(folder, MdsIndex.FileName), MdsIndex.Bytes(shards, options.Metadata));
        IsComplete = true;
        journal.Dispose();
        MdsJournal.Delete(folder);
    }

    /// <summary>Lets go of the journal. An unfinished shard is dropped; <see cref="Resume"/> goes on before it.</summary>
    public void Dispose() => journal.Dispose();

    void Encode(IReadOnlyDictionary<string, object> row)
    {
        if (row.Count != columns.Length)
            throw new ArgumentException($"a row has the columns {string.Join(", ", row.Keys)}; the shards have {string.Join(", ", columns.Select(c => c.Name))}");
        sample.Clear();
        foreach (MdsColumn column in columns)
            if (column.Encoding.FixedSize is null) sample.AppendU32(0);
        int sizeAt = 0;
        foreach (MdsColumn column in columns)
        {
            if (!row.TryGetValue(column.Name, out object? value) || value is null) throw new ArgumentException($"a row has no column '{column.Name}'");
            int start = sample.Length;
            try { column.Encoding.Encode(value, sample); }
            catch (ArgumentException cause) { throw new ArgumentException($"column '{column.Name}': {cause.Message}", cause); }
            if (column.Encoding.FixedSize is not null) continue;
            sample.PatchU32(sizeAt, (uint)(sample.Length - start));
            sizeAt += 4;
        }
    }

    void Flush()
    {
        var head = new ByteBuffer();
        int n = lengths.Count;
        long at = 4 + 4 * (n + 1L) + config.Length;
        if (at + body.Length > uint.MaxValue) throw new IOException($"{folder}: a shard of {at + body.Length} bytes; the format ends at 4 GiB");
        head.AppendU32((uint)n);
        head.AppendU32((uint)at);
        foreach (int length in lengths) head.AppendU32((uint)(at += length));
        head.Append(config);

        string name = string.Create(CultureInfo.InvariantCulture, $"shard.{shards.Count:00000}.mds");
        var raw = new MdsFile(name, head.Length + (long)body.Length, Digests(head.Memory, body.Memory));
        MdsFile? zip = null;
        if (options.Compression is null) AtomicFile.Write(Path.Combine(folder, name), head.Memory, body.Memory);
        else
        {
            head.Append(body.Span);
            byte[] packed = MdsCompression.Compress(head.Span, MdsCompression.WriterLevel(options.Compression));
            zip = new MdsFile(name + ".zstd", packed.Length, Digests(packed));
            AtomicFile.Write(Path.Combine(folder, zip.Basename), packed);
        }
        MdsShardInfo shard = Plan(columns, options) with { Samples = n, Raw = raw, Zip = zip };
        journal.Append(shard, cursor);
        shards.Add(shard);
        SamplesWritten += n;
        Cursor = cursor;
        body.Clear();
        lengths.Clear();
        size = EmptySize;
    }

    KeyValuePair<string, string>[] Digests(params ReadOnlySpan<ReadOnlyMemory<byte>> parts)
    {
        string[] names = SortedHashes(options);
        var digests = new KeyValuePair<string, string>[names.Length];
        for (int i = 0; i < names.Length; i++) digests[i] = KeyValuePair.Create(names[i], MdsHash.Compute(names[i], parts));
        return digests;
    }

    static string[] SortedHashes(MdsWriterOptions options) => [.. options.Hashes.Order(StringComparer.Ordinal)];

    /// <summary>A shard's entry but for its files.</summary>
    static MdsShardInfo Plan(MdsColumn[] columns, MdsWriterOptions options) =>
        new(columns, 0, options.SizeLimit, options.Compression, SortedHashes(options), new MdsFile("", 0, []), null);

    static MdsColumn[] Sorted(IEnumerable<KeyValuePair<string, string>> columns)
    {
        MdsColumn[] sorted = [.. columns.Select(c => new MdsColumn(c.Key, MdsEncoding.Parse(c.Value)))];
        Array.Sort(sorted, (a, b) => PythonJson.CompareCodePoints(a.Name, b.Name));
        if (sorted.Length == 0) throw new ArgumentException("shards need at least one column");
        for (int i = 1; i < sorted.Length; i++)
            if (sorted[i].Name == sorted[i - 1].Name) throw new ArgumentException($"column '{sorted[i].Name}' stands twice");
        return sorted;
    }

    static void Check(MdsWriterOptions options)
    {
        if (options.SizeLimit < 1 || options.SizeLimit > Array.MaxLength) throw new ArgumentException($"a size limit of {options.SizeLimit} bytes: it must be 1 to {Array.MaxLength}");
        if (options.Compression is not null) _ = MdsCompression.WriterLevel(options.Compression);
        foreach (string hash in options.Hashes)
            if (!MdsHash.Supported.Contains(hash)) throw new NotSupportedException($"hash '{hash}' is not one of {string.Join(", ", MdsHash.Supported)}");
        if (options.Hashes.Distinct().Count() != options.Hashes.Count) throw new ArgumentException("a hash stands twice");
    }
}
