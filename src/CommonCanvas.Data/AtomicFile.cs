using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CommonCanvas.Data;

/// <summary>
/// Writes whole files so that a reader sees either nothing or all of it, also after <c>kill -9</c> or a power failure:
/// temporary name in the same folder, flush to the disk, rename, flush of the folder.
/// </summary>
public static partial class AtomicFile
{
    /// <summary>Ending of files under construction. Whatever bears it may be deleted.</summary>
    public const string TemporaryEnding = ".tmp";

    /// <summary>Writes <paramref name="parts"/> one after another to <paramref name="path"/>, replacing it.</summary>
    /// <exception cref="IOException">The disk is full or the folder cannot be written; the old file is untouched.</exception>
    public static void Write(string path, params ReadOnlySpan<ReadOnlyMemory<byte>> parts)
    {
        string temporary = path + TemporaryEnding;
        try
        {
            using (SafeFileHandle file = File.OpenHandle(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                long at = 0;
                foreach (ReadOnlyMemory<byte> part in parts)
                {
                    RandomAccess.Write(file, part.Span, at);
                    at += part.Length;
                }
                RandomAccess.FlushToDisk(file);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (IOException cause)
        {
            TryDelete(temporary);
            throw new IOException($"{path}: cannot be written ({cause.Message}); what was complete before is whole: free space or choose another folder, and start again", cause);
        }
        FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Makes renames in a folder durable. Windows does so by itself.</summary>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        int descriptor = Open(folder, 0);
        if (descriptor < 0) return;
        _ = FSync(descriptor);
        _ = Close(descriptor);
    }

    static void TryDelete(string path)
    {
        try { File.Delete(path); }
        catch (IOException) { /* The first error is the one to report. */ }
        catch (UnauthorizedAccessException) { /* Likewise. */ }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int FSync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
