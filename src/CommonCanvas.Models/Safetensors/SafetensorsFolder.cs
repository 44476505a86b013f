using System.Text.Json;

namespace CommonCanvas.Models;

/// <summary>
/// A model's weights, however many files they are in: one safetensors file, or the shards that an index
/// (<c>*.safetensors.index.json</c>) lists. Index and shards must agree exactly.
/// </summary>
public sealed class SafetensorsFolder : IDisposable
{
    readonly Dictionary<string, SafetensorsFile> fileOf = new(StringComparer.Ordinal);
    readonly List<SafetensorsFile> files = [];
    readonly List<string> names = [];

    SafetensorsFolder(string path) => Path = path;

    /// <summary>The file that was opened: a safetensors file or an index.</summary>
    public string Path { get; }

    /// <summary>Names of all tensors: shard by shard, in file order.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>
    /// Opens the weights at <paramref name="path"/>: a model's folder (see <see cref="WeightsFile.Locate"/>), a safetensors
    /// file, or an index.
    /// </summary>
    /// <exception cref="InvalidDataException">A damaged file, a pickle, or an index that disagrees with its shards.</exception>
    public static SafetensorsFolder Open(string path, string? baseName = null)
    {
        if (Directory.Exists(path)) path = WeightsFile.Locate(path, baseName);
        var folder = new SafetensorsFolder(path);
        try
        {
            if (path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)) folder.AddShards(ReadIndex(path));
            else folder.Add(path);
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Has(string name) => fileOf.ContainsKey(name);

    /// <summary>Type, shape and place of a tensor.</summary>
    public SafetensorsEntry Entry(string name) => File(name).Entry(name);

    /// <summary>The file that holds a tensor.</summary>
    /// <exception cref="KeyNotFoundException">None does.</exception>
    public SafetensorsFile File(string name) =>
        fileOf.TryGetValue(name, out var file) ? file : throw new KeyNotFoundException($"{Path} has no tensor '{name}'");

    /// <inheritdoc cref="SafetensorsFile.ReadFloats(string, Span{float})"/>
    public void ReadFloats(string name, Span<float> to) => File(name).ReadFloats(name, to);

    /// <inheritdoc cref="SafetensorsFile.ReadFloats(string)"/>
    public float[] ReadFloats(string name) => File(name).ReadFloats(name);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in files) file.Dispose();
    }

    SafetensorsFile Add(string path)
    {
        var file = new SafetensorsFile(path);
        files.Add(file);
        foreach (string name in file.Names)
        {
            if (!fileOf.TryAdd(name, file)) throw new InvalidDataException($"{path}: tensor '{SafetensorsHeader.Short(name)}' is also in {fileOf[name].Path}");
            names.Add(name);
        }
        return file;
    }

    void AddShards(Dictionary<string, string> shardOf)
    {
        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;
        foreach (string shard in shardOf.Values.Distinct().Order(StringComparer.Ordinal))
        {
            if (shard != System.IO.Path.GetFileName(shard) || shard is "" or "." or ".." || shard.Contains('\\', StringComparison.Ordinal) || shard.Contains('\0', StringComparison.Ordinal))
                throw new InvalidDataException($"{Path}: the shard '{SafetensorsHeader.Short(shard)}' is not a plain file name; shards lie beside their index");
            string file = System.IO.Path.Combine(folder, shard);
            if (!System.IO.File.Exists(file)) throw new FileNotFoundException($"{Path} names the shard {shard}, which is not beside it. Download or copy it too");
            Add(file);
        }
        foreach (var (name, shard) in shardOf)
            if (!fileOf.TryGetValue(name, out var file) || System.IO.Path.GetFileName(file.Path) != shard)
                throw new InvalidDataException($"{Path} places tensor '{SafetensorsHeader.Short(name)}' in {shard}, which does not hold it");
        foreach (string name in names)
            if (!shardOf.ContainsKey(name)) throw new InvalidDataException($"{fileOf[name].Path}: tensor '{SafetensorsHeader.Short(name)}' is not listed in {Path}");
    }

    static Dictionary<string, string> ReadIndex(string path)
    {
        using var json = StrictJson.Read(path, SafetensorsHeader.MaxBytes, 8);
        if (!json.RootElement.TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
            throw new InvalidDataException($"{path}: an index of safetensors shards has an object 'weight_map'");
        var shardOf = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            foreach (var pair in map.EnumerateObject())
                shardOf.Add(pair.Name, pair.Value.Text() ?? throw new InvalidDataException($"{path}: the shard of '{SafetensorsHeader.Short(pair.Name)}' is not a string"));
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"{path} is not valid JSON: {e.Message}", e);
        }
        return shardOf;
    }
}
