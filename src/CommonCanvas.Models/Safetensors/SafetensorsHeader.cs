using System.Text;
using System.Text.Json;

namespace CommonCanvas.Models;

/// <summary>
/// Parses and checks the header of a safetensors file: 8 bytes of little-endian length, that many bytes of JSON, then the
/// data. Whatever the bytes are, the outcome is a header whose tensors lie inside the data, touch without overlap and
/// leave no gap, or an <see cref="InvalidDataException"/>; memory grows with the header that is really there.
/// </summary>
sealed class SafetensorsHeader
{
    /// <summary>The reference implementation's limit for the JSON, in bytes.</summary>
    internal const long MaxBytes = 100_000_000;

    const int MaxTensors = 1 << 18;
    const int MaxRank = 32;

    internal Dictionary<string, SafetensorsEntry> Entries { get; } = new(StringComparer.Ordinal);
    internal List<string> Names { get; } = [];
    internal Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>The length that the first 8 bytes state, checked against the file.</summary>
    internal static int Length(ReadOnlySpan<byte> first8, long fileBytes, string path)
    {
        ulong stated = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(first8);
        if (stated > MaxBytes) throw Bad(path, $"the header is said to be {stated} bytes long; the format allows {MaxBytes}. This is not a safetensors file, or it is damaged");
        if ((long)stated > fileBytes - 8) throw Bad(path, $"the header is said to be {stated} bytes long, but only {fileBytes - 8} bytes follow. The file was cut off, download or copy it again");
        return (int)stated;
    }

    internal static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataBytes, string path)
    {
        if (json.IsEmpty || json[0] != (byte)'{') throw Bad(path, "the header does not start with '{'. This is not a safetensors file, or it is damaged");
        var header = new SafetensorsHeader();
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 8 });
            header.ReadAll(ref reader, path);
        }
        // InvalidOperationException: a string that is no valid UTF-8 or holds half a surrogate pair.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: the safetensors header is not valid JSON: {e.Message}", e);
        }
        header.CheckLayout(dataBytes, path);
        return header;
    }

    void ReadAll(ref Utf8JsonReader reader, string path)
    {
        bool metadataSeen = false;
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject) throw Bad(path, $"'{Short(name)}' is {reader.TokenType} instead of an object");
            if (name == "__metadata__")
            {
                if (metadataSeen) throw Bad(path, "'__metadata__' occurs twice");
                metadataSeen = true;
                ReadMetadata(ref reader, path);
                continue;
            }
            if (Entries.Count >= MaxTensors) throw Bad(path, $"more than {MaxTensors} tensors");
            if (!Entries.TryAdd(name, ReadEntry(name, ref reader, path))) throw Bad(path, $"tensor '{Short(name)}' occurs twice");
            Names.Add(name);
        }
        if (reader.Read()) throw Bad(path, "there is text behind the header's object");
    }

    void ReadMetadata(ref Utf8JsonReader reader, string path)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Bad(path, $"metadata '{Short(key)}' is {reader.TokenType} instead of a string");
            if (!Metadata.TryAdd(key, reader.GetString()!)) throw Bad(path, $"metadata '{Short(key)}' occurs twice");
        }
    }

    static SafetensorsEntry ReadEntry(string name, ref Utf8JsonReader reader, string path)
    {
        SafetensorsType? type = null;
        long[]? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            switch (key)
            {
                case "dtype" when type is null && reader.TokenType == JsonTokenType.String:
                    string text = reader.GetString()!;
                    type = SafetensorsTypes.Parse(text)
                        ?? throw Bad(path, $"tensor '{Short(name)}' has the element type '{Short(text)}'; supported are {SafetensorsTypes.All}");
                    break;
                case "shape" when shape is null:
                    shape = ReadNumbers(ref reader, MaxRank) ?? throw Bad(path, $"tensor '{Short(name)}': 'shape' is not a list of at most {MaxRank} non-negative 64-bit integers");
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadNumbers(ref reader, 2) ?? throw Bad(path, $"tensor '{Short(name)}': 'data_offsets' is not a pair of non-negative 64-bit integers");
                    break;
                default:
                    throw Bad(path, $"tensor '{Short(name)}': '{Short(key)}' is unknown, repeated or of the wrong kind; an entry has dtype, shape and data_offsets, each once");
            }
        }
        if (type is null || shape is null || offsets is not [long start, long end])
            throw Bad(path, $"tensor '{Short(name)}' lacks dtype, shape or a pair of data_offsets");
        if (end < start) throw Bad(path, $"tensor '{Short(name)}': data_offsets [{start}, {end}] end before they start");

        long bytes = type.Value.Size();
        try
        {
            checked { foreach (long d in shape) bytes *= d; }
        }
        catch (OverflowException)
        {
            throw Bad(path, $"tensor '{Short(name)}': shape [{string.Join(", ", shape)}] of {type.Value.Name()} overflows 64 bits");
        }
        if (bytes != end - start)
            throw Bad(path, $"tensor '{Short(name)}': shape [{string.Join(", ", shape)}] of {type.Value.Name()} needs {bytes} bytes, but data_offsets [{start}, {end}] span {end - start}");
        return new SafetensorsEntry(name, type.Value, shape, start, bytes);
    }

    static long[]? ReadNumbers(ref Utf8JsonReader reader, int most)
    {
        if (reader.TokenType != JsonTokenType.StartArray) return null;
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long n) || n < 0 || numbers.Count == most) return null;
            numbers.Add(n);
        }
        return numbers.ToArray();
    }

    /// <summary>Tensors in order of their place must follow each other exactly and fill the data region.</summary>
    void CheckLayout(long dataBytes, string path)
    {
        Names.Sort((a, b) =>
        {
            var (x, y) = (Entries[a], Entries[b]);
            int byPlace = x.Offset.CompareTo(y.Offset);
            if (byPlace == 0) byPlace = x.Bytes.CompareTo(y.Bytes);
            return byPlace != 0 ? byPlace : string.CompareOrdinal(a, b);
        });
        long at = 0;
        foreach (string name in Names)
        {
            var entry = Entries[name];
            if (entry.Offset < at) throw Bad(path, $"tensor '{Short(name)}' starts at {entry.Offset} and overlaps the one before it, which ends at {at}");
            if (entry.Offset > at) throw Bad(path, $"{entry.Offset - at} bytes before tensor '{Short(name)}' (at {entry.Offset}) belong to no tensor");
            at = checked(entry.Offset + entry.Bytes);
            if (at > dataBytes) throw Bad(path, $"tensor '{Short(name)}' ends at byte {at} of the data, which has {dataBytes}. The file was cut off, download or copy it again");
        }
        if (at != dataBytes) throw Bad(path, $"{dataBytes - at} bytes behind the last tensor belong to no tensor");
    }

    /// <summary>Names come from the file and go into messages: at most 120 characters, control characters escaped.</summary>
    internal static string Short(string text)
    {
        var b = new StringBuilder();
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, 120))) b.Append(char.IsControl(c) ? '?' : c);
        return text.Length > 120 ? b.Append("...").ToString() : b.ToString();
    }

    static InvalidDataException Bad(string path, string what) => new($"{path}: {what}");
}
