using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace CommonCanvas.Data;

/// <summary><c>index.json</c>: the list of shards, and under <c>commoncanvas</c> whatever this program records beside it.</summary>
static class MdsIndex
{
    public const string FileName = "index.json";

    /// <summary>Top-level key that other readers of the format pass over.</summary>
    public const string MetadataKey = "commoncanvas";

    /// <summary>Text of an index, byte for byte as the reference writer's where there is no metadata.</summary>
    public static byte[] Bytes(IEnumerable<MdsShardInfo> shards, JsonObject? metadata)
    {
        var top = new JsonObject { ["shards"] = new JsonArray([.. shards.Select(s => s.Entry())]), ["version"] = MdsShardInfo.Version };
        if (metadata is not null) top[MetadataKey] = metadata.DeepClone();
        return Encoding.ASCII.GetBytes(PythonJson.Text(top, sortKeys: true));
    }

    /// <summary>Reads and checks an index.</summary>
    /// <exception cref="InvalidDataException">The file is missing, no index, of another version, or contradicts itself.</exception>
    public static (List<MdsShardInfo> Shards, JsonObject? Metadata) Read(string path)
    {
        JsonObject top = Parse(path, ReadFile(path));
        try
        {
            if ((int?)top["version"] != MdsShardInfo.Version) throw new FormatException($"version {top["version"]?.ToJsonString() ?? "missing"}; this program reads version {MdsShardInfo.Version}");
            var entries = top["shards"] as JsonArray ?? throw new FormatException("no list 'shards'");
            var shards = new List<MdsShardInfo>(entries.Count);
            for (int i = 0; i < entries.Count; i++)
            {
                try { shards.Add(Shard(entries[i] as JsonObject ?? throw new FormatException("not an object"))); }
                catch (Exception cause) when (IsMalformed(cause)) { throw new FormatException($"shard {i}: {cause.Message}", cause); }
            }
            return (shards, (JsonObject?)top[MetadataKey]?.DeepClone());
        }
        catch (Exception cause) when (IsMalformed(cause))
        {
            throw DataError.In(path, $"not a usable MDS index: {cause.Message}", cause);
        }
    }

    /// <summary>Reads one shard's entry.</summary>
    public static MdsShardInfo Shard(JsonObject entry)
    {
        if ((string?)entry["format"] != MdsShardInfo.Format) throw new FormatException($"format '{DataError.Shown((string?)entry["format"] ?? "missing")}' is not 'mds'");
        if ((int?)entry["version"] != MdsShardInfo.Version) throw new FormatException("not version 2");
        string[] names = Strings(entry, "column_names"), encodings = Strings(entry, "column_encodings");
        var sizes = entry["column_sizes"] as JsonArray ?? throw new FormatException("no list 'column_sizes'");
        if (names.Length == 0 || names.Length != encodings.Length || names.Length != sizes.Count) throw new FormatException($"{names.Length} column names, {encodings.Length} encodings, {sizes.Count} sizes");
        if (names.Distinct(StringComparer.Ordinal).Count() != names.Length) throw new FormatException("a column name stands twice");
        var columns = new MdsColumn[names.Length];
        for (int i = 0; i < names.Length; i++)
        {
            columns[i] = new MdsColumn(names[i], MdsEncoding.Parse(encodings[i]));
            if ((int?)sizes[i] != columns[i].Encoding.FixedSize) throw new FormatException($"column '{DataError.Shown(names[i])}' of encoding '{encodings[i]}' cannot have size {sizes[i]?.ToJsonString() ?? "null"}");
        }
        string? compression = (string?)entry["compression"];
        MdsFile raw = File(entry["raw_data"] as JsonObject ?? throw new FormatException("no 'raw_data'"));
        MdsFile? zip = entry["zip_data"] is JsonObject packed ? File(packed) : null;
        if (compression is null != zip is null) throw new FormatException("'compression' and 'zip_data' must both be there or both be null");
        if (raw.Bytes > uint.MaxValue) throw new FormatException($"a shard of {raw.Bytes} bytes; the format ends at 4 GiB");
        long samples = Count(entry, "samples");
        if (samples > (raw.Bytes - 8) / 4) throw new FormatException($"{samples} samples in {raw.Bytes} bytes");
        long? limit = entry["size_limit"] is null ? null : Count(entry, "size_limit");
        return new MdsShardInfo(columns, samples, limit, compression, Strings(entry, "hashes"), raw, zip);
    }

    /// <summary>True for what JSON of an unexpected kind makes <see cref="JsonNode"/> throw.</summary>
    internal static bool IsMalformed(Exception cause) => cause is FormatException or InvalidOperationException or InvalidCastException or OverflowException or JsonException or ArgumentException;

    internal static JsonObject Parse(string path, ReadOnlySpan<byte> text)
    {
        try
        {
            return JsonNode.Parse(text, null, new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject
                ?? throw DataError.In(path, "not a JSON object");
        }
        catch (JsonException cause)
        {
            throw DataError.In(path, $"not JSON ({cause.Message}); copy the file again or write the shards again", cause);
        }
    }

    static byte[] ReadFile(string path)
    {
        try { return System.IO.File.ReadAllBytes(path); }
        catch (Exception cause) when (cause is FileNotFoundException or DirectoryNotFoundException)
        {
            throw DataError.In(path, "there is no such file; an MDS folder has an index.json, which is written when all shards are complete", cause);
        }
    }

    static MdsFile File(JsonObject entry)
    {
        string name = (string?)entry["basename"] ?? throw new FormatException("a file without 'basename'");
        if (!SafePath.IsInside(name)) throw new FormatException($"the file name '{DataError.Shown(name)}' leads out of the folder");
        var hashes = entry["hashes"] as JsonObject ?? throw new FormatException("a file without 'hashes'");
        return new MdsFile(name, Count(entry, "bytes"), [.. hashes.Select(h => KeyValuePair.Create(h.Key, (string?)h.Value ?? throw new FormatException("an empty digest")))]);
    }

    static long Count(JsonObject entry, string key)
    {
        long value = (long?)entry[key] ?? throw new FormatException($"no number '{key}'");
        return value >= 0 ? value : throw new FormatException($"'{key}' is {value}");
    }

    static string[] Strings(JsonObject entry, string key) =>
        [.. (entry[key] as JsonArray ?? throw new FormatException($"no list '{key}'")).Select(n => (string?)n ?? throw new FormatException($"null in '{key}'"))];
}
