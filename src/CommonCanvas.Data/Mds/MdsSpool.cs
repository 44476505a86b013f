using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace CommonCanvas.Data;

/// <summary>
/// A temporary file that holds what shards unpacked to, one after another, until it is disposed. It goes with its process
/// however that ends: Windows deletes it when the last handle is closed, elsewhere it loses its name as soon as it is there.
/// What stays behind all the same, after a power failure or on a file system that can do neither, goes when the next one is
/// made in that folder. Use from many threads.
/// </summary>
sealed class MdsSpool : IDisposable
{
    const string Start = "commoncanvas-", Ending = ".shards" + AtomicFile.TemporaryEnding;

    /// <summary>Room that is left to others, checkpoints above all; half of the free room where that is less.</summary>
    const long Reserve = 64L << 30;

    readonly FileStream file;
    readonly long limit, reserve;
    readonly Dictionary<long, long> abandoned = [];
    readonly Lock gate = new();
    long end, unwritten;
    bool full;

    MdsSpool(string folder, FileStream file, long limit)
    {
        (Folder, this.file, this.limit) = (folder, file, limit);
        Handle = file.SafeFileHandle;
        long free = Free(folder);
        reserve = Math.Min(Reserve, free / 2);
        Room = Math.Min(limit, free - reserve);
    }

    /// <summary>Where it lies.</summary>
    public string Folder { get; }

    /// <summary>Bytes that it may hold, as far as can be told from what was free when it was made.</summary>
    public long Room { get; }

    /// <summary>Why a shard was refused.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>The file.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Folders for temporary files that are on a disk; a RAM disk would take the memory that is lacking.</summary>
    public static IEnumerable<string> Folders => new[] { Path.GetTempPath(), "/var/tmp" }.Where(OnDisk);

    /// <summary>Makes the file in the first folder with room for all that is wanted, or else in the one with most.</summary>
    /// <param name="folders">Where it may lie.</param>
    /// <param name="wanted">Bytes that it would hold if there were room.</param>
    /// <param name="limit">Bytes that it may hold at most.</param>
    /// <returns>Null where no folder can be written to.</returns>
    public static MdsSpool? Create(IEnumerable<string> folders, long wanted, long limit)
    {
        MdsSpool? best = null;
        foreach (string folder in folders)
        {
            if (TryCreate(folder, limit) is not MdsSpool spool) continue;
            if (best is not null && best.Room >= Math.Min(wanted, spool.Room))
            {
                spool.Dispose();
                continue;
            }
            best?.Dispose();
            best = spool;
        }
        return best;
    }

    /// <summary>Makes a spool of a file that is open already.</summary>
    internal static MdsSpool Over(string folder, FileStream file) => new(folder, file, long.MaxValue);

    /// <summary>Sets a part of the file aside for a shard; null where that would take too much of the disk.</summary>
    public Part? TryReserve(long length)
    {
        lock (gate)
        {
            if (full) return null;
            if (length > limit - end || Free(Folder) - unwritten - length < reserve)
            {
                Problem = $"no room is left in {Folder}";
                return null;
            }
            unwritten += length;
            end += length;
            return new Part(this, end - length, length);
        }
    }

    /// <summary>Removes the file.</summary>
    public void Dispose() => file.Dispose();

    /// <summary>Takes a part back that will not be written, and cuts the file where nothing is behind it.</summary>
    void Abandon(Part part)
    {
        unwritten -= part.Length;
        abandoned[part.Start + part.Length] = part.Start;
        while (abandoned.Remove(end, out long start)) end = start;
        try { if (RandomAccess.GetLength(Handle) > end) RandomAccess.SetLength(Handle, end); }
        catch (Exception cause) when (IsRefusal(cause)) { /* The room comes back with that of the file. */ }
    }

    static MdsSpool? TryCreate(string folder, long limit)
    {
        try
        {
            RemoveLeftovers(folder);
            string path = Path.Combine(folder, Start + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture) + Ending);
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0,
                Options = FileOptions.DeleteOnClose | FileOptions.RandomAccess,
            };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            var file = new FileStream(path, options);
            try
            {
                if (!OperatingSystem.IsWindows()) File.Delete(path);
                return new MdsSpool(folder, file, limit);
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
        catch (Exception cause) when (IsRefusal(cause)) { return null; }
    }

    /// <summary>Removes files that nobody has open any more: those that are in use are locked.</summary>
    static void RemoveLeftovers(string folder)
    {
        foreach (string path in Directory.EnumerateFiles(folder, Start + "*" + Ending))
        {
            try { new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose).Dispose(); }
            catch (Exception cause) when (IsRefusal(cause)) { /* In use, or somebody else's. */ }
        }
    }

    /// <summary>Whether a folder is there, and not in memory.</summary>
    internal static bool OnDisk(string folder)
    {
        try { return Directory.Exists(folder) && new DriveInfo(folder).DriveType != DriveType.Ram; }
        catch (Exception cause) when (IsRefusal(cause)) { return false; }
    }

    static long Free(string folder)
    {
        try { return new DriveInfo(folder).AvailableFreeSpace; }
        catch (Exception cause) when (IsRefusal(cause)) { return 0; }
    }

    static bool IsRefusal(Exception cause) => cause is IOException or UnauthorizedAccessException or ArgumentException;

    /// <summary>A shard's part of the file; given back when it is disposed without having been kept.</summary>
    public sealed class Part(MdsSpool spool, long start, long length) : IDisposable
    {
        bool settled;

        /// <summary>Where it begins in the file.</summary>
        public long Start => start;

        /// <summary>Its bytes.</summary>
        public long Length => length;

        /// <summary>The file.</summary>
        public SafeFileHandle Handle => spool.Handle;

        /// <summary>Writes into it. After an error no further part of the file is given out.</summary>
        /// <exception cref="MdsSpoolException">The disk is full after all, over a quota, or broken.</exception>
        public void Write(long at, ReadOnlySpan<byte> bytes)
        {
            try { RandomAccess.Write(Handle, bytes, start + at); }
            catch (Exception cause) when (IsRefusal(cause))
            {
                lock (spool.gate) (spool.full, spool.Problem) = (true, cause.Message);
                throw new MdsSpoolException($"{spool.Folder}: the temporary file for unpacked shards cannot grow ({cause.Message})", cause);
            }
        }

        /// <summary>Says that all of it is written and stays.</summary>
        public void Keep()
        {
            lock (spool.gate)
            {
                settled = true;
                spool.unwritten -= length;
            }
        }

        /// <summary>Gives it back if it is not kept.</summary>
        public void Dispose()
        {
            lock (spool.gate)
            {
                if (!settled) spool.Abandon(this);
                settled = true;
            }
        }
    }
}

/// <summary>A temporary file for unpacked shards cannot be written any further.</summary>
sealed class MdsSpoolException(string message, Exception cause) : IOException(message, cause);
