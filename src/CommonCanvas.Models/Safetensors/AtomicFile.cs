namespace CommonCanvas.Models;

/// <summary>
/// Writes a whole file or none: the content goes to a temporary name beside it, is synced to the disk and then renamed
/// over the old one. A crash, a full disk or an exception leaves the old file as it was.
/// </summary>
static class AtomicFile
{
    /// <summary>Writes <paramref name="path"/>, making its folder where it is missing.</summary>
    /// <exception cref="IOException">The disk is full or not writable; the message names the file.</exception>
    public static void Write(string path, Action<Stream> content)
    {
        string full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        string temporary = $"{full}.{Environment.ProcessId}-{Environment.CurrentManagedThreadId}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16))
            {
                content(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, full, overwrite: true);
        }
        catch (IOException e)
        {
            Remove(temporary);
            throw new IOException($"{path} could not be written ({e.Message}); what was there before is unchanged. Free some space or choose another folder", e);
        }
        catch
        {
            Remove(temporary);
            throw;
        }
    }

    /// <summary>Writes <paramref name="text"/> as UTF-8 without a byte-order mark.</summary>
    public static void Write(string path, string text) =>
        Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));

    static void Remove(string temporary)
    {
        try { File.Delete(temporary); }
        catch (IOException) { /* The first failure is the one to report. */ }
        catch (UnauthorizedAccessException) { /* Likewise. */ }
    }
}
