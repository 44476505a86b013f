using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Configuration;

/// <summary>
/// Fills settings objects from configuration nodes. Keys are the properties' names in snake_case; an unknown key, a
/// value of another type and one out of its range are problems, all of which are listed before anything starts.
/// </summary>
public static class ConfigBinder
{
    /// <summary>A new <typeparamref name="T"/> with the node's values over its defaults.</summary>
    /// <exception cref="ConfigException">Lists every problem with its line.</exception>
    public static T Bind<T>(ConfigNode.Mapping root, string source) where T : class, new()
    {
        var problems = new List<string>();
        var result = new T();
        Fill(result, root, "", problems);
        return problems.Count == 0 ? result : throw ConfigException.Of(source, problems);
    }

    /// <summary>The key of a property: <c>LearningRate</c> is <c>learning_rate</c>.</summary>
    public static string KeyOf(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));

    /// <summary>Settable properties by key.</summary>
    public static IEnumerable<(string Key, PropertyInfo Property)> Keys(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite).Select(p => (KeyOf(p.Name), p));

    static void Fill(object target, ConfigNode.Mapping mapping, string path, List<string> problems)
    {
        var keys = Keys(target.GetType()).ToDictionary(k => k.Key, k => k.Property);
        foreach (var (key, node) in mapping.Entries)
        {
            string full = path + key;
            if (!keys.TryGetValue(key, out var property))
            {
                problems.Add($"{node.Place}: unknown key '{full}'; " + (Nearest.To(key, keys.Keys) is { } near ? $"did you mean '{path}{near}'?" : $"the keys there are {string.Join(", ", keys.Keys)}"));
                continue;
            }
            if (IsGroup(property.PropertyType))
            {
                if (node is ConfigNode.Mapping group) Fill(property.GetValue(target) ?? Attach(target, property), group, full + ".", problems);
                else if (node is not ConfigNode.Scalar { Text: null }) problems.Add($"{node.Place}: '{full}' is a group of keys: {string.Join(", ", Keys(property.PropertyType).Select(k => k.Key))}");
                continue;
            }
            if (Value(property.PropertyType, MayBeNull(property), node, full, problems, out object? value) && InRange(property, value, node, full, problems)) property.SetValue(target, value);
        }
    }

    static object Attach(object target, PropertyInfo property)
    {
        object group = Activator.CreateInstance(property.PropertyType)!;
        property.SetValue(target, group);
        return group;
    }

    static bool IsGroup(Type type) => type.IsClass && type != typeof(string) && !typeof(JsonNode).IsAssignableFrom(type) && !typeof(IEnumerable).IsAssignableFrom(type);

    static bool MayBeNull(PropertyInfo property) => new NullabilityInfoContext().Create(property).WriteState == NullabilityState.Nullable;

    static bool Value(Type type, bool mayBeNull, ConfigNode node, string key, List<string> problems, out object? value)
    {
        value = null;
        var inner = Nullable.GetUnderlyingType(type) ?? type;
        if (typeof(JsonObject).IsAssignableFrom(type))
        {
            if (node is ConfigNode.Scalar { Text: null }) return true;
            value = node is ConfigNode.Mapping ? node.ToJson() : null;
            return node is ConfigNode.Mapping || Fail("a group of keys");
        }
        if (type != typeof(string) && typeof(IEnumerable).IsAssignableFrom(type))
        {
            var element = type.GetElementType() ?? type.GetGenericArguments()[0];
            if (node is not ConfigNode.List list) return Fail("a list, [a, b, c]");
            var array = Array.CreateInstance(element, list.Items.Count);
            for (int i = 0; i < array.Length; i++)
            {
                if (!Value(element, false, list.Items[i], $"{key}[{i}]", problems, out object? item)) return false;
                array.SetValue(item, i);
            }
            value = array;
            return true;
        }
        if (node is not ConfigNode.Scalar scalar) return Fail("a single value");
        if (scalar.Text is not { } text) return mayBeNull || Fail("a value");
        if (inner == typeof(string)) value = text;
        else if (inner == typeof(bool)) { if (text is not ("true" or "false")) return Fail("true or false"); value = text == "true"; }
        else if (inner.IsEnum)
        {
            string? name = Enum.GetNames(inner).FirstOrDefault(n => KeyOf(n) == text);
            if (name is null) return Fail("one of " + string.Join(", ", Enum.GetNames(inner).Select(KeyOf)));
            value = Enum.Parse(inner, name);
        }
        else if (inner == typeof(int) || inner == typeof(long) || inner == typeof(ulong))
        {
            if (!decimal.TryParse(text.Replace("_", "", StringComparison.Ordinal), NumberStyles.AllowLeadingSign | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out decimal whole)) return Fail("a whole number");
            try { value = Convert.ChangeType(whole, inner, CultureInfo.InvariantCulture); }
            catch (OverflowException) { return Fail($"a whole number that {inner.Name} holds"); }
        }
        else if (inner == typeof(float) || inner == typeof(double))
        {
            if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double real) || !double.IsFinite(real)) return Fail("a number");
            value = inner == typeof(float) ? (float)real : real;
        }
        else throw new InvalidOperationException($"{type} of '{key}' cannot be configured");
        return true;

        bool Fail(string expected)
        {
            problems.Add($"{node.Place}: '{key}' should be {expected}" + (node is ConfigNode.Scalar { Text: { } t } ? $", but is '{t}'" : ""));
            return false;
        }
    }

    static bool InRange(PropertyInfo property, object? value, ConfigNode node, string key, List<string> problems)
    {
        if (property.IsDefined(typeof(SamplerNameAttribute)) && !SamplerFactory.Names.Contains(value))
        {
            problems.Add($"{node.Place}: '{key}' should be one of {string.Join(", ", SamplerFactory.Names)}, but is '{value}'");
            return false;
        }
        if (property.GetCustomAttribute<BetweenAttribute>() is not { } range) return true;
        foreach (object? item in value is IEnumerable list and not string ? list.Cast<object?>() : [value])
        {
            if (item is null) continue;
            double number = Convert.ToDouble(item, CultureInfo.InvariantCulture);
            if (number >= range.Least && number <= range.Most) continue;
            problems.Add(FormattableString.Invariant($"{node.Place}: '{key}' is {number}, but must be {range.Words}"));
            return false;
        }
        return true;
    }
}
