using System.Buffers;
using System.Globalization;
using System.IO.Compression;
using ZstdSharp;

namespace CommonCanvas.Data;

/// <summary>Compression of whole shards. Written: zstd. Read: zstd, gz, br.</summary>
static class MdsCompression
{
    /// <summary>Splits <c>algorithm[:level]</c>.</summary>
    /// <exception cref="NotSupportedException">An algorithm that is not handled here.</exception>
    public static (string Algorithm, int? Level) Parse(string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length > 2 || parts[0] is not ("zstd" or "gz" or "br"))
            throw new NotSupportedException($"compression '{DataError.Shown(text)}' is not handled; convert the shards to zstd or to none");
        if (parts.Length == 1) return (parts[0], null);
        return int.TryParse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int level)
            ? (parts[0], level)
            : throw new NotSupportedException($"compression level in '{DataError.Shown(text)}' is no number");
    }

    /// <summary>Level of a text to write with; 3 unless it says otherwise.</summary>
    public static int WriterLevel(string text)
    {
        (string algorithm, int? level) = Parse(text);
        if (algorithm != "zstd") throw new NotSupportedException($"shards are written with zstd or without compression, not with '{algorithm}'");
        int wanted = level ?? 3;
        return wanted >= Compressor.MinCompressionLevel && wanted <= Compressor.MaxCompressionLevel
            ? wanted
            : throw new NotSupportedException($"zstd level {wanted} is not within {Compressor.MinCompressionLevel} to {Compressor.MaxCompressionLevel}");
    }

    /// <summary>One frame with the content size in its head and no checksum, as the reference writes it.</summary>
    public static byte[] Compress(ReadOnlySpan<byte> raw, int level)
    {
        using var compressor = new Compressor(level);
        return compressor.Wrap(raw).ToArray();
    }

    /// <summary>
    /// Decompresses to exactly <paramref name="length"/> bytes. The buffer grows with what really comes out, so a false
    /// length costs no memory.
    /// </summary>
    /// <exception cref="FormatException">Damaged, or another length.</exception>
    public static byte[] Decompress(string text, Stream packed, long length)
    {
        var to = new byte[(int)Math.Min(length, 1 << 20)];
        int have = 0;
        Read(text, packed, length, () =>
        {
            if (have == to.Length) Array.Resize(ref to, (int)Math.Min(length, to.Length * 2L));
            return to.AsMemory(have);
        }, n => have += n);
        return to;
    }

    /// <summary>Decompresses exactly <paramref name="length"/> bytes and hands them on, block by block, with their place.</summary>
    /// <exception cref="FormatException">Damaged, or another length.</exception>
    public static void Decompress(string text, Stream packed, long length, Action<long, ReadOnlySpan<byte>> to)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent((int)Math.Min(length, 1 << 20));
        long have = 0;
        int filled = 0;
        try
        {
            // Small pieces are gathered, so that a block is worth a call.
            Read(text, packed, length, () =>
            {
                if (filled == block.Length) Flush();
                return block.AsMemory(filled);
            }, n => filled += n);
            Flush();
        }
        finally { ArrayPool<byte>.Shared.Return(block); }

        void Flush()
        {
            to(have, block.AsSpan(0, filled));
            have += filled;
            filled = 0;
        }
    }

    /// <summary>Reads what comes out into memory that <paramref name="room"/> offers, and tells <paramref name="took"/> how much it was.</summary>
    static void Read(string text, Stream packed, long length, Func<Memory<byte>> room, Action<int> took)
    {
        (string algorithm, _) = Parse(text);
        using Stream unpacked = algorithm switch
        {
            "zstd" => new DecompressionStream(packed),
            "gz" => new GZipStream(packed, CompressionMode.Decompress, leaveOpen: true),
            _ => new BrotliStream(packed, CompressionMode.Decompress, leaveOpen: true),
        };
        long have = 0;
        while (have < length)
        {
            Memory<byte> to = room();
            int n = Unpack(unpacked, to[..(int)Math.Min(to.Length, length - have)].Span);
            if (n == 0) throw new FormatException($"it unpacks to {have} bytes where the index says {length}");
            have += n;
            took(n);
        }
        Span<byte> more = stackalloc byte[1];
        if (Unpack(unpacked, more) != 0) throw new FormatException($"it unpacks to more than the {length} bytes that the index says");
    }

    static int Unpack(Stream unpacked, Span<byte> to)
    {
        try { return unpacked.Read(to); }
        catch (Exception cause) when (cause is ZstdException or InvalidDataException or InvalidOperationException or EndOfStreamException)
        {
            throw new FormatException($"it does not unpack ({cause.Message})", cause);
        }
    }
}
