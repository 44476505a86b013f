using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace CommonCanvas.Data.Tests;

/// <summary>Rows for tests: those of the reference folders as values for the writer, and rows made from a seed.</summary>
static class MdsRows
{
    /// <summary>The rows of <c>NAME.rows.json</c>, whose bytes stand as hexadecimal text and whose arrays as nested lists.</summary>
    public static List<Dictionary<string, object>> Golden(string path, IReadOnlyList<MdsColumn> columns, Func<string, int, string> dtypeOf)
    {
        var rows = new List<Dictionary<string, object>>();
        foreach (JsonNode? row in JsonNode.Parse(File.ReadAllBytes(path))!.AsArray())
            rows.Add(columns.ToDictionary(c => c.Name, c => Value(c, row![c.Name]!, () => dtypeOf(c.Name, rows.Count))));
        return rows;
    }

    /// <summary>Rows of many kinds of column.</summary>
    public static readonly Dictionary<string, string> Columns = new()
    {
        ["key"] = "str", ["latent"] = "bytes", ["n"] = "int", ["small"] = "uint8", ["half"] = "float16", ["real"] = "float64",
        ["array"] = "ndarray", ["typed"] = "ndarray:float32", ["fixed"] = "ndarray:int16:2,3", ["tags"] = "json",
        ["list"] = "list[jpeg]", ["blobs"] = "jpeg_array", ["pixels"] = "pil", ["big"] = "str_int", ["exact"] = "str_decimal", ["float"] = "str_float",
    };

    public static Dictionary<string, object> Random(int seed)
    {
        var random = new Random(seed);
        byte[] Noise(int n)
        {
            var bytes = new byte[n];
            random.NextBytes(bytes);
            return bytes;
        }
        int side = random.Next(1, 400);
        return new Dictionary<string, object>
        {
            ["key"] = $"clé-{seed}-画", ["latent"] = (ReadOnlyMemory<byte>)Noise(random.Next(300)), ["n"] = random.NextInt64(), ["small"] = (byte)random.Next(256),
            ["half"] = (Half)random.NextDouble(), ["real"] = random.NextDouble() * 1e9, ["array"] = new NdArray("uint8", [1, side], Noise(side)),
            ["typed"] = new NdArray("float32", [2], Noise(8)), ["fixed"] = new NdArray("int16", [2, 3], Noise(12)),
            ["tags"] = new JsonObject { ["a"] = seed, ["b"] = 0.5, ["c"] = new JsonArray("x\n", null, true) },
            ["list"] = new ReadOnlyMemory<byte>[] { Noise(3), Noise(0) }, ["blobs"] = new ReadOnlyMemory<byte>[] { Noise(5) },
            ["pixels"] = new MdsRawPicture(2, 1, "RGB", Noise(6)), ["big"] = BigInteger.Pow(7, random.Next(60)), ["exact"] = 1.50m, ["float"] = random.NextDouble() * 1e-7,
        };
    }

    /// <summary>Text that two values share exactly when they are equal.</summary>
    public static string Shown(object value) => value switch
    {
        ReadOnlyMemory<byte> bytes => Convert.ToHexString(bytes.Span),
        ReadOnlyMemory<byte>[] blobs => string.Join('|', blobs.Select(b => Convert.ToHexString(b.Span))),
        NdArray a => $"{a.DType}[{string.Join(',', a.Shape)}]{Convert.ToHexString(a.Data.Span)}",
        MdsRawPicture p => $"{p.Width}x{p.Height} {p.Mode} {Convert.ToHexString(p.Pixels.Span)}",
        JsonNode node => PythonJson.Text(node),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };

    /// <summary>Compares every column of a sample with the row that it was written from.</summary>
    public static void AssertEqual(IReadOnlyDictionary<string, object> row, MdsSample sample)
    {
        foreach ((string name, object value) in row) Assert.Equal(Shown(value), Shown(sample.Value(name)));
    }

    static object Value(MdsColumn column, JsonNode node, Func<string> dtype) => column.Encoding.Text.Split(':')[0] switch
    {
        "bytes" or "jpeg" or "png" => (ReadOnlyMemory<byte>)Convert.FromHexString((string)node!),
        "str" => (string)node!,
        "json" => node.DeepClone(),
        "float16" => (Half)(double)node,
        "float32" => (float)node,
        "float64" or "str_float" => (double)node,
        "int" or "str_int" or "uint8" or "uint16" or "uint32" or "uint64" or "int8" or "int16" or "int32" or "int64" =>
            BigInteger.Parse(node.ToJsonString(), CultureInfo.InvariantCulture),
        "ndarray" => ArrayOf(node, dtype()),
        string other => throw new NotSupportedException($"column kind {other}: teach the test how its rows are written"),
    };

    static NdArray ArrayOf(JsonNode node, string dtype)
    {
        var shape = new List<int>();
        for (JsonNode at = node; at is JsonArray list; at = list[0]!) shape.Add(list.Count);
        double[] values = [.. Flat(node)];
        byte[] data = dtype switch
        {
            "uint8" => Bytes<byte>(values),
            "int8" => Bytes<sbyte>(values),
            "uint16" => Bytes<ushort>(values),
            "int16" => Bytes<short>(values),
            "uint32" => Bytes<uint>(values),
            "int32" => Bytes<int>(values),
            "uint64" => Bytes<ulong>(values),
            "int64" => Bytes<long>(values),
            "float16" => Bytes<Half>(values),
            "float32" => Bytes<float>(values),
            "float64" => Bytes<double>(values),
            _ => throw new NotSupportedException($"element type {dtype}: teach the test how its rows are written"),
        };
        return new NdArray(dtype, [.. shape], data);
    }

    static byte[] Bytes<T>(double[] values) where T : unmanaged, INumberBase<T> =>
        MemoryMarshal.AsBytes<T>(values.Select(T.CreateChecked).ToArray()).ToArray();

    static IEnumerable<double> Flat(JsonNode node) => node is JsonArray list ? list.SelectMany(n => Flat(n!)) : [(double)node];
}
