using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.Json.Nodes;

namespace CommonCanvas.Training;

/// <summary>
/// What a cache of latents was made with, recorded under <c>commoncanvas</c> in its index: training on a cache whose
/// encoders, tokenizer, resolution or scale are not the model's is an error that says which differs.
/// </summary>
public sealed record CacheFingerprint
{
    const int LargestSize = 1 << 16;

    /// <summary>Digest of the autoencoder's folder.</summary>
    public required string Autoencoder { get; init; }

    /// <summary>Digest of the text encoder's folder.</summary>
    public required string TextEncoder { get; init; }

    /// <summary>Digest of the tokenizer's folder.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>Side of the pictures in pixels.</summary>
    public required int Resolution { get; init; }

    /// <summary>What the latents were multiplied by, once.</summary>
    public required double Scale { get; init; }

    /// <summary>Whether mean and log-variance (both of the scaled latent) are stored, or one sample.</summary>
    public required bool Moments { get; init; }

    /// <summary>Channels of a latent.</summary>
    public required int LatentChannels { get; init; }

    /// <summary>Side of a latent.</summary>
    public required int LatentSide { get; init; }

    /// <summary>Tokens of a text embedding.</summary>
    public required int TextTokens { get; init; }

    /// <summary>Numbers per token.</summary>
    public required int TextWidth { get; init; }

    /// <summary>Seed of the posterior's samples; 0 where moments are stored.</summary>
    public ulong Seed { get; init; }

    /// <summary>As the index holds it.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject();
        foreach (var (name, value) in Fields()) json[name] = value;
        return json;
    }

    /// <summary>Reads what an index holds.</summary>
    /// <param name="json">The object under <c>commoncanvas</c>.</param>
    /// <param name="where">File, for messages.</param>
    public static CacheFingerprint FromJson(JsonObject json, string where)
    {
        string Text(string name)
        {
            // Text that is not UTF-8 and keys that stand twice show only when they are asked for.
            try { if (json[name] is JsonValue value && value.TryGetValue(out string? text)) return text; }
            catch (Exception cause) when (cause is InvalidOperationException or ArgumentException)
            {
                throw new InvalidDataException($"{where}: the cache's fingerprint is damaged ({cause.Message}); precompute again", cause);
            }
            throw new InvalidDataException($"{where}: the cache's fingerprint has no '{name}'; precompute again");
        }
        T Number<T>(string name) where T : IParsable<T> => T.TryParse(Text(name), CultureInfo.InvariantCulture, out T? value) ? value
            : throw new InvalidDataException($"{where}: the cache's fingerprint has '{name}' = '{Text(name)}', which is no number; precompute again");
        int Size(string name) => Number<int>(name) is var size and > 0 and <= LargestSize ? size
            : throw new InvalidDataException($"{where}: the cache's fingerprint has '{name}' = {Text(name)}; it must be 1 to {LargestSize}; precompute again");
        double scale = Number<double>("scale");
        if (!double.IsFinite(scale) || scale <= 0) throw new InvalidDataException($"{where}: the cache's fingerprint has 'scale' = {scale}; it must be a number above 0; precompute again");
        return new CacheFingerprint
        {
            Autoencoder = Text("autoencoder"),
            TextEncoder = Text("text_encoder"),
            Tokenizer = Text("tokenizer"),
            Resolution = Size("resolution"),
            Scale = scale,
            Moments = Text("stored") switch
            {
                "mean_logvar" => true,
                "sample" => false,
                var other => throw new InvalidDataException($"{where}: the cache's fingerprint has 'stored' = '{other}'; known are mean_logvar and sample; precompute again"),
            },
            LatentChannels = Size("latent_channels"),
            LatentSide = Size("latent_side"),
            TextTokens = Size("text_tokens"),
            TextWidth = Size("text_width"),
            Seed = Number<ulong>("seed"),
        };
    }

    /// <summary>Throws where this cache was not made by the model that <paramref name="model"/> describes.</summary>
    /// <param name="model">What a new cache of that model would record.</param>
    /// <param name="where">The cache, for the message.</param>
    /// <exception cref="InvalidDataException">Lists every difference.</exception>
    public void RequireMatch(CacheFingerprint model, string where)
    {
        // A cache may hold samples or moments and may be drawn with any seed: all train the same model.
        var differences = Fields().Zip(model.Fields())
            .Where(pair => pair.First.Name is not ("stored" or "seed") && pair.First.Value != pair.Second.Value)
            .Select(pair => $"{pair.First.Name}: cache {pair.First.Value}, model {pair.Second.Value}").ToList();
        if (differences.Count > 0)
            throw new InvalidDataException($"{where}: made with something else than this model ({string.Join("; ", differences)}); precompute again or choose the model that it was made with");
    }

    /// <summary>A digest over the names and contents of a folder's files, in the order of their names.</summary>
    public static string OfFolder(string folder)
    {
        if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"{folder}: no such folder; a model folder has vae, text_encoder and tokenizer");
        var hash = new XxHash128();
        foreach (string file in Directory.GetFiles(folder).Order(StringComparer.Ordinal))
        {
            hash.Append(Encoding.UTF8.GetBytes(Path.GetFileName(file) + "\n"));
            using var stream = File.OpenRead(file);
            hash.Append(stream);
        }
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    // Numbers are kept as text, so that they compare and round-trip exactly.
    IEnumerable<(string Name, string Value)> Fields()
    {
        static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
        yield return ("autoencoder", Autoencoder);
        yield return ("text_encoder", TextEncoder);
        yield return ("tokenizer", Tokenizer);
        yield return ("resolution", Text(Resolution));
        yield return ("scale", Text(Scale));
        yield return ("stored", Moments ? "mean_logvar" : "sample");
        yield return ("latent_channels", Text(LatentChannels));
        yield return ("latent_side", Text(LatentSide));
        yield return ("text_tokens", Text(TextTokens));
        yield return ("text_width", Text(TextWidth));
        yield return ("seed", Text(Seed));
    }
}
