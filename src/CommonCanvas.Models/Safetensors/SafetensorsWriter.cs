using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace CommonCanvas.Models;

/// <summary>Hands out a tensor's values when its turn to be written comes; the span is used before the next call.</summary>
public delegate ReadOnlySpan<T> TensorSource<T>();

/// <summary>One tensor to be written: values are asked for one tensor at a time, so a model never lies in memory twice.</summary>
public sealed class SafetensorsItem
{
    readonly TensorSource<float>? floats;
    readonly TensorSource<byte>? bytes;

    SafetensorsItem(string name, SafetensorsType type, ReadOnlySpan<long> shape, TensorSource<float>? floats, TensorSource<byte>? bytes)
    {
        long count = 1;
        foreach (long d in shape) count = d >= 0 ? checked(count * d) : throw new ArgumentException($"tensor '{name}': dimension {d} is negative");
        (Name, Type, Shape, Bytes) = (name, type, shape.ToArray(), checked(count * type.Size()));
        (this.floats, this.bytes) = (floats, bytes);
    }

    internal string Name { get; }
    internal SafetensorsType Type { get; }
    internal long[] Shape { get; }
    internal long Bytes { get; }

    /// <summary>A tensor of fp32 values, stored as <paramref name="type"/> (F32, F16, BF16 or F64).</summary>
    public static SafetensorsItem Floats(string name, ReadOnlySpan<long> shape, TensorSource<float> source, SafetensorsType type = SafetensorsType.F32)
    {
        if (!type.IsFloat()) throw new ArgumentException($"tensor '{name}': {type.Name()} is not a floating-point type");
        return new(name, type, shape, source, null);
    }

    /// <summary>A tensor of fp32 values, stored as <paramref name="type"/> (F32, F16, BF16 or F64).</summary>
    public static SafetensorsItem Floats(string name, ReadOnlySpan<long> shape, float[] values, SafetensorsType type = SafetensorsType.F32) =>
        Floats(name, shape, () => values, type);

    /// <summary>A tensor of 64-bit integers.</summary>
    public static SafetensorsItem Integers(string name, ReadOnlySpan<long> shape, long[] values) =>
        Raw(name, SafetensorsType.I64, shape, () => MemoryMarshal.AsBytes<long>(values));

    /// <summary>A tensor whose little-endian bytes are already what the file is to hold.</summary>
    public static SafetensorsItem Raw(string name, SafetensorsType type, ReadOnlySpan<long> shape, TensorSource<byte> source) =>
        new(name, type, shape, null, source);

    internal void Write(Stream stream, byte[] buffer)
    {
        if (bytes is not null)
        {
            var all = bytes();
            if (all.Length != Bytes) throw new ArgumentException($"tensor '{Name}' of {Bytes} bytes was given {all.Length}");
            stream.Write(all);
            return;
        }
        var values = floats!();
        if (values.Length * (long)Type.Size() != Bytes) throw new ArgumentException($"tensor '{Name}' [{string.Join(", ", Shape)}] was given {values.Length} values");
        int most = buffer.Length / Type.Size();
        for (int at = 0; at < values.Length; at += most)
        {
            var part = values.Slice(at, Math.Min(most, values.Length - at));
            var to = buffer.AsSpan(0, part.Length * Type.Size());
            FloatConversion.FromFloats(part, Type, to);
            stream.Write(to);
        }
    }
}

/// <summary>
/// Writes safetensors files byte for byte as the reference implementation does: wider element types first, then by name,
/// the header padded with spaces to a multiple of 8. A file appears whole or not at all (<see cref="AtomicFile"/>).
/// </summary>
public static class SafetensorsWriter
{
    /// <summary>The metadata that diffusers and transformers expect.</summary>
    public static IReadOnlyDictionary<string, string> PyTorch { get; } = new Dictionary<string, string> { ["format"] = "pt" };

    /// <summary>Writes <paramref name="path"/>.</summary>
    /// <param name="path">File to write or replace.</param>
    /// <param name="items">Tensors in any order; names must differ.</param>
    /// <param name="metadata">Strings by key, written in order of the keys; null for <see cref="PyTorch"/>.</param>
    public static void Write(string path, IEnumerable<SafetensorsItem> items, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var sorted = items.ToArray();
        Array.Sort(sorted, (a, b) => a.Type != b.Type ? b.Type.CompareTo(a.Type) : string.CompareOrdinal(a.Name, b.Name));
        byte[] header = Header(path, sorted, metadata ?? PyTorch);
        AtomicFile.Write(path, stream =>
        {
            Span<byte> length = stackalloc byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
            stream.Write(length);
            stream.Write(header);
            byte[] buffer = new byte[1 << 18];
            foreach (var item in sorted) item.Write(stream, buffer);
        });
    }

    static byte[] Header(string path, SafetensorsItem[] sorted, IReadOnlyDictionary<string, string> metadata)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal)) json.WriteString(key, value);
                json.WriteEndObject();
            }
            long at = 0;
            var seen = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
            foreach (var item in sorted)
            {
                if (!seen.Add(item.Name)) throw new ArgumentException($"{path}: two tensors are named '{item.Name}', or the name is reserved");
                json.WriteStartObject(item.Name);
                json.WriteString("dtype", item.Type.Name());
                json.WriteStartArray("shape");
                foreach (long d in item.Shape) json.WriteNumberValue(d);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(at);
                json.WriteNumberValue(at = checked(at + item.Bytes));
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (memory.Length % 8 != 0) memory.WriteByte((byte)' ');
        return memory.ToArray();
    }
}
