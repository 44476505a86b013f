namespace CommonCanvas.Tests;

/// <summary>A folder of its own for one test, removed at its end.</summary>
public sealed class TempFolder : IDisposable
{
    public TempFolder() => Path = Directory.CreateTempSubdirectory("commoncanvas-test-").FullName;

    public string Path { get; }

    /// <summary>A path inside it.</summary>
    public string this[params string[] names] => System.IO.Path.Combine([Path, .. names]);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
