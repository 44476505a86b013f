using System.Text.Json;
using System.Text.Unicode;

namespace CommonCanvas.Models;

/// <summary>Reads JSON files that others wrote: bounded in length and depth, valid UTF-8, no key twice, an object at the top.</summary>
static class StrictJson
{
    /// <summary>Parses a file.</summary>
    /// <exception cref="InvalidDataException">The content is none of the above; the message names the file.</exception>
    internal static JsonDocument Read(string path, long maxBytes, int maxDepth = 16)
    {
        long length = new FileInfo(path).Length;
        if (length > maxBytes) throw new InvalidDataException($"{path}: {length} bytes are too many for this kind of file (at most {maxBytes})");
        return Parse(File.ReadAllBytes(path), path, maxDepth);
    }

    internal static JsonDocument Parse(byte[] bytes, string path, int maxDepth = 16)
    {
        var content = bytes.AsMemory(bytes.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0);
        if (!Utf8.IsValid(content.Span)) throw new InvalidDataException($"{path} is not valid JSON: it is not UTF-8");
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(content, new JsonDocumentOptions { MaxDepth = maxDepth, AllowDuplicateProperties = false });
        }
        // InvalidOperationException: a key holds half a surrogate pair.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path} is not valid JSON: {e.Message}", e);
        }
        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        document.Dispose();
        throw new InvalidDataException($"{path} is not a JSON object");
    }

    /// <summary>The text of a string, or null for any other value and for half a surrogate pair.</summary>
    internal static string? Text(this JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String) return null;
        try { return value.GetString(); }
        catch (InvalidOperationException) { return null; }
    }
}
