using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace CommonCanvas.Data;

/// <summary>
/// One opened shard: a file that is read at positions, or the unpacked bytes of a compressed one, in memory or in a temporary
/// file. All lengths that come out of the file are checked against its size before anything is allocated. Use from many threads.
/// </summary>
sealed class MdsShard : IDisposable
{
    readonly string path;
    readonly MdsShardInfo info;
    readonly SafeFileHandle? file;
    readonly long origin;
    readonly bool shared;
    readonly byte[]? unpacked;
    readonly uint dataStart;
    readonly int variable;
    readonly long fixedBytes;

    MdsShard(string path, MdsShardInfo info, SafeFileHandle? file = null, long origin = 0, bool shared = false, byte[]? unpacked = null)
    {
        this.path = path;
        this.info = info;
        (this.file, this.origin, this.shared) = (file, origin, shared);
        this.unpacked = unpacked;
        foreach (MdsColumn column in info.Columns)
            if (column.Encoding.FixedSize is int size) fixedBytes += size;
            else variable++;
        dataStart = CheckHead();
    }

    /// <summary>Whether its bytes are held in memory.</summary>
    public bool InMemory => unpacked is not null;

    /// <summary>Whether a shard has to be unpacked: it is compressed, and nobody has laid the uncompressed file beside it.</summary>
    public static bool IsPacked(string folder, MdsShardInfo info) =>
        info.Zip is not null && !(new FileInfo(Path.Combine(folder, info.Raw.Basename)) is { Exists: true } raw && raw.Length == info.Raw.Bytes);

    /// <summary>Opens a shard and checks its size, its head, and its digests if asked.</summary>
    /// <param name="folder">Where it lies.</param>
    /// <param name="info">What the index says of it.</param>
    /// <param name="verify">Compare digests.</param>
    /// <param name="packed">Whether it has to be unpacked (<see cref="IsPacked"/>).</param>
    /// <param name="maxUnpackedBytes">Largest size that it may unpack to.</param>
    /// <param name="part">Where to unpack it to; memory where there is none, or where it turns out that it cannot be written.</param>
    /// <exception cref="InvalidDataException">Missing, cut off, damaged, or not what the index says; names the file.</exception>
    public static MdsShard Open(string folder, MdsShardInfo info, bool verify, bool packed, long maxUnpackedBytes, MdsSpool.Part? part = null)
    {
        // The index's reader has refused names that lead out; a link below the folder is the user's own.
        MdsFile stored = packed ? info.Stored : info.Raw;
        string path = Path.Combine(folder, stored.Basename);
        SafeFileHandle? file = null;
        try
        {
            file = File.OpenHandle(path, options: FileOptions.RandomAccess);
            long length = RandomAccess.GetLength(file);
            if (length != stored.Bytes) throw DataError.In(path, $"has {length} bytes where the index says {stored.Bytes}: the shard is cut off or is another one; copy it again");
            if (verify) Compare(path, stored, MdsHash.Compute([.. stored.Hashes.Select(h => h.Key)], file, stored.Bytes));
            if (!packed) return new MdsShard(path, info, file);
            if (info.Raw.Bytes > Math.Min(maxUnpackedBytes, Array.MaxLength)) throw DataError.In(path, $"unpacks to {info.Raw.Bytes} bytes, more than the limit of {maxUnpackedBytes}");
            using var stream = new FileStream(file, FileAccess.Read);
            if (part is not null && Unpack(path, info, stream, verify, part) is MdsShard spooled) return spooled;
            stream.Position = 0;
            byte[] raw = MdsCompression.Decompress(info.Compression!, stream, info.Raw.Bytes);
            if (verify) Compare(path, info.Raw, [.. info.Raw.Hashes.Select(h => MdsHash.Compute(h.Key, raw))]);
            return new MdsShard(path, info, unpacked: raw);
        }
        catch (Exception cause)
        {
            file?.Dispose();
            if (cause is FileNotFoundException or DirectoryNotFoundException) throw DataError.In(path, "there is no such shard; copy it again", cause);
            if (cause is FormatException or NotSupportedException) throw DataError.In(path, cause.Message, cause);
            throw;
        }
    }

    /// <summary>Unpacks to a part of a temporary file; null where that cannot be written.</summary>
    static MdsShard? Unpack(string path, MdsShardInfo info, Stream stream, bool verify, MdsSpool.Part part)
    {
        try
        {
            using var digests = new MdsHash.Running(verify ? [.. info.Raw.Hashes.Select(h => h.Key)] : []);
            MdsCompression.Decompress(info.Compression!, stream, info.Raw.Bytes, (at, bytes) =>
            {
                digests.Append(bytes);
                part.Write(at, bytes);
            });
            if (verify) Compare(path, info.Raw, digests.Finish());
            var shard = new MdsShard(path, info, part.Handle, part.Start, shared: true);
            part.Keep();
            return shard;
        }
        catch (MdsSpoolException) { return null; }
    }

    /// <summary>Reads sample <paramref name="i"/> of this shard; <paramref name="number"/> is its number in the folder, for messages. What is not in memory goes to <paramref name="buffer"/>, which is replaced where it is too small.</summary>
    public MdsSample Read(long i, long number, ref byte[] buffer)
    {
        Span<byte> two = stackalloc byte[8];
        ReadAt(4 + 4 * i, two);
        uint start = BinaryPrimitives.ReadUInt32LittleEndian(two), end = BinaryPrimitives.ReadUInt32LittleEndian(two[4..]);
        if (start < dataStart || end < start || end > info.Raw.Bytes) throw DataError.In(path, $"sample {number} lies at {start} to {end} of {info.Raw.Bytes} bytes: the shard is damaged; copy it again");
        long length = (long)end - start;
        if (length > Array.MaxLength) throw DataError.In(path, $"sample {number} has {length} bytes; the limit is 2 GiB");
        if (length < 4L * variable + fixedBytes) throw DataError.In(path, $"sample {number} has {length} bytes, too few for its columns: the shard is damaged; copy it again");

        ReadOnlyMemory<byte> bytes;
        if (unpacked is not null) bytes = unpacked.AsMemory((int)start, (int)length);
        else
        {
            if (buffer.Length < length) buffer = GC.AllocateUninitializedArray<byte>((int)length);
            ReadAt(start, buffer.AsSpan(0, (int)length));
            bytes = buffer.AsMemory(0, (int)length);
        }
        return new MdsSample(path, number, info.Columns, Cut(bytes, number));
    }

    /// <summary>Closes its file; a temporary one is its maker's.</summary>
    public void Dispose()
    {
        if (!shared) file?.Dispose();
    }

    /// <summary>Cuts a sample into its columns; their sizes have to add up exactly.</summary>
    ReadOnlyMemory<byte>[] Cut(ReadOnlyMemory<byte> bytes, long number)
    {
        var payloads = new ReadOnlyMemory<byte>[info.Columns.Count];
        int sizeAt = 0;
        long at = 4L * variable;
        for (int i = 0; i < payloads.Length; i++)
        {
            long size;
            if (info.Columns[i].Encoding.FixedSize is int known) size = known;
            else
            {
                size = BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span[sizeAt..]);
                sizeAt += 4;
            }
            if (size > bytes.Length - at) throw DataError.In(path, $"sample {number}, column '{info.Columns[i].Name}' has {size} bytes, more than the sample: the shard is damaged; copy it again");
            payloads[i] = bytes.Slice((int)at, (int)size);
            at += size;
        }
        return at == bytes.Length ? payloads : throw DataError.In(path, $"sample {number}: {bytes.Length - at} bytes too many: the shard is damaged or its columns are not those of the index");
    }

    /// <summary>Checks number of samples and ends of the table of offsets; returns where samples begin.</summary>
    uint CheckHead()
    {
        long size = info.Raw.Bytes, n = info.Samples, table = 4 + 4 * (n + 1);
        if (size < table) throw DataError.In(path, $"{size} bytes are too few for {n} samples");
        Span<byte> word = stackalloc byte[4];
        ReadAt(0, word);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(word);
        ReadAt(4, word);
        uint first = BinaryPrimitives.ReadUInt32LittleEndian(word);
        ReadAt(table - 4, word);
        uint last = BinaryPrimitives.ReadUInt32LittleEndian(word);
        if (count != n) throw DataError.In(path, $"holds {count} samples where the index says {n}");
        if (first < table || first > size || last != size) throw DataError.In(path, $"its table of offsets runs from {first} to {last}, which does not fit a file of {size} bytes: the shard is damaged; copy it again");
        return first;
    }

    void ReadAt(long at, Span<byte> to)
    {
        if (unpacked is not null)
        {
            unpacked.AsSpan((int)at, to.Length).CopyTo(to);
            return;
        }
        while (to.Length > 0)
        {
            int n = RandomAccess.Read(file!, to, origin + at);
            if (n == 0) throw DataError.In(path, $"ends at {at} bytes; it became shorter while it was read");
            at += n;
            to = to[n..];
        }
    }

    static void Compare(string path, MdsFile expected, string[] digests)
    {
        for (int i = 0; i < digests.Length; i++)
        {
            (string algorithm, string wanted) = expected.Hashes[i];
            if (!string.Equals(digests[i], wanted, StringComparison.OrdinalIgnoreCase))
                throw DataError.In(path, $"its {algorithm} is {digests[i]} where the index says {DataError.Shown(wanted, 128)}: the shard is damaged; copy it again");
        }
    }
}
