using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace CommonCanvas.Models;

/// <summary>Reads and writes the files of a tokenizer folder as transformers lays them out.</summary>
static class TokenizerFiles
{
    const long MaxBytes = 256L << 20;
    const int MaxLength = 1 << 16, DefaultLength = 77;

    static readonly string[] classes = ["CLIPTokenizer", "CLIPTokenizerFast"];

    // The word pattern as transformers writes it from version 5 on, and before.
    static readonly string[] patterns =
    [
        @"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
        @"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    ];

    internal static ClipTokenizer Load(string folder)
    {
        string vocab = Path.Combine(folder, "vocab.json"), merges = Path.Combine(folder, "merges.txt"), whole = Path.Combine(folder, "tokenizer.json");
        bool separate = File.Exists(vocab) && File.Exists(merges);
        if (!separate && !File.Exists(whole))
            throw new FileNotFoundException($"{folder} has no tokenizer; looked for vocab.json with merges.txt, and tokenizer.json");
        var vocabulary = separate
            ? new ClipVocabulary { Tokens = ReadVocab(vocab), Merges = ReadMerges(merges) }
            : ReadWhole(whole);
        return new ClipTokenizer(ReadSettings(vocabulary, folder), separate ? vocab : whole);
    }

    internal static void Save(ClipTokenizer tokenizer, string folder)
    {
        var v = tokenizer.Vocabulary;
        using (var memory = new MemoryStream())
        {
            using (var json = new Utf8JsonWriter(memory, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            {
                json.WriteStartObject();
                foreach (var (token, id) in v.Tokens.OrderBy(t => t.Value)) json.WriteNumber(token, id);
                json.WriteEndObject();
            }
            AtomicFile.Write(Path.Combine(folder, "vocab.json"), stream => stream.Write(memory.GetBuffer(), 0, (int)memory.Length));
        }
        AtomicFile.Write(Path.Combine(folder, "merges.txt"), string.Concat(v.Merges.Select(m => $"{m.Left} {m.Right}\n").Prepend("#version: 0.2\n")));
        JsonObject Names() => new() { ["bos_token"] = v.Bos, ["eos_token"] = v.Eos, ["pad_token"] = v.Pad, ["unk_token"] = v.Unknown };
        AtomicFile.Write(Path.Combine(folder, "special_tokens_map.json"), ModelConfig.Write(Names()));
        var settings = Names();
        settings["add_prefix_space"] = false;
        settings["do_lower_case"] = true;
        settings["errors"] = "replace";
        settings["model_max_length"] = v.Length;
        settings["tokenizer_class"] = "CLIPTokenizer";
        if (v.Special.Count > 0)
        {
            var added = new JsonObject();
            foreach (var (token, id) in v.Special.OrderBy(s => s.Value))
                added[id.ToString(CultureInfo.InvariantCulture)] = new JsonObject { ["content"] = token, ["lstrip"] = false, ["normalized"] = false, ["rstrip"] = false, ["single_word"] = false, ["special"] = true };
            settings["added_tokens_decoder"] = added;
        }
        AtomicFile.Write(Path.Combine(folder, "tokenizer_config.json"), ModelConfig.Write(settings));
    }

    static Dictionary<string, int> ReadVocab(string path)
    {
        using var json = StrictJson.Read(path, MaxBytes);
        return Vocab(json.RootElement, path);
    }

    static Dictionary<string, int> Vocab(JsonElement vocab, string path)
    {
        var tokens = new Dictionary<string, int>(StringComparer.Ordinal);
        var ids = new HashSet<int>();
        try
        {
            foreach (var pair in vocab.EnumerateObject())
            {
                if (pair.Value.ValueKind != JsonValueKind.Number || !pair.Value.TryGetInt32(out int id) || id is < 0 or >= 1 << 24 || !ids.Add(id))
                    throw new InvalidDataException($"{path}: the id of '{SafetensorsHeader.Short(pair.Name)}' is not a number of its own from 0 to {(1 << 24) - 1}");
                if (!tokens.TryAdd(pair.Name, id)) throw new InvalidDataException($"{path}: the token '{SafetensorsHeader.Short(pair.Name)}' occurs twice");
            }
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"{path} is not valid JSON: {e.Message}", e);
        }
        return tokens.Count > 0 ? tokens : throw new InvalidDataException($"{path}: the vocabulary is empty");
    }

    static List<(string, string)> ReadMerges(string path)
    {
        if (new FileInfo(path).Length > MaxBytes) throw new InvalidDataException($"{path}: too long for a list of merges");
        var merges = new List<(string, string)>();
        int number = 0;
        foreach (string line in File.ReadLines(path, Encoding.UTF8))
        {
            number++;
            if (line.Length == 0 || number == 1 && line.StartsWith("#version", StringComparison.Ordinal)) continue;
            merges.Add(Pair(line) ?? throw new InvalidDataException($"{path}, line {number}: '{SafetensorsHeader.Short(line)}' is not two symbols with one space between"));
        }
        return merges;
    }

    static (string, string)? Pair(string line)
    {
        int space = line.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 && space == line.LastIndexOf(' ') && space < line.Length - 1 ? (line[..space], line[(space + 1)..]) : null;
    }

    static ClipVocabulary ReadWhole(string path)
    {
        using var json = StrictJson.Read(path, MaxBytes, 32);
        var root = json.RootElement;
        if (!Has(root, "model", JsonValueKind.Object, out var model) || !Has(model, "vocab", JsonValueKind.Object, out var vocab) || !Has(model, "merges", JsonValueKind.Array, out var list))
            throw new InvalidDataException($"{path} has no model with vocab and merges; only byte-pair encodings as CLIP's are supported");
        if (Text(model, "type") is not (null or "BPE") || Text(model, "end_of_word_suffix") != ClipTokenizer.EndOfWord || Text(model, "continuing_subword_prefix") is not (null or "")
            || IsSet(model, "byte_fallback") || IsSet(model, "ignore_merges") || IsSet(model, "dropout"))
            throw new InvalidDataException($"{path}: the model is not CLIP's kind (BPE, end_of_word_suffix {ClipTokenizer.EndOfWord}, no prefix, byte_fallback, ignore_merges or dropout)");
        if (!Has(root, "pre_tokenizer", JsonValueKind.Object, out var pre) || !patterns.Any(p => Contains(pre, p)))
            throw new InvalidDataException($"{path}: the pre_tokenizer does not split words by CLIP's pattern");
        if (!Has(root, "normalizer", JsonValueKind.Object, out var normalizer) || !Contains(normalizer, "NFC") || !Contains(normalizer, "Lowercase"))
            throw new InvalidDataException($"{path}: the normalizer is not CLIP's (NFC, white space, lower case)");

        var merges = new List<(string, string)>(list.GetArrayLength());
        foreach (var merge in list.EnumerateArray())
        {
            (string, string)? pair = merge.ValueKind == JsonValueKind.Array
                ? merge.GetArrayLength() == 2 && merge[0].Text() is { Length: > 0 } left && merge[1].Text() is { Length: > 0 } right && !(left + right).Contains(' ', StringComparison.Ordinal) ? (left, right) : null
                : Pair(merge.Text() ?? "");
            merges.Add(pair ?? throw new InvalidDataException($"{path}: the merge {SafetensorsHeader.Short(merge.GetRawText())} is not a pair of symbols"));
        }
        var special = new Dictionary<string, int>(StringComparer.Ordinal);
        if (Has(root, "added_tokens", JsonValueKind.Array, out var added))
            foreach (var token in added.EnumerateArray())
                if (token.ValueKind == JsonValueKind.Object) AddSpecial(special, Text(token, "content"), Id(token), path);
        return new ClipVocabulary { Tokens = Vocab(vocab, path), Merges = merges, Special = special };
    }

    /// <summary>
    /// Special tokens and length. As in transformers, special_tokens_map.json goes before tokenizer_config.json, except
    /// where the latter lists the added tokens (then both were written together).
    /// </summary>
    static ClipVocabulary ReadSettings(ClipVocabulary v, string folder)
    {
        string path = Path.Combine(folder, "tokenizer_config.json"), mapPath = Path.Combine(folder, "special_tokens_map.json");
        var special = new Dictionary<string, int>(v.Special, StringComparer.Ordinal);
        bool listed = false;
        if (File.Exists(path))
        {
            using var json = StrictJson.Read(path, MaxBytes);
            var root = json.RootElement;
            if (Text(root, "tokenizer_class") is string name && !classes.Contains(name))
                throw new InvalidDataException($"{path}: tokenizer_class is {SafetensorsHeader.Short(name)}; supported is CLIPTokenizer");
            if (Has(root, "do_lower_case", JsonValueKind.False, out _)) throw new InvalidDataException($"{path}: do_lower_case = false is not supported");
            v = Named(v, root);
            // transformers writes a number beyond all bounds where no length was given.
            if (Has(root, "model_max_length", JsonValueKind.Number, out var length))
                v = v with { Length = !length.TryGetDouble(out double n) || n > MaxLength ? DefaultLength : n >= 2 && n == Math.Floor(n) ? (int)n : throw new InvalidDataException($"{path}: model_max_length = {SafetensorsHeader.Short(length.GetRawText())} must be at least 2") };
            if (listed = Has(root, "added_tokens_decoder", JsonValueKind.Object, out var added))
                foreach (var token in added.EnumerateObject())
                    if (token.Value.ValueKind == JsonValueKind.Object)
                        AddSpecial(special, Text(token.Value, "content"), int.TryParse(token.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id : -1, path);
        }
        if (!listed && File.Exists(mapPath))
        {
            using var json = StrictJson.Read(mapPath, MaxBytes);
            v = Named(v, json.RootElement);
        }
        return v with { Special = special };
    }

    static ClipVocabulary Named(ClipVocabulary v, JsonElement json) => v with
    {
        Bos = Token(json, "bos_token") ?? v.Bos,
        Eos = Token(json, "eos_token") ?? v.Eos,
        Pad = Token(json, "pad_token") ?? v.Pad,
        Unknown = Token(json, "unk_token") ?? v.Unknown,
    };

    static void AddSpecial(Dictionary<string, int> special, string? content, int id, string path)
    {
        if (content is not { Length: > 0 } || id is < 0 or >= 1 << 24 || special.TryGetValue(content, out int before) && before != id)
            throw new InvalidDataException($"{path}: the added token '{SafetensorsHeader.Short(content ?? "")}' has no text, no id or two ids");
        special[content] = id;
    }

    /// <summary>A token is written as its text or as an object with its content.</summary>
    static string? Token(JsonElement json, string key) =>
        Has(json, key, JsonValueKind.Object, out var token) ? Text(token, "content") : Text(json, key);

    static int Id(JsonElement token) => Has(token, "id", JsonValueKind.Number, out var value) && value.TryGetInt32(out int id) ? id : -1;

    static string? Text(JsonElement json, string key) => json.TryGetProperty(key, out var value) ? value.Text() : null;

    static bool Has(JsonElement json, string key, JsonValueKind kind, out JsonElement value) => json.TryGetProperty(key, out value) && value.ValueKind == kind;

    static bool IsSet(JsonElement json, string key) =>
        json.TryGetProperty(key, out var value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.False) && !(value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double n) && n == 0);

    /// <summary>Whether a string of this text stands anywhere inside.</summary>
    static bool Contains(JsonElement json, string text) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().Any(p => Contains(p.Value, text)),
        JsonValueKind.Array => json.EnumerateArray().Any(v => Contains(v, text)),
        _ => json.Text() == text,
    };
}
