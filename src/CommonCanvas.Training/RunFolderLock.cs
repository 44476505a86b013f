namespace CommonCanvas.Training;

/// <summary>
/// Holds a run folder for one process: two that write checkpoints and metrics to the same one would spoil both. The operating
/// system lets go when the process ends, however it ends, so nothing has to be cleaned up after a crash.
/// </summary>
public sealed class RunFolderLock : IDisposable
{
    const string Name = ".lock";

    // A file that another process holds: Windows' sharing violation, and what flock returns on Linux and on macOS.
    const int SharingViolation = unchecked((int)0x80070020), WouldBlock = 11, WouldBlockOnMac = 35;

    readonly FileStream file;

    RunFolderLock(FileStream file) => this.file = file;

    /// <summary>Takes the folder; it is made where absent.</summary>
    /// <exception cref="IOException">Another run has it, or the folder cannot be written.</exception>
    public static RunFolderLock Take(string folder)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, Name);
        try { return new RunFolderLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None)); }
        catch (IOException e)
        {
            throw new IOException(e.HResult is SharingViolation or WouldBlock or WouldBlockOnMac
                ? $"{folder}: another run writes to this folder; wait until it ends, stop it, or give this run another folder"
                : $"{folder}: cannot be written ({e.Message}); free some space or choose another folder", e);
        }
    }

    /// <summary>Lets go; the file stays, for removing it could take it from a run that has just opened it.</summary>
    public void Dispose() => file.Dispose();
}
