using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>
/// All parameters of a model in one flat buffer, unit after unit, so that updating, clipping, averaging and sharding are
/// passes over contiguous memory. Layers declare their parameters while the model is built; <see cref="Allocate"/> lays
/// them out. Gaps of alignment are zero and stay zero.
/// </summary>
public sealed partial class ParameterSet : IDisposable
{
    /// <summary>Elements that units are multiples of, so that up to 256 ranks get equal parts.</summary>
    public const int Alignment = 256;

    /// <summary>Elements that parameters start at multiples of: a cache line.</summary>
    const int ParameterAlignment = 32;

    readonly List<Parameter> parameters = [], joined = [];
    readonly Dictionary<string, Parameter> byName = new(StringComparer.Ordinal);
    readonly List<ParameterUnit> units = [];
    string? unitName;
    long unitStart, end;
    IOps? ops;

    /// <summary>Parameters in the order of the flat buffer.</summary>
    public IReadOnlyList<Parameter> All => parameters;

    /// <summary>Units in the order of the flat buffer.</summary>
    public IReadOnlyList<ParameterUnit> Units => units;

    /// <summary>Elements of a flat buffer, padding included.</summary>
    public long Count => end;

    /// <summary>Number of weights: elements without padding.</summary>
    public long Trainable => parameters.Sum(p => p.Count);

    /// <summary>Compute precision.</summary>
    public DType Type { get; private set; }

    /// <summary>The weights, F32[<see cref="Count"/>]; none for inference in a reduced precision.</summary>
    public Tensor Master { get; private set; }

    /// <summary>The weights in compute precision; the same memory as <see cref="Master"/> where that is F32.</summary>
    public Tensor Compute { get; private set; }

    /// <summary>The gradients, F32[<see cref="Count"/>]; none for inference.</summary>
    public Tensor Gradient { get; private set; }

    /// <summary>A parameter by its name in files.</summary>
    public Parameter this[string name] => byName.TryGetValue(name, out var parameter) ? parameter
        : throw new KeyNotFoundException($"no parameter '{name}'");

    /// <summary>The scope that a model's layers declare their parameters in.</summary>
    public ParameterScope Root => new(this, "");

    /// <summary>Parameters that are declared from now on belong to a new unit.</summary>
    public void BeginUnit(string name)
    {
        EndUnit();
        unitName = name;
        unitStart = end;
    }

    internal Parameter Add(string name, int[] shape, int[] fileShape, Initial initial, int fanIn)
    {
        if (unitName is null) throw new InvalidOperationException($"parameter '{name}' is declared outside any unit");
        var parameter = new Parameter(name, shape, fileShape, initial, fanIn, units.Count, end);
        parameters.Add(parameter);
        byName.Add(name, parameter);
        end = RoundUp(end + parameter.Count, ParameterAlignment);
        return parameter;
    }

    /// <summary>As <see cref="ParameterScope.Join"/>.</summary>
    internal Parameter? Join(string name, Parameter[] matrices)
    {
        for (int i = 1; i < matrices.Length; i++)
            if (matrices[i].Offset != matrices[i - 1].Offset + matrices[i - 1].Count) return null; // alignment or a bias stands between
        var whole = new Parameter(name, matrices);
        joined.Add(whole);
        return whole;
    }

    /// <summary>Takes the memory and gives every parameter its part. Weights and gradients start at zero.</summary>
    /// <param name="ops">The device.</param>
    /// <param name="type">Compute precision.</param>
    /// <param name="training">Whether gradients are kept, and F32 masters beside reduced weights.</param>
    /// <exception cref="ArgumentException">There are 2^31 weights or more.</exception>
    public void Allocate(IOps ops, DType type, bool training)
    {
        EndUnit();
        this.ops = ops;
        Type = type;
        if (end > int.MaxValue) throw new ArgumentException($"a model of {end} weights, the gaps between them included; a flat buffer holds {int.MaxValue}: make it narrower or shallower");
        int count = (int)end;
        Compute = Zeros(type, count);
        if (type == DType.F32) Master = Compute;
        else if (training) Master = Zeros(DType.F32, count);
        if (training) Gradient = Zeros(DType.F32, count);
        foreach (var parameter in parameters.Concat(joined)) // by whose names the memory that operations see is labelled
        {
            parameter.Value = parameter.Slice(Compute);
            ops.Label(parameter.Value, parameter.Name);
            if (!training) continue;
            parameter.Gradient = parameter.Slice(Gradient);
            ops.Label(parameter.Gradient, parameter.Name);
        }
    }

    /// <summary>
    /// Runs a backward pass whose gradient is added to <see cref="Gradient"/> or replaces it. Replacing costs no pass over the
    /// memory: the first contribution to a parameter is assigned, any further one added, and what was there is never read, so
    /// that an overflow in it ends here. A parameter that gets none has a gradient of 0.
    /// </summary>
    /// <param name="accumulate">Whether it is added.</param>
    /// <param name="backward">Calls the Backwards. Every call of this queues the same work.</param>
    public void ReceiveGradients(bool accumulate, Action backward)
    {
        try
        {
            foreach (var parameter in parameters) parameter.AwaitsGradient = !accumulate;
            backward();
            foreach (var parameter in parameters)
                if (parameter.AwaitsGradient) Ops.Fill(0, parameter.Gradient);
        }
        finally
        {
            foreach (var parameter in parameters) parameter.AwaitsGradient = false;
        }
    }

    /// <summary>Compute = Master in compute precision.</summary>
    public void RefreshCompute()
    {
        if (!Master.IsNone && Type != DType.F32) Ops.Cast(Master, Compute);
    }

    /// <summary>PyTorch's default initialisation, from Philox keyed by the seed and the parameter's index.</summary>
    public void Initialize(ulong seed)
    {
        for (int index = 0; index < parameters.Count; index++)
        {
            var parameter = parameters[index];
            var values = new float[parameter.Count];
            var key = new RandomKey(seed, RandomPurpose.Weights, (ulong)index, 0);
            switch (parameter.Initial)
            {
                case Initial.Ones: Array.Fill(values, 1f); break;
                case Initial.FanIn:
                    Philox.Uniform(key, values);
                    float bound = 1 / MathF.Sqrt(parameter.FanIn);
                    for (int i = 0; i < values.Length; i++) values[i] = (2 * values[i] - 1) * bound;
                    break;
                case Initial.Embedding:
                    Philox.Normal(key, values);
                    for (int i = 0; i < values.Length; i++) values[i] *= 0.02f;
                    break;
            }
            Write(parameter, values);
        }
        RefreshCompute();
    }

    internal IOps Ops => ops ?? throw new InvalidOperationException("the parameters have not been allocated");

    /// <summary>Puts values, in memory's layout, where the weights are kept exactest.</summary>
    void Write(Parameter parameter, float[] values)
    {
        if (!Master.IsNone)
        {
            Ops.Upload<float>(values, parameter.Slice(Master));
            return;
        }
        var wide = Ops.Arena.Rent(DType.F32, values.Length);
        Ops.Upload<float>(values, wide);
        Ops.Cast(wide, parameter.Value.Reshape(values.Length));
        Ops.Arena.Release(wide);
    }

    Tensor Zeros(DType type, int count)
    {
        var tensor = ops!.Arena.Rent(type, count);
        ops.Fill(0, tensor);
        return tensor;
    }

    void EndUnit()
    {
        if (unitName is null) return;
        end = RoundUp(end, Alignment);
        units.Add(new ParameterUnit(unitName, unitStart, end - unitStart));
        unitName = null;
    }

    static long RoundUp(long value, int to) => (value + to - 1) / to * to;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (ops is null) return;
        if (Master != Compute) ops.Arena.Release(Master);
        ops.Arena.Release(Compute);
        ops.Arena.Release(Gradient);
        (Master, Compute, Gradient, ops) = (default, default, default, null);
    }
}
