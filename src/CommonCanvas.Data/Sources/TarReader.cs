using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace CommonCanvas.Data;

/// <summary>A regular file in an archive: its name and where its bytes lie.</summary>
readonly record struct TarEntry(string Name, long Offset, long Size, bool IsFile);

/// <summary>
/// Lists a tar archive: ustar, with the long names of pax and GNU. Only heads are read; contents stay on the disk. Every
/// size is checked against the file before it is believed, so listing always comes to an end.
/// </summary>
static class TarReader
{
    const int Block = 512;

    /// <summary>Longest name or pax record block, in bytes.</summary>
    const int MaxExtra = 1 << 20;

    /// <summary>The entries in order.</summary>
    /// <exception cref="InvalidDataException">Damaged or cut off; the message names archive and position.</exception>
    public static IEnumerable<TarEntry> List(string path, SafeFileHandle file)
    {
        long length = RandomAccess.GetLength(file);
        var head = new byte[Block];
        string? longName = null;
        long? paxSize = null;
        for (long at = 0; ;)
        {
            // An archive ends with two blocks of zeros; many writers leave them out, or pad with more.
            if (at >= length) yield break;
            if (length - at < Block) throw DataError.In(path, $"cut off in the head at byte {at}");
            ReadExactly(path, file, at, head);
            if (!head.AsSpan().ContainsAnyExcept((byte)0)) yield break;
            CheckSum(path, at, head);
            char kind = (char)head[156];
            long size = Number(path, at, head.AsSpan(124, 12));
            // A pax size stands for the file that follows, not for the extension head itself.
            if (kind is not ('x' or 'g' or 'L' or 'K') && paxSize is long real) size = real;
            long data = at + Block;
            if (size < 0 || size > length - data) throw DataError.In(path, $"the entry at byte {at} says {size} bytes; {length - data} are left: the archive is cut off or damaged");
            switch (kind)
            {
                case 'x':
                    (string? paxName, paxSize) = Pax(path, at, Extra(path, file, data, size));
                    longName = paxName ?? longName;
                    break;
                case 'L':
                    longName = Text(Extra(path, file, data, size));
                    break;
                case 'g' or 'K':
                    break;
                default:
                    yield return new TarEntry(longName ?? Name(head), data, size, kind is '0' or '\0' or '7');
                    (longName, paxSize) = (null, null);
                    break;
            }
            at = data + (size + Block - 1) / Block * Block;
        }
    }

    /// <summary>The bytes of an entry.</summary>
    public static byte[] Read(string path, SafeFileHandle file, TarEntry entry)
    {
        var bytes = new byte[entry.Size];
        ReadExactly(path, file, entry.Offset, bytes);
        return bytes;
    }

    static void ReadExactly(string path, SafeFileHandle file, long at, Span<byte> to)
    {
        while (to.Length > 0)
        {
            int n = RandomAccess.Read(file, to, at);
            if (n == 0) throw DataError.In(path, $"ends at byte {at}; it became shorter while it was read");
            at += n;
            to = to[n..];
        }
    }

    static byte[] Extra(string path, SafeFileHandle file, long at, long size)
    {
        if (size > MaxExtra) throw DataError.In(path, $"an extension of {size} bytes at byte {at}");
        var bytes = new byte[size];
        ReadExactly(path, file, at, bytes);
        return bytes;
    }

    static string Name(ReadOnlySpan<byte> head)
    {
        string name = Text(head[..100]), prefix = head[257..262].SequenceEqual("ustar"u8) && head[262] == 0 ? Text(head.Slice(345, 155)) : "";
        return prefix.Length > 0 ? $"{prefix}/{name}" : name;
    }

    /// <summary>Text up to the first zero byte; bytes that are not UTF-8 become the replacement character.</summary>
    static string Text(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }

    /// <summary>Octal digits, or GNU's big-endian number marked by the top bit.</summary>
    static long Number(string path, long at, ReadOnlySpan<byte> field)
    {
        if ((field[0] & 0x80) != 0)
        {
            if (field[0] != 0x80 || BinaryPrimitives.ReadUInt32BigEndian(field) != 0x80000000) throw DataError.In(path, $"the entry at byte {at} has an impossible size");
            return BinaryPrimitives.ReadInt64BigEndian(field[4..]);
        }
        long value = 0;
        foreach (byte b in field.Trim(" \0"u8))
        {
            if (b is < (byte)'0' or > (byte)'7') throw DataError.In(path, $"the entry at byte {at} has a number that is not octal");
            value = value * 8 + (b - '0');
        }
        return value;
    }

    /// <summary>The sum of the head's bytes, with blanks where the sum itself stands. Old writers summed signed bytes.</summary>
    static void CheckSum(string path, long at, ReadOnlySpan<byte> head)
    {
        long wanted = Number(path, at, head.Slice(148, 8)), sum = 0, signed = 0;
        for (int i = 0; i < Block; i++)
        {
            byte b = i is >= 148 and < 156 ? (byte)' ' : head[i];
            sum += b;
            signed += (sbyte)b;
        }
        if (wanted != sum && wanted != signed) throw DataError.In(path, $"the head at byte {at} is damaged (its checksum is {sum}, it says {wanted}); is the file a tar archive, and not compressed?");
    }

    /// <summary>Records <c>LENGTH KEY=VALUE\n</c>; of them the path and the size count.</summary>
    static (string? Name, long? Size) Pax(string path, long at, ReadOnlySpan<byte> records)
    {
        string? name = null;
        long? size = null;
        while (records.Length > 0 && records[0] != 0)
        {
            int blank = records.IndexOf((byte)' ');
            if (blank < 1 || !int.TryParse(records[..blank], NumberStyles.None, CultureInfo.InvariantCulture, out int length) || length <= blank + 1 || length > records.Length || records[length - 1] != '\n')
                throw DataError.In(path, $"the pax records at byte {at} are damaged");
            ReadOnlySpan<byte> record = records[(blank + 1)..(length - 1)];
            records = records[length..];
            int equals = record.IndexOf((byte)'=');
            if (equals < 0) throw DataError.In(path, $"the pax records at byte {at} are damaged");
            ReadOnlySpan<byte> key = record[..equals], value = record[(equals + 1)..];
            if (key.SequenceEqual("path"u8)) name = Text(value);
            if (key.SequenceEqual("size"u8))
                size = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long n) ? n : throw DataError.In(path, $"the pax records at byte {at} have a size that is no number");
            if (key.StartsWith("GNU.sparse."u8)) throw DataError.In(path, $"the entry at byte {at} is a sparse file; pack the archive without --sparse");
        }
        return (name, size);
    }
}
