using System.IO.MemoryMappedFiles;

namespace CommonCanvas.Models;

/// <summary>
/// A safetensors file, memory-mapped: opening reads the header only, tensors are read where they lie. The header is
/// checked in full before anything is handed out (see <see cref="SafetensorsHeader"/>), so every entry is readable.
/// </summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    readonly SafetensorsHeader header;
    readonly MemoryMappedFile map;
    readonly MemoryMappedViewAccessor view;
    byte* data;

    /// <summary>Opens and checks <paramref name="path"/>.</summary>
    /// <exception cref="InvalidDataException">Not a sound safetensors file, or a pickle; the message names the file.</exception>
    public SafetensorsFile(string path)
    {
        WeightsFile.RefusePickle(path);
        Path = path;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
        long length = stream.Length;
        if (length < 8) throw new InvalidDataException($"{path}: {length} bytes are too few for a safetensors file. Download or copy it again");
        Span<byte> first = stackalloc byte[8];
        stream.ReadExactly(first);
        int headerBytes = SafetensorsHeader.Length(first, length, path);

        map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        start += view.PointerOffset;
        try
        {
            header = SafetensorsHeader.Parse(new ReadOnlySpan<byte>(start + 8, headerBytes), length - 8 - headerBytes, path);
        }
        catch
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
            view.Dispose();
            map.Dispose();
            throw;
        }
        data = start + 8 + headerBytes;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Names of the tensors in the order in which they lie in the file.</summary>
    public IReadOnlyList<string> Names => header.Names;

    /// <summary>The <c>__metadata__</c> of the header; empty where there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => header.Metadata;

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Has(string name) => header.Entries.ContainsKey(name);

    /// <summary>Type, shape and place of a tensor.</summary>
    /// <exception cref="KeyNotFoundException">There is none of this name.</exception>
    public SafetensorsEntry Entry(string name) =>
        header.Entries.TryGetValue(name, out var entry) ? entry : throw new KeyNotFoundException($"{Path} has no tensor '{name}'");

    /// <summary>Address of a tensor's first byte, valid until <see cref="Dispose"/>; not necessarily aligned.</summary>
    public nint Pointer(string name)
    {
        ObjectDisposedException.ThrowIf(data is null, this);
        return (nint)(data + Entry(name).Offset);
    }

    /// <summary>The bytes of a tensor (below 2 GiB), valid until <see cref="Dispose"/>.</summary>
    public ReadOnlySpan<byte> Bytes(string name) => new((void*)Pointer(name), checked((int)Entry(name).Bytes));

    /// <summary>Copies a tensor of any floating-point type into <paramref name="to"/>, whose length must be its count.</summary>
    /// <exception cref="InvalidDataException">The tensor holds no floating-point numbers.</exception>
    public void ReadFloats(string name, Span<float> to)
    {
        var entry = Entry(name);
        CheckLength(entry, to.Length);
        if (!entry.Type.IsFloat()) throw new InvalidDataException($"{Path}: {entry} does not hold floating-point numbers");
        FloatConversion.ToFloats((byte*)Pointer(name), entry.Type, to);
    }

    /// <summary>A tensor of any floating-point type as a new array.</summary>
    public float[] ReadFloats(string name)
    {
        var values = new float[checked((int)Entry(name).Count)];
        ReadFloats(name, values);
        return values;
    }

    /// <summary>Copies a tensor of any integer type (or booleans) into <paramref name="to"/>, whose length must be its count.</summary>
    /// <exception cref="InvalidDataException">The tensor holds no integers, or one that 64 signed bits cannot hold.</exception>
    public void ReadIntegers(string name, Span<long> to)
    {
        var entry = Entry(name);
        CheckLength(entry, to.Length);
        byte* from = (byte*)Pointer(name);
        for (int i = 0; i < to.Length; i++)
            to[i] = entry.Type switch
            {
                SafetensorsType.Bool or SafetensorsType.U8 => from[i],
                SafetensorsType.I8 => (sbyte)from[i],
                SafetensorsType.I16 => ((short*)from)[i],
                SafetensorsType.U16 => ((ushort*)from)[i],
                SafetensorsType.I32 => ((int*)from)[i],
                SafetensorsType.U32 => ((uint*)from)[i],
                SafetensorsType.I64 => ((long*)from)[i],
                SafetensorsType.U64 when ((ulong*)from)[i] <= long.MaxValue => ((long*)from)[i],
                _ => throw new InvalidDataException($"{Path}: {entry} does not hold integers of 64 signed bits"),
            };
    }

    /// <summary>A tensor of any integer type as a new array.</summary>
    public long[] ReadIntegers(string name)
    {
        var values = new long[checked((int)Entry(name).Count)];
        ReadIntegers(name, values);
        return values;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (data is null) return;
        data = null;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        map.Dispose();
    }

    void CheckLength(SafetensorsEntry entry, int length)
    {
        if (entry.Count != length) throw new ArgumentException($"{Path}: {entry} has {entry.Count} elements; room was given for {length}");
    }
}
