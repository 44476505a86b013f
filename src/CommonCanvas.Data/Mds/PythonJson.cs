using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace CommonCanvas.Data;

/// <summary>
/// JSON text as Python's <c>json.dumps</c> writes it by default: separators <c>", "</c> and <c>": "</c>, everything
/// outside printable ASCII escaped, numbers as <c>repr</c> prints them. Shards and indexes have to agree with it byte for byte.
/// </summary>
static class PythonJson
{
    /// <summary>Text of a node; keys keep their order unless <paramref name="sortKeys"/>.</summary>
    public static string Text(JsonNode? node, bool sortKeys = false)
    {
        var to = new StringBuilder();
        Append(to, node, sortKeys);
        return to.ToString();
    }

    /// <summary>A double as <c>repr(float)</c> prints it: shortest that reads back, exponent below 1e-4 and from 1e16 on.</summary>
    public static string Number(double value)
    {
        if (!double.IsFinite(value)) return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        if (value == 0) return double.IsNegative(value) ? "-0.0" : "0.0";
        // "R" gives the shortest digits but its own notation; take its digits and place the point as Python does. The exponent
        // is that of these digits: 1e23 lies a little below its name.
        string shortest = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        int e = shortest.IndexOf('E');
        string digits = (e < 0 ? shortest : shortest[..e]).Replace(".", "", StringComparison.Ordinal).TrimStart('0').TrimEnd('0');
        string text = value.ToString(string.Create(CultureInfo.InvariantCulture, $"E{digits.Length - 1}"), CultureInfo.InvariantCulture);
        int exponent = int.Parse(text.AsSpan(text.IndexOf('E') + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string sign = value < 0 ? "-" : "";
        if (exponent is < -4 or >= 16)
        {
            string mantissa = digits.Length == 1 ? digits : $"{digits[0]}.{digits[1..]}";
            return string.Create(CultureInfo.InvariantCulture, $"{sign}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
        }
        if (exponent < 0) return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        string padded = digits.PadRight(exponent + 1, '0');
        string fraction = padded[(exponent + 1)..];
        return $"{sign}{padded[..(exponent + 1)]}.{(fraction.Length == 0 ? "0" : fraction)}";
    }

    /// <summary>Compares by Unicode code point, as Python sorts strings; UTF-16 order differs above U+FFFF.</summary>
    public static int CompareCodePoints(string a, string b)
    {
        int n = Math.Min(a.Length, b.Length);
        for (int i = 0; i < n; i++)
        {
            if (a[i] == b[i]) continue;
            bool highA = char.IsSurrogate(a[i]), highB = char.IsSurrogate(b[i]);
            return highA == highB ? a[i].CompareTo(b[i]) : highA ? 1 : -1;
        }
        return a.Length.CompareTo(b.Length);
    }

    static void Append(StringBuilder to, JsonNode? node, bool sortKeys)
    {
        switch (node)
        {
            case null:
                to.Append("null");
                break;
            case JsonObject fields:
                IEnumerable<KeyValuePair<string, JsonNode?>> pairs = fields;
                if (sortKeys) pairs = pairs.Order(Comparer<KeyValuePair<string, JsonNode?>>.Create((a, b) => CompareCodePoints(a.Key, b.Key)));
                to.Append('{');
                string gap = "";
                foreach ((string key, JsonNode? value) in pairs)
                {
                    to.Append(gap);
                    AppendString(to, key);
                    to.Append(": ");
                    Append(to, value, sortKeys);
                    gap = ", ";
                }
                to.Append('}');
                break;
            case JsonArray items:
                to.Append('[');
                for (int i = 0; i < items.Count; i++)
                {
                    if (i > 0) to.Append(", ");
                    Append(to, items[i], sortKeys);
                }
                to.Append(']');
                break;
            default:
                AppendValue(to, node.AsValue());
                break;
        }
    }

    static void AppendValue(StringBuilder to, JsonValue value)
    {
        switch (value.GetValueKind())
        {
            case JsonValueKind.String: AppendString(to, value.GetValue<string>()); break;
            case JsonValueKind.True: to.Append("true"); break;
            case JsonValueKind.False: to.Append("false"); break;
            case JsonValueKind.Null: to.Append("null"); break;
            default:
                string text = value.ToJsonString();
                bool real = text.AsSpan().ContainsAny(".eE") || value.TryGetValue(out double _) && !value.TryGetValue(out JsonElement _);
                to.Append(real ? Number(double.Parse(text, CultureInfo.InvariantCulture)) : text);
                break;
        }
    }

    static void AppendString(StringBuilder to, string text)
    {
        to.Append('"');
        foreach (char c in text)
        {
            switch (c)
            {
                case '"': to.Append("\\\""); break;
                case '\\': to.Append("\\\\"); break;
                case '\n': to.Append("\\n"); break;
                case '\r': to.Append("\\r"); break;
                case '\t': to.Append("\\t"); break;
                case '\f': to.Append("\\f"); break;
                case '\b': to.Append("\\b"); break;
                default:
                    if (c is >= ' ' and <= '~') to.Append(c);
                    else to.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                    break;
            }
        }
        to.Append('"');
    }
}
