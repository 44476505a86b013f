using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace CommonCanvas.Trainer.Configuration;

/// <summary>
/// A YAML document as plain mappings, lists and scalars that know their line, with <c>--set</c> overrides laid over it.
/// </summary>
public abstract record ConfigNode(string Place)
{
    /// <summary>Documents deeper than this are refused.</summary>
    const int MaxDepth = 32;

    /// <summary>Keys to nodes, in the order of the file.</summary>
    public sealed record Mapping(string Place) : ConfigNode(Place)
    {
        /// <summary>The entries.</summary>
        public Dictionary<string, ConfigNode> Entries { get; } = new(StringComparer.Ordinal);
    }

    /// <summary>A list.</summary>
    public sealed record List(string Place, IReadOnlyList<ConfigNode> Items) : ConfigNode(Place);

    /// <summary>A word, a number or a text; null for YAML's null.</summary>
    public sealed record Scalar(string Place, string? Text, bool Quoted) : ConfigNode(Place);

    /// <summary>Reads YAML text; <paramref name="source"/> names it in messages.</summary>
    /// <exception cref="ConfigException">Not YAML, or not one mapping; the message names the line.</exception>
    public static Mapping Parse(string text, string source)
    {
        var stream = new YamlStream();
        try
        {
            RefuseHostile(text, source);
            stream.Load(new StringReader(text));
        }
        catch (YamlException e) { throw new ConfigException($"{source}: line {e.Start.Line}: {e.Message}"); }
        // Text that is not YAML also trips the parser's own checks: a tag that is no URI, a scanner in no known state.
        catch (Exception e) when (e is not ConfigException and not OutOfMemoryException)
        {
            throw new ConfigException($"{source}: not YAML: {e.Message}");
        }
        if (stream.Documents.Count == 0) return new Mapping("line 1");
        if (stream.Documents.Count > 1) throw new ConfigException($"{source}: holds {stream.Documents.Count} documents; remove the '---' between them");
        if (stream.Documents[0].RootNode is not YamlMappingNode root)
            throw new ConfigException($"{source}: line {stream.Documents[0].RootNode.Start.Line}: a configuration consists of lines 'key: value'");
        return (Mapping)Convert(root, source);
    }

    /// <summary>Reads one value as YAML: <c>3</c>, <c>[1, 2]</c>, <c>text</c>.</summary>
    public static ConfigNode ParseValue(string text, string place)
    {
        var mapping = Parse("value: " + text, place);
        return Relocate(mapping.Entries.GetValueOrDefault("value") ?? new Scalar(place, null, false), place);
    }

    /// <summary>Lays <c>key=value</c> (dots between nested keys) over <paramref name="root"/>.</summary>
    /// <exception cref="ConfigException">Not of that form, or below a value that is no mapping.</exception>
    public static void Set(Mapping root, string assignment)
    {
        int equals = assignment.IndexOf('=', StringComparison.Ordinal);
        string place = $"--set {assignment}";
        if (equals <= 0) throw new ConfigException($"{place}: write it as key=value, for example --set optimizer.learning_rate=0.0001");
        var keys = assignment[..equals].Split('.');
        if (keys.Any(string.IsNullOrWhiteSpace)) throw new ConfigException($"{place}: a key between dots is empty");
        var at = root;
        foreach (string key in keys[..^1])
        {
            if (!at.Entries.TryGetValue(key, out var next) || next is Scalar { Text: null }) at.Entries[key] = next = new Mapping(place);
            at = next as Mapping ?? throw new ConfigException($"{place}: '{key}' ({next.Place}) is a value, not a group of keys");
        }
        at.Entries[keys[^1]] = ParseValue(assignment[(equals + 1)..], place);
    }

    /// <summary>The node as the types of <see cref="System.Text.Json"/>: numbers and true, false, null where a scalar reads as one.</summary>
    public System.Text.Json.Nodes.JsonNode? ToJson() => this switch
    {
        Mapping mapping => new System.Text.Json.Nodes.JsonObject(mapping.Entries.Select(e => KeyValuePair.Create(e.Key, e.Value.ToJson()))),
        List list => new System.Text.Json.Nodes.JsonArray([.. list.Items.Select(i => i.ToJson())]),
        Scalar { Text: null } => null,
        Scalar { Quoted: true } s => System.Text.Json.Nodes.JsonValue.Create(s.Text),
        Scalar { Text: "true" } => System.Text.Json.Nodes.JsonValue.Create(true),
        Scalar { Text: "false" } => System.Text.Json.Nodes.JsonValue.Create(false),
        Scalar s when long.TryParse(s.Text, CultureInfo.InvariantCulture, out long whole) => System.Text.Json.Nodes.JsonValue.Create(whole),
        Scalar s when double.TryParse(s.Text, CultureInfo.InvariantCulture, out double real) && double.IsFinite(real) => System.Text.Json.Nodes.JsonValue.Create(real),
        Scalar s => System.Text.Json.Nodes.JsonValue.Create(s.Text),
        _ => throw new InvalidOperationException(),
    };

    /// <summary>
    /// Looks at the parser's events alone, since building the document's tree is recursive: a deep one would overflow the
    /// stack, and aliases of aliases would fill the memory.
    /// </summary>
    static void RefuseHostile(string text, string source)
    {
        const int Around = 3; // stream, document, outermost mapping
        var parser = new Parser(new StringReader(text));
        for (int depth = 0; parser.MoveNext();)
        {
            var now = parser.Current!;
            depth += now.NestingIncrease;
            string place = $"{source}: line {now.Start.Line}";
            if (depth > MaxDepth + Around) throw new ConfigException($"{place}: nested more than {MaxDepth} deep");
            if (now is AnchorAlias or NodeEvent { Anchor.IsEmpty: false })
                throw new ConfigException($"{place}: anchors and aliases are not supported; write the value out");
        }
    }

    static ConfigNode Convert(YamlNode node, string source)
    {
        string place = $"line {node.Start.Line}";
        switch (node)
        {
            case YamlMappingNode mapping:
                var result = new Mapping(place);
                foreach (var (key, value) in mapping.Children)
                {
                    if (key is not YamlScalarNode { Value: { } name }) throw new ConfigException($"{source}: line {key.Start.Line}: a key must be a word");
                    result.Entries.Add(name, Convert(value, source));
                }
                return result;
            case YamlSequenceNode sequence:
                return new List(place, [.. sequence.Children.Select(c => Convert(c, source))]);
            case YamlScalarNode scalar:
                bool quoted = scalar.Style is ScalarStyle.SingleQuoted or ScalarStyle.DoubleQuoted or ScalarStyle.Literal or ScalarStyle.Folded;
                bool none = !quoted && scalar.Value is null or "" or "~" or "null";
                return new Scalar(place, none ? null : scalar.Value, quoted);
            default:
                throw new ConfigException($"{source}: {place}: not supported here");
        }
    }

    static ConfigNode Relocate(ConfigNode node, string place)
    {
        switch (node)
        {
            case Mapping mapping:
                var copy = new Mapping(place);
                foreach (var (key, value) in mapping.Entries) copy.Entries.Add(key, Relocate(value, place));
                return copy;
            case List list: return new List(place, [.. list.Items.Select(i => Relocate(i, place))]);
            default: return node with { Place = place };
        }
    }
}
