using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace CommonCanvas.Models;

/// <summary>
/// Reads a diffusers or transformers <c>config.json</c> strictly. Every key is either taken, checked against the one value
/// that is supported, or known to have no effect; <see cref="Finish"/> throws one error that lists everything else.
/// A key that is missing has the library's default, as older folders were written before newer keys existed.
/// </summary>
sealed class ModelConfig
{
    const long MaxBytes = 1 << 20;
    const int MaxList = 64;

    static readonly JsonSerializerOptions indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    readonly string path;
    readonly Dictionary<string, JsonElement> values = new(StringComparer.Ordinal);
    readonly HashSet<string> seen = new(StringComparer.Ordinal);
    readonly List<string> problems = [];

    ModelConfig(string path) => this.path = path;

    /// <summary>Parses the file; a missing one, one that is no JSON object or has a key twice is an error at once.</summary>
    internal static ModelConfig Read(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists) throw new FileNotFoundException($"{path} does not exist; a model's folder has its configuration there");
        if (file.Length > MaxBytes) throw new InvalidDataException($"{path}: {file.Length} bytes are too many for a configuration (at most {MaxBytes})");
        return Parse(File.ReadAllBytes(path), path);
    }

    internal static ModelConfig Parse(byte[] json, string path)
    {
        using var document = StrictJson.Parse(QuotePythonNumbers(json), path);
        var config = new ModelConfig(path);
        try
        {
            foreach (var property in document.RootElement.EnumerateObject()) config.values.Add(property.Name, property.Value.Clone());
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"{path} is not valid JSON: {e.Message}", e);
        }
        return config;
    }

    /// <summary>
    /// Python writes numbers that JSON does not have (diffusers' DPMSolver: <c>"lambda_min_clipped": -Infinity</c>). As texts
    /// they are refused where a number counts, and pass where the key has no effect.
    /// </summary>
    static byte[] QuotePythonNumbers(byte[] json)
    {
        if (json.AsSpan().IndexOf("Infinity"u8) < 0 && json.AsSpan().IndexOf("NaN"u8) < 0) return json;
        var quoted = new List<byte>(json.Length + 16);
        bool text = false;
        for (int i = 0; i < json.Length; i++)
        {
            var rest = json.AsSpan(i);
            int length = text ? 0 : rest.StartsWith("-Infinity"u8) ? 9 : rest.StartsWith("Infinity"u8) ? 8 : rest.StartsWith("NaN"u8) ? 3 : 0;
            if (length > 0)
            {
                quoted.AddRange([(byte)'"', .. rest[..length], (byte)'"']);
                i += length - 1;
                continue;
            }
            quoted.Add(json[i]);
            if (json[i] == '"') text = !text;
            else if (text && json[i] == '\\' && i + 1 < json.Length) quoted.Add(json[++i]);
        }
        return [.. quoted];
    }

    /// <summary>A whole number within bounds; null is the default too.</summary>
    internal int Int(string key, int otherwise, int least, int most)
    {
        if (!Take(key, out var value) || value.ValueKind == JsonValueKind.Null) return otherwise;
        return AsInt(value, least, most) ?? Bad(key, value, $"a whole number from {least} to {most}", otherwise);
    }

    /// <summary>A list of whole numbers, or one number that stands for <paramref name="count"/> equal ones.</summary>
    internal int[] Ints(string key, int[] otherwise, int count, int least, int most)
    {
        if (!Take(key, out var value) || value.ValueKind == JsonValueKind.Null) return otherwise;
        if (count > 0 && AsInt(value, least, most) is int single) return Enumerable.Repeat(single, count).ToArray();
        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() is int length && length is > 0 and <= MaxList && (count == 0 || count == length))
        {
            int?[] list = [.. value.EnumerateArray().Select(v => AsInt(v, least, most))];
            if (list.All(v => v is not null)) return [.. list.Select(v => v!.Value)];
        }
        string wanted = count == 0 ? $"a list of 1 to {MaxList} whole numbers" : $"a whole number or a list of {count}, one per block,";
        return Bad(key, value, $"{wanted} from {least} to {most}", otherwise);
    }

    internal double Float(string key, double otherwise, double least, double most)
    {
        if (!Take(key, out var value) || value.ValueKind == JsonValueKind.Null) return otherwise;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= least && number <= most) return number;
        return Bad(key, value, $"a number from {least} to {most}", otherwise);
    }

    internal bool Bool(string key, bool otherwise)
    {
        if (!Take(key, out var value) || value.ValueKind == JsonValueKind.Null) return otherwise;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : Bad(key, value, "true or false", otherwise);
    }

    internal string Choice(string key, string otherwise, params ReadOnlySpan<string> supported)
    {
        if (!Take(key, out var value)) return otherwise;
        if (value.Text() is string text && supported.Contains(text)) return text;
        return Bad(key, value, string.Join(", ", supported.ToArray().Select(s => $"\"{s}\"")), otherwise);
    }

    /// <summary>A list of names, each from <paramref name="supported"/>.</summary>
    internal string[] Choices(string key, string[] otherwise, params ReadOnlySpan<string> supported)
    {
        if (!Take(key, out var value)) return otherwise;
        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() is > 0 and <= MaxList)
        {
            var list = new List<string>();
            foreach (var v in value.EnumerateArray())
                if (v.Text() is string text && supported.Contains(text)) list.Add(text);
            if (list.Count == value.GetArrayLength()) return [.. list];
        }
        return Bad(key, value, "a list of " + string.Join(", ", supported.ToArray().Select(s => $"\"{s}\"")), otherwise);
    }

    /// <summary>Keys that may be there with this value only (written as JSON); a list counts when all its elements have it.</summary>
    internal void Only(string json, params ReadOnlySpan<string> keys)
    {
        using var wanted = JsonDocument.Parse(json);
        foreach (string key in keys)
            if (Take(key, out var value) && !IsOnly(value, wanted.RootElement)) Bad(key, value, json, 0);
    }

    /// <summary>Keys without effect on what is computed here.</summary>
    internal void Ignore(params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys) seen.Add(key);
    }

    /// <summary>Notes <paramref name="problem"/>, a value that contradicts another, unless <paramref name="holds"/>.</summary>
    internal void Require(bool holds, string problem)
    {
        if (!holds) problems.Add(problem);
    }

    /// <summary>Throws if anything was wrong or is left over. Keys that start with an underscore are the libraries' own.</summary>
    /// <exception cref="InvalidDataException">Lists every problem of the file.</exception>
    internal void Finish()
    {
        foreach (string key in values.Keys.Order(StringComparer.Ordinal))
            if (!seen.Contains(key) && !key.StartsWith('_'))
                problems.Add($"{SafetensorsHeader.Short(key)} = {Shown(values[key])}: this key is unknown");
        if (problems.Count > 0)
            throw new InvalidDataException($"{path} asks for what is not supported:{string.Concat(problems.Select(p => "\n  " + p))}");
    }

    /// <summary>A configuration as diffusers and transformers write it: sorted keys, two spaces.</summary>
    internal static string Write(JsonObject values)
    {
        var sorted = new JsonObject();
        foreach (var (key, value) in values.OrderBy(v => v.Key, StringComparer.Ordinal)) sorted[key] = value?.DeepClone();
        return sorted.ToJsonString(indented) + "\n";
    }

    /// <summary>A list as JSON.</summary>
    internal static JsonArray List<T>(IEnumerable<T> items) => new([.. items.Select(i => (JsonNode?)JsonValue.Create(i))]);

    bool Take(string key, out JsonElement value)
    {
        seen.Add(key);
        return values.TryGetValue(key, out value);
    }

    static int? AsInt(JsonElement value, int least, int most) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= least && number <= most ? number : null;

    static bool IsOnly(JsonElement value, JsonElement wanted)
    {
        if (value.ValueKind == JsonValueKind.Array && wanted.ValueKind != JsonValueKind.Array)
            return value.EnumerateArray().All(v => v.ValueKind != JsonValueKind.Array && IsOnly(v, wanted));
        if (value.ValueKind != wanted.ValueKind) return false;
        return value.ValueKind switch
        {
            JsonValueKind.Number => value.TryGetDouble(out double number) && number == wanted.GetDouble(),
            JsonValueKind.String => value.Text() == wanted.GetString(),
            JsonValueKind.Array or JsonValueKind.Object => false,
            _ => true,
        };
    }

    T Bad<T>(string key, JsonElement value, string supported, T otherwise)
    {
        problems.Add($"{key} = {Shown(value)}: supported is {supported}");
        return otherwise;
    }

    static string Shown(JsonElement value) => SafetensorsHeader.Short(value.GetRawText());
}
