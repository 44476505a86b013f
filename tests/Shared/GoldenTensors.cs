using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace CommonCanvas.Tests;

/// <summary>
/// The float32 tensors of a reference file, for projects that stand below the models and so cannot use their reader. Trusts
/// the file; not a reader for anything else.
/// </summary>
public static class GoldenTensors
{
    /// <summary>Every F32 tensor by name, with its shape.</summary>
    public static Dictionary<string, (int[] Shape, float[] Values)> Read(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int head = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        using JsonDocument json = JsonDocument.Parse(file.AsMemory(8, head));
        var tensors = new Dictionary<string, (int[], float[])>();
        foreach (JsonProperty entry in json.RootElement.EnumerateObject())
        {
            if (entry.Name == "__metadata__" || entry.Value.GetProperty("dtype").GetString() != "F32") continue;
            int[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(d => d.GetInt32())];
            int[] at = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Select(d => d.GetInt32())];
            tensors[entry.Name] = (shape, MemoryMarshal.Cast<byte, float>(file.AsSpan(8 + head + at[0], at[1] - at[0])).ToArray());
        }
        return tensors;
    }
}
