using System.Text.Json;
using CommonCanvas.Tensors;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

/// <summary>
/// One reference file on a device in a precision: hands out its tensors, compares results with it and collects what
/// disagrees. fp32 agrees to 1e-4 of a tensor's largest magnitude; fp16 and bf16 to twice the error of PyTorch that the
/// file's <c>.precision.json</c> gives. A tensor that sits at zero (PyTorch gets none of it right, or it is below rounding
/// beside its block) is judged by its block's magnitude and error.
/// </summary>
sealed class GoldenCase : IDisposable
{
    const double Fp32Tolerance = 1e-4, AtZero = 1e-9, NothingRight = 0.5;

    readonly SafetensorsFile file;
    readonly JsonDocument? precision;
    readonly JsonElement figures;
    readonly List<string> problems = [];
    readonly List<double> shares = [];

    public GoldenCase(string path, IOps ops, DType type)
    {
        (Ops, Type) = (ops, type);
        file = new SafetensorsFile(path);
        if (type == DType.F32) return;
        precision = JsonDocument.Parse(File.ReadAllText(Path.ChangeExtension(path, ".precision.json")));
        figures = precision.RootElement.GetProperty(type == DType.F16 ? "fp16" : "bf16");
        LossScale = figures.GetProperty("loss_scale").GetSingle();
    }

    public IOps Ops { get; }

    public DType Type { get; }

    public float LossScale { get; } = 1;

    public IReadOnlyList<string> Names => file.Names;

    public bool Has(string name) => file.Has(name);

    public int[] Shape(string name) => [.. file.Entry(name).Shape.Select(d => (int)d)];

    public float[] Values(string name) => file.ReadFloats(name);

    public long[] Integers(string name) => file.ReadIntegers(name);

    /// <summary>A tensor of the file on the device; images become NHWC.</summary>
    public Tensor Upload(string name, float factor = 1) => Upload(name, Type, factor);

    public Tensor Upload(string name, DType type, float factor = 1) =>
        Device.Upload(Ops, [.. Values(name).Select(v => v * factor)], Shape(name), type);

    /// <summary>Sets every parameter from <c>weight.NAME</c>.</summary>
    public void SetWeights(ParameterSet parameters)
    {
        Assert.Equal(parameters.All.Select(p => "weight." + p.Name).Order(), Names.Where(n => n.StartsWith("weight.", StringComparison.Ordinal)).Order());
        foreach (var parameter in parameters.All)
        {
            Assert.Equal(parameter.FileShape, Shape("weight." + parameter.Name));
            parameters.Assign(parameter, Values("weight." + parameter.Name));
        }
        parameters.RefreshCompute();
    }

    /// <summary>Compares a result on the device, divided by <paramref name="scale"/>.</summary>
    public void Compare(string name, Tensor actual, float scale = 1) => Compare(name, Device.Download(Ops, actual), scale);

    public void Compare(string name, float[] actual, float scale = 1)
    {
        float[] expected = Values(name);
        double magnitude = expected.Max(Math.Abs);
        var (most, norm) = Figure(name);
        // An input whose influence a norm takes away has no gradient: what is left is rounding of the others'.
        double others = name.StartsWith("grad_", StringComparison.Ordinal) ? Names.Where(n => n.StartsWith("grad", StringComparison.Ordinal)).Max(n => Values(n).Max(Math.Abs)) : 0;
        Judge(name, actual, expected, scale, most * (magnitude < AtZero * others ? others : magnitude), norm * Norm(expected));
    }

    /// <summary>Compares the gradients of all parameters.</summary>
    public void CompareGradients(ParameterSet parameters)
    {
        foreach (var unit in parameters.All.GroupBy(p => p.Unit))
        {
            double magnitude = unit.Max(p => Values("grad." + p.Name).Max(Math.Abs));
            double norm = unit.Max(p => Norm(Values("grad." + p.Name)));
            var usual = unit.Select(p => Figure("grad." + p.Name)).Where(f => f.Most < NothingRight).ToArray();
            foreach (var parameter in unit)
            {
                string name = "grad." + parameter.Name;
                float[] expected = Values(name), actual = parameters.ToFile(parameter, parameters.Gradient);
                double most = expected.Max(Math.Abs);
                var figure = Figure(name);
                if (most < AtZero * magnitude || figure.Most >= NothingRight)
                    Judge(name, actual, expected, LossScale, usual.Max(f => f.Most) * magnitude, usual.Max(f => f.Norm) * norm);
                else Judge(name, actual, expected, LossScale, figure.Most * most, figure.Norm * Norm(expected));
            }
        }
    }

    /// <summary>
    /// Compares the whole gradient of each unit: the Euclidean norm of its error with twice that of PyTorch's. For the whole
    /// U-Net in a reduced precision, where some of its hundreds of tensors are beyond twice PyTorch's error of that tensor
    /// by chance: which ones, and which elements in them, changes with any rounding, and the median is below PyTorch's.
    /// </summary>
    public void CompareGradientsByUnit(ParameterSet parameters)
    {
        foreach (var unit in parameters.All.GroupBy(p => p.Unit))
        {
            double squares = 0, allowed = 0;
            foreach (var parameter in unit)
            {
                string name = "grad." + parameter.Name;
                float[] expected = Values(name), actual = parameters.ToFile(parameter, parameters.Gradient);
                for (int i = 0; i < actual.Length; i++) squares += Math.Pow(actual[i] / (double)LossScale - expected[i], 2);
                allowed += Math.Pow(Figure(name).Norm * Norm(expected), 2);
            }
            double share = Math.Sqrt(squares / allowed);
            shares.Add(share);
            if (!(share <= 1)) problems.Add($"gradient of {parameters.Units[unit.Key].Name}: norm of the error {Math.Sqrt(squares):g3}, allowed {Math.Sqrt(allowed):g3}");
        }
    }

    /// <summary>Fails with everything that disagreed.</summary>
    public void Finish()
    {
        shares.Sort();
        TestContext.Current.TestOutputHelper?.WriteLine($"{Path.GetFileName(file.Path)} {Ops.Name} {Type}: errors as a part of the tolerance: median {shares[shares.Count / 2]:0.000}, largest {shares[^1]:0.000}");
        Assert.True(problems.Count == 0, $"{file.Path}, {Ops.Name}, {Type}:\n{string.Join("\n", problems)}");
    }

    public void Dispose()
    {
        file.Dispose();
        precision?.Dispose();
    }

    /// <summary>Tolerances relative to the largest magnitude and to the Euclidean norm.</summary>
    (double Most, double Norm) Figure(string name)
    {
        if (Type == DType.F32) return (Fp32Tolerance, double.PositiveInfinity);
        if (!figures.TryGetProperty(name, out var pair)) throw new InvalidDataException($"{file.Path}: no precision of '{name}'");
        return (2 * pair[0].GetDouble(), 2 * pair[1].GetDouble());
    }

    void Judge(string name, float[] actual, float[] expected, float scale, double mostAllowed, double normAllowed)
    {
        Assert.Equal(expected.Length, actual.Length);
        double most = 0, squares = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double error = Math.Abs(actual[i] / scale - expected[i]);
            if (!double.IsFinite(error)) error = double.PositiveInfinity;
            most = Math.Max(most, error);
            squares += error * error;
        }
        double share = Math.Max(most / mostAllowed, Math.Sqrt(squares) / normAllowed);
        shares.Add(share);
        if (!(share <= 1)) problems.Add($"{name}: error {most:g3}, allowed {mostAllowed:g3}; norm of the error {Math.Sqrt(squares):g3}, allowed {normAllowed:g3}");
    }

    static double Norm(float[] values) => Math.Sqrt(values.Sum(v => (double)v * v));
}
