using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace CommonCanvas.Cuda;

/// <summary>
/// Compiled kernels on disk, keyed by the hash of everything that determines them: source, headers, options, NVRTC's version.
/// An entry is written under a temporary name and renamed, so that processes may share the folder; a damaged entry is
/// compiled anew and replaced.
/// </summary>
public sealed class KernelCache(Nvrtc compiler, string folder)
{
    static ReadOnlySpan<byte> Magic => "CCKC0001"u8;

    /// <summary>The default folder: <c>commoncanvas/kernels</c> in the user's cache.</summary>
    public static string DefaultFolder => Path.Combine(
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache
            : Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify),
        "commoncanvas", "kernels");

    /// <summary>Entries found on disk.</summary>
    public int Hits { get; private set; }

    /// <summary>Entries compiled.</summary>
    public int Misses { get; private set; }

    /// <summary>The compiled program, from disk where it is there.</summary>
    /// <exception cref="KernelCompilationException">With the compiler's log.</exception>
    public NvrtcProgram Get(string source, string file, IReadOnlyList<(string Name, string Text)> headers, IReadOnlyList<string> options)
    {
        string path = Path.Combine(folder, Key(source, file, headers, options) + ".bin");
        if (TryRead(path) is { } cached)
        {
            Hits++;
            return cached;
        }
        Misses++;
        var program = compiler.Compile(source, file, headers, options);
        TryWrite(path, program);
        return program;
    }

    string Key(string source, string file, IReadOnlyList<(string Name, string Text)> headers, IReadOnlyList<string> options)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, compiler.Version.ToString());
        Append(hash, source);
        Append(hash, file);
        foreach (var (name, text) in headers) { Append(hash, name); Append(hash, text); }
        foreach (string option in options) Append(hash, option);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    static void Append(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        hash.AppendData(length);
        hash.AppendData(bytes);
    }

    // magic, SHA-256 of the rest, then three length-prefixed parts
    static NvrtcProgram? TryRead(string path)
    {
        byte[] file;
        try { file = File.ReadAllBytes(path); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { return null; }
        int head = Magic.Length + SHA256.HashSizeInBytes;
        if (file.Length < head || !file.AsSpan(0, Magic.Length).SequenceEqual(Magic)) return null;
        if (!SHA256.HashData(file.AsSpan(head)).AsSpan().SequenceEqual(file.AsSpan(Magic.Length, SHA256.HashSizeInBytes))) return null;
        using var reader = new BinaryReader(new MemoryStream(file, head, file.Length - head));
        string ptx = Encoding.UTF8.GetString(reader.ReadBytes(reader.ReadInt32()));
        byte[] cubin = reader.ReadBytes(reader.ReadInt32());
        return new NvrtcProgram(ptx, cubin, Encoding.UTF8.GetString(reader.ReadBytes(reader.ReadInt32())));
    }

    // A cache that cannot be written costs time at the next start and nothing else.
    void TryWrite(string path, NvrtcProgram program)
    {
        using var body = new MemoryStream();
        using (var writer = new BinaryWriter(body, Encoding.UTF8, leaveOpen: true))
            foreach (byte[] part in new[] { Encoding.UTF8.GetBytes(program.Ptx), program.Cubin, Encoding.UTF8.GetBytes(program.Log) })
            {
                writer.Write(part.Length);
                writer.Write(part);
            }
        string temporary = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}.tmp";
        try
        {
            Directory.CreateDirectory(folder);
            using (var file = File.Create(temporary))
            {
                file.Write(Magic);
                file.Write(SHA256.HashData(body.ToArray()));
                file.Write(body.ToArray());
                file.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            try { File.Delete(temporary); }
            catch (Exception inner) when (inner is IOException or UnauthorizedAccessException) { return; }
        }
    }
}
