using System.Reflection;
using System.Runtime.CompilerServices;

namespace CommonCanvas.Cuda;

/// <summary>The symbol that a table's field is filled from, where it is not the field's own name.</summary>
[AttributeUsage(AttributeTargets.Field)]
public sealed class ExportAttribute(string name) : Attribute
{
    /// <summary>Name in the library's export table.</summary>
    public string Name { get; } = name;

    /// <summary>Whether older libraries lack it: the field stays null and the caller asks first.</summary>
    public bool Optional { get; init; }
}

/// <summary>
/// Fills a structure whose fields are all unmanaged function pointers. A library is such a structure, so that another
/// maker of functions (the emulator) can fill the same one and everything above runs unchanged.
/// </summary>
public static class NativeTable
{
    /// <summary>The symbol names of table <typeparamref name="T"/>, in field order.</summary>
    public static IReadOnlyList<(string Name, bool Optional)> Exports<T>() where T : unmanaged =>
        [.. Fields(typeof(T)).Select(field => field.GetCustomAttribute<ExportAttribute>() is { } export
            ? (export.Name, export.Optional) : (field.Name, false))];

    /// <summary>Fills every field from <paramref name="find"/>, which returns 0 for a symbol that it does not have.</summary>
    /// <exception cref="EntryPointNotFoundException">Lists every missing symbol.</exception>
    public static unsafe T Fill<T>(string library, Func<string, nint> find) where T : unmanaged
    {
        var exports = Exports<T>();
        if (exports.Count * sizeof(nint) != sizeof(T))
            throw new InvalidOperationException($"{typeof(T).Name} has fields that are not function pointers");
        T table = default;
        var slots = (nint*)Unsafe.AsPointer(ref table);
        var missing = new List<string>();
        for (int i = 0; i < exports.Count; i++)
        {
            slots[i] = find(exports[i].Name);
            if (slots[i] == 0 && !exports[i].Optional) missing.Add(exports[i].Name);
        }
        return missing.Count == 0 ? table
            : throw new EntryPointNotFoundException($"{library} lacks {string.Join(", ", missing)}: it is too old, or not the library its name says");
    }

    static IEnumerable<FieldInfo> Fields(Type type) => type
        .GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance)
        .OrderBy(field => field.MetadataToken);
}
