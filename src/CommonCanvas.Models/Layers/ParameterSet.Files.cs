using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

public sealed partial class ParameterSet
{
    /// <summary>Reads all weights from a model's folder, a safetensors file or an index.</summary>
    /// <param name="path">Where they are.</param>
    /// <param name="inFile">Another name under which a file may have a parameter (older and newer layouts); null for none.</param>
    /// <param name="ignored">Tensors that a file may have in addition.</param>
    /// <exception cref="InvalidDataException">Lists missing, misshapen and additional tensors, the first few of each kind, or names one with a value that is not finite.</exception>
    public void Load(string path, Func<string, string?>? inFile = null, Func<string, bool>? ignored = null)
    {
        using var file = SafetensorsFolder.Open(path);
        var found = new Dictionary<Parameter, string>();
        var problems = new List<string>();
        foreach (var parameter in parameters)
        {
            string? name = file.Has(parameter.Name) ? parameter.Name : inFile?.Invoke(parameter.Name) is { } other && file.Has(other) ? other : null;
            if (name is null)
            {
                problems.Add($"missing: {parameter.Name} [{string.Join(", ", parameter.FileShape)}]");
                continue;
            }
            var shape = file.Entry(name).Shape;
            if (Fits(parameter, shape)) found.Add(parameter, name);
            else problems.Add($"shape: {name} is [{string.Join(", ", shape)}], must be [{string.Join(", ", parameter.FileShape)}]");
        }
        var known = found.Values.ToHashSet(StringComparer.Ordinal);
        foreach (string name in file.Names)
            if (!known.Contains(name) && !byName.ContainsKey(name) && ignored?.Invoke(name) != true && !problems.Exists(p => p.StartsWith($"shape: {name} ", StringComparison.Ordinal)))
                problems.Add($"not of this model: {name}");
        if (problems.Count > 0) throw new InvalidDataException($"{file.Path} does not hold this model's weights; does config.json belong to it?\n  {string.Join("\n  ", Shortened(problems))}");

        foreach (var (parameter, name) in found)
        {
            var values = new float[parameter.Count];
            file.ReadFloats(name, values);
            foreach (float value in values)
                if (!float.IsFinite(value)) throw new InvalidDataException($"{file.File(name).Path}: {name} holds {value}: the file is damaged, or its training failed; take another");
            Write(parameter, ToMemory(parameter, values));
        }
        RefreshCompute();
    }

    // A file of another model lacks all tensors and has as many others.
    static IEnumerable<string> Shortened(List<string> problems)
    {
        const int Shown = 4;
        return problems.GroupBy(problem => problem[..problem.IndexOf(':', StringComparison.Ordinal)])
            .SelectMany(kind => kind.Count() > Shown ? kind.Take(Shown).Append($"{kind.Key}: {kind.Count() - Shown} more") : kind);
    }

    /// <summary>
    /// Writes weights as one safetensors file in diffusers' layout. <paramref name="source"/> is <see cref="Master"/>, an
    /// average of it or another flat F32 buffer; left out, the weights as they are kept.
    /// </summary>
    public void Save(string path, DType type = DType.F32, Tensor source = default)
    {
        var from = source.IsNone ? Master : source;
        var stored = type switch
        {
            DType.F32 => SafetensorsType.F32,
            DType.F16 => SafetensorsType.F16,
            DType.BF16 => SafetensorsType.BF16,
            _ => throw new ArgumentException($"weights cannot be stored as {type}", nameof(type)),
        };
        SafetensorsWriter.Write(path, parameters.Select(parameter =>
            SafetensorsItem.Floats(parameter.Name, [.. parameter.FileShape.Select(d => (long)d)], () => ToFile(parameter, from), stored)));
    }

    /// <summary>A parameter's values, F32, in the order of files.</summary>
    public float[] ToFile(Parameter parameter, Tensor source)
    {
        var values = new float[parameter.Count];
        if (!source.IsNone) Ops.Download<float>(parameter.Slice(source), values);
        else
        {
            var wide = Ops.Arena.Rent(DType.F32, values.Length);
            Ops.Cast(parameter.Value.Reshape(values.Length), wide);
            Ops.Download<float>(wide, values);
            Ops.Arena.Release(wide);
        }
        if (!parameter.IsPermuted) return values;
        var (o, k, i) = (parameter.Shape[0], parameter.Shape[1] * parameter.Shape[2], parameter.Shape[3]);
        return Swap(values, o, k, i);
    }

    /// <summary>Sets a parameter from values in the order of files; compute precision follows by <see cref="RefreshCompute"/>.</summary>
    public void Assign(Parameter parameter, float[] values)
    {
        if (values.Length != parameter.Count) throw new ArgumentException($"{parameter.Name} has {parameter.Count} elements; {values.Length} were given");
        Write(parameter, ToMemory(parameter, values));
    }

    static float[] ToMemory(Parameter parameter, float[] values)
    {
        if (!parameter.IsPermuted) return values;
        var (o, k, i) = (parameter.Shape[0], parameter.Shape[1] * parameter.Shape[2], parameter.Shape[3]);
        return Swap(values, o, i, k);
    }

    // [o, a, b] -> [o, b, a]
    static float[] Swap(float[] values, int o, int a, int b)
    {
        var swapped = new float[values.Length];
        for (int n = 0; n < o; n++)
            for (int r = 0; r < a; r++)
                for (int c = 0; c < b; c++) swapped[(n * b + c) * a + r] = values[(n * a + r) * b + c];
        return swapped;
    }

    // a linear layer's matrix and a 1x1 convolution's weight are the same numbers
    static bool Fits(Parameter parameter, IReadOnlyList<long> shape)
    {
        static IEnumerable<long> Trimmed(IEnumerable<long> dimensions, int keep)
        {
            var list = dimensions.ToList();
            while (list.Count > keep && list[^1] == 1) list.RemoveAt(list.Count - 1);
            return list;
        }
        bool matrix = parameter.Shape.Count == 2;
        var wanted = parameter.FileShape.Select(d => (long)d);
        return matrix ? Trimmed(shape, 2).SequenceEqual(Trimmed(wanted, 2)) : shape.SequenceEqual(wanted);
    }
}
