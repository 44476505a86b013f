using System.Text.Json;

namespace CommonCanvas.Data;

/// <summary>What metadata says of a picture; null where it says nothing.</summary>
readonly record struct SampleFields(string? Caption, string? Licence, string? Attribution)
{
    static readonly string[] CaptionKeys = ["text", "caption"];
    static readonly string[] LicenceKeys = ["licence", "license", "licenseurl", "license_url", "licence_url", "licensename"];
    static readonly string[] AuthorKeys = ["author", "creator", "artist", "unickname"];
    static readonly string[] PageKeys = ["pageurl", "source", "url"];

    /// <summary>Takes the fields by their usual names; letters' case does not count.</summary>
    public static SampleFields From(IReadOnlyDictionary<string, string> values) => new(
        First(values, CaptionKeys), Full(First(values, LicenceKeys)), Full(First(values, ["attribution"])) ?? Attributed(values));

    /// <summary>A JSON object's text and number fields by name.</summary>
    /// <exception cref="JsonException">Not JSON, or not an object.</exception>
    public static Dictionary<string, string> Values(ReadOnlyMemory<byte> json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind != JsonValueKind.Object) throw new JsonException("not an object");
        var values = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (JsonProperty field in document.RootElement.EnumerateObject())
        {
            try
            {
                if (field.Value.ValueKind == JsonValueKind.String) values[field.Name] = field.Value.GetString()!;
                else if (field.Value.ValueKind == JsonValueKind.Number) values[field.Name] = field.Value.GetRawText();
            }
            catch (InvalidOperationException cause) { throw new JsonException("text with half a surrogate pair", cause); }
        }
        return values;
    }

    /// <summary>Title, author and page, as far as they are known.</summary>
    static string? Attributed(IReadOnlyDictionary<string, string> values)
    {
        string? author = Full(First(values, AuthorKeys));
        if (author is null) return null;
        string? title = Full(First(values, ["title"])), page = Full(First(values, PageKeys));
        return $"{(title is null ? "" : $"\"{title}\" by ")}{author}{(page is null ? "" : $" ({page})")}";
    }

    static string? First(IReadOnlyDictionary<string, string> values, string[] keys)
    {
        string? empty = null;
        foreach (string key in keys)
            if (values.TryGetValue(key, out string? value))
            {
                if (value.AsSpan().Trim().Length > 0) return value.Trim();
                empty = "";
            }
        return empty;
    }

    static string? Full(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
