using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace CommonCanvas.Trainer.Configuration;

/// <summary>Writes settings back as YAML that <see cref="ConfigBinder"/> reads: the resolved configuration of a run.</summary>
public static class ConfigWriter
{
    /// <summary>Every key with its value, defaults included.</summary>
    public static string Write(object settings)
    {
        var text = new StringBuilder();
        Group(text, settings, 0);
        return text.ToString();
    }

    static void Group(StringBuilder text, object settings, int indent)
    {
        foreach (var (key, property) in ConfigBinder.Keys(settings.GetType()))
        {
            object? value = property.GetValue(settings);
            text.Append(' ', indent).Append(key).Append(':');
            if (IsLeaf(value)) text.Append(' ').AppendLine(Leaf(value));
            else
            {
                text.AppendLine();
                Group(text, value!, indent + 2);
            }
        }
    }

    static bool IsLeaf(object? value) => value is null or string or IEnumerable or JsonNode || value.GetType().IsValueType;

    static string Leaf(object? value) => value switch
    {
        null => "null",
        string s => Quote(s),
        bool b => b ? "true" : "false",
        Enum e => ConfigBinder.KeyOf(e.ToString()),
        JsonNode json => json.ToJsonString(),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        IEnumerable list => "[" + string.Join(", ", list.Cast<object?>().Select(Leaf)) + "]",
        _ => throw new InvalidOperationException($"{value.GetType()} cannot be written"),
    };

    static string Quote(string s) => "\"" + s.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal) + "\"";
}
