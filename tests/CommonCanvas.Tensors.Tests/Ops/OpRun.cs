using System.Runtime.InteropServices;

namespace CommonCanvas.Tensors.Tests;

/// <summary>What the gradients of parameters are before an operation.</summary>
public enum GradientStart
{
    /// <summary>Random values, which it adds to.</summary>
    Random,
    /// <summary>Zeros, which it adds to.</summary>
    Zero,
    /// <summary>Not-a-number, which it assigns over.</summary>
    Assigned,
}

/// <summary>
/// One run of an operation on one device. Tensors have names, and an input's values depend on its name and count alone, so
/// that two devices are given the same. Assigned outputs start as not-a-number, accumulated ones with random values.
/// </summary>
public sealed class OpRun(IOps ops, DType type, bool coarse = false, IReadOnlyDictionary<string, float[]>? replaced = null, GradientStart gradients = GradientStart.Random) : IDisposable
{
    readonly Dictionary<string, Tensor> tensors = [];
    readonly Dictionary<string, float[]> initial = [];
    readonly List<string> outputs = [];

    public IOps Ops => ops;

    /// <summary>Type of activations and weights in this run.</summary>
    public DType Type => type;

    /// <summary>Names of what the operations wrote.</summary>
    public IReadOnlyList<string> Outputs => outputs;

    public Tensor this[string name] => tensors[name];

    public bool Has(string name) => tensors.ContainsKey(name);

    /// <summary>Whether an output started with values that are to be added to.</summary>
    public bool IsSum(string name) => initial.ContainsKey(name);

    /// <summary>Standard normal values, rounded to the run's type.</summary>
    public Tensor Input(string name, params int[] shape) => Values(name, type, Normal(name, Count(shape)), shape);

    /// <summary>The same, absent where not <paramref name="present"/>.</summary>
    public Tensor Optional(bool present, string name, params int[] shape) => present ? Input(name, shape) : Tensor.None;

    /// <summary>Given values.</summary>
    public Tensor Values(string name, DType of, float[] values, params int[] shape)
    {
        if (tensors.TryGetValue(name, out var there)) return there;
        if (replaced is not null && replaced.TryGetValue(name, out var other)) values = other;
        var tensor = Rent(name, of, shape);
        initial[name] = [.. values.Select(v => Rounding.Round(v, of))];
        Store(tensor, values);
        return tensor;
    }

    /// <summary>Changes what an input is made of.</summary>
    public void Change(string name, Action<float[]> change)
    {
        float[] values = initial[name];
        change(values);
        Store(tensors[name], values);
    }

    /// <summary>Integers in [0, <paramref name="bound"/>), with repetitions.</summary>
    public Tensor Ids(string name, int bound, params int[] shape)
    {
        if (tensors.TryGetValue(name, out var there)) return there;
        var tensor = Rent(name, DType.I32, shape);
        ops.Upload<int>([.. Normal(name, Count(shape)).Select(v => (int)(Math.Abs(v) * 1000) % bound)], tensor);
        return tensor;
    }

    /// <summary>An output that is assigned.</summary>
    public Tensor Output(string name, params int[] shape) => Output(name, type, shape);

    /// <summary>An output of another type that is assigned.</summary>
    public Tensor Output(string name, DType of, params int[] shape)
    {
        var tensor = Rent(name, of, shape);
        Store(tensor, [.. Enumerable.Repeat(float.NaN, Count(shape))]);
        outputs.Add(name);
        return tensor;
    }

    /// <summary>F32 values that are added to.</summary>
    public Tensor Sum(string name, params int[] shape)
    {
        var tensor = Values(name, DType.F32, Normal(name, Count(shape)), shape);
        outputs.Add(name);
        return tensor;
    }

    /// <summary>A parameter's gradient: F32, added to or assigned as the run has it.</summary>
    public GradientTarget Gradient(string name, params int[] shape)
    {
        if (gradients == GradientStart.Assigned) return new(Output(name, DType.F32, shape), Accumulate: false);
        return gradients == GradientStart.Zero ? Updated(name, DType.F32, new float[Count(shape)], shape) : Sum(name, shape);
    }

    /// <summary>An input that the operation changes.</summary>
    public Tensor Updated(string name, DType of, float[] values, params int[] shape)
    {
        var tensor = Values(name, of, values, shape);
        outputs.Add(name);
        return tensor;
    }

    /// <summary>Values of a tensor now, widened.</summary>
    public float[] Read(string name)
    {
        var tensor = tensors[name];
        if (tensor.Type.IsReduced())
        {
            var bits = new ushort[tensor.Count];
            ops.Download(tensor, bits.AsSpan());
            return [.. bits.Select(b => tensor.Type == DType.F16 ? (float)BitConverter.UInt16BitsToHalf(b) : Rounding.FromBFloat16(b))];
        }
        var values = new float[tensor.Count];
        ops.Download(tensor, values.AsSpan());
        return values;
    }

    /// <summary>Values that a tensor was made with.</summary>
    public float[] Initial(string name) => initial[name];

    /// <summary>A tensor's bits, for exact comparison.</summary>
    public byte[] Bits(string name)
    {
        float[] values = Read(name);
        return MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
    }

    /// <summary>Standard normal numbers keyed by the name; multiples of 2^-10 in a coarse run.</summary>
    public float[] Normal(string name, int count)
    {
        ulong sample = name.Aggregate(14695981039346656037ul, (hash, c) => (hash ^ c) * 1099511628211ul);
        var values = new float[count];
        Philox.Normal(new RandomKey(11, RandomPurpose.Noise, sample, 0), values);
        return coarse ? [.. values.Select(v => MathF.Round(v * 1024) / 1024)] : values;
    }

    public void Dispose()
    {
        foreach (var tensor in tensors.Values) ops.Arena.Release(tensor);
    }

    Tensor Rent(string name, DType of, int[] shape)
    {
        var tensor = ops.Arena.Rent(of, shape[0], Dimension(shape, 1), Dimension(shape, 2), Dimension(shape, 3));
        tensors.Add(name, tensor);
        return tensor;
    }

    void Store(Tensor tensor, float[] values)
    {
        if (tensor.Type == DType.F16) ops.Upload<Half>([.. values.Select(v => (Half)v)], tensor);
        else if (tensor.Type == DType.BF16) ops.Upload<ushort>([.. values.Select(Rounding.ToBFloat16)], tensor);
        else ops.Upload<float>(values, tensor);
    }

    static int Count(int[] shape) => shape.Aggregate(1, (a, b) => a * b);

    static int Dimension(int[] shape, int i) => i < shape.Length ? shape[i] : -1;
}
