using System.Text.Json.Nodes;

namespace CommonCanvas.Data;

/// <summary>A column of a shard.</summary>
public sealed record MdsColumn(string Name, MdsEncoding Encoding);

/// <summary>A file of a shard: its name below the folder, its size, and its digests by algorithm.</summary>
public sealed record MdsFile(string Basename, long Bytes, IReadOnlyList<KeyValuePair<string, string>> Hashes);

/// <summary>What an index says of one shard.</summary>
/// <param name="Columns">In the order in which their bytes are stored.</param>
/// <param name="Samples">Number of samples.</param>
/// <param name="SizeLimit">The limit that the writer kept, in bytes, or null.</param>
/// <param name="Compression">Algorithm and level, such as <c>zstd:7</c>, or null.</param>
/// <param name="Hashes">Names of the digests.</param>
/// <param name="Raw">The uncompressed file.</param>
/// <param name="Zip">The compressed file, if the shard is compressed; then only that one exists.</param>
public sealed record MdsShardInfo(IReadOnlyList<MdsColumn> Columns, long Samples, long? SizeLimit, string? Compression,
    IReadOnlyList<string> Hashes, MdsFile Raw, MdsFile? Zip)
{
    /// <summary>Format and version that everything here reads and writes.</summary>
    internal const string Format = "mds";
    internal const int Version = 2;

    /// <summary>The file that is on the disk.</summary>
    public MdsFile Stored => Zip ?? Raw;

    /// <summary>The keys that index and shard have in common, unsorted.</summary>
    internal JsonObject Config() => new()
    {
        ["column_encodings"] = new JsonArray([.. Columns.Select(c => JsonValue.Create(c.Encoding.Text))]),
        ["column_names"] = new JsonArray([.. Columns.Select(c => JsonValue.Create(c.Name))]),
        ["column_sizes"] = new JsonArray([.. Columns.Select(c => c.Encoding.FixedSize is int size ? JsonValue.Create(size) : null)]),
        ["compression"] = Compression,
        ["format"] = Format,
        ["hashes"] = new JsonArray([.. Hashes.Select(h => JsonValue.Create(h))]),
        ["size_limit"] = SizeLimit,
        ["version"] = Version,
    };

    /// <summary>The shard's entry in the index.</summary>
    internal JsonObject Entry()
    {
        JsonObject entry = Config();
        entry["raw_data"] = FileEntry(Raw);
        entry["samples"] = Samples;
        entry["zip_data"] = Zip is null ? null : FileEntry(Zip);
        return entry;
    }

    static JsonObject FileEntry(MdsFile file) => new()
    {
        ["basename"] = file.Basename,
        ["bytes"] = file.Bytes,
        ["hashes"] = new JsonObject(file.Hashes.Select(h => KeyValuePair.Create(h.Key, (JsonNode?)h.Value))),
    };
}
