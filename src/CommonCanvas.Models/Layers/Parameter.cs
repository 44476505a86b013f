using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>How a parameter starts.</summary>
public enum Initial
{
    /// <summary>All zero: biases of norms.</summary>
    Zeros,
    /// <summary>All one: scales of norms.</summary>
    Ones,
    /// <summary>Uniform in ±1 / sqrt(inputs of a unit): PyTorch's default for weights and biases of linear layers and convolutions.</summary>
    FanIn,
    /// <summary>Normal with deviation 0.02: embeddings.</summary>
    Embedding,
}

/// <summary>
/// A named tensor of weights, which lies in its <see cref="ParameterSet"/>'s flat buffers. Convolutions are [O, kernel,
/// kernel, I] in memory and [O, I, kernel, kernel] in files.
/// </summary>
public sealed class Parameter
{
    readonly Parameter[] parts = [];

    internal Parameter(string name, int[] shape, int[] fileShape, Initial initial, int fanIn, int unit, long offset)
    {
        (Name, Shape, FileShape, Initial, FanIn, Unit, Offset) = (name, shape, fileShape, initial, fanIn, unit, offset);
        Count = shape.Aggregate(1L, (a, b) => a * b);
    }

    /// <summary>Matrices that lie next to each other as one, the rows of each under those of the one before.</summary>
    internal Parameter(string name, Parameter[] parts)
        : this(name, [parts.Sum(part => part.Shape[0]), parts[0].Shape[1]], [], parts[0].Initial, parts[0].FanIn, parts[0].Unit, parts[0].Offset) => this.parts = parts;

    /// <summary>Name in diffusers' and transformers' files.</summary>
    public string Name { get; }

    /// <summary>Dimensions in memory.</summary>
    public IReadOnlyList<int> Shape { get; }

    /// <summary>Dimensions in files.</summary>
    public IReadOnlyList<int> FileShape { get; }

    /// <summary>How it starts.</summary>
    public Initial Initial { get; }

    /// <summary>Inputs that a unit of its layer sums over.</summary>
    public int FanIn { get; }

    /// <summary>Number of elements.</summary>
    public long Count { get; }

    /// <summary>Which unit of the model it belongs to.</summary>
    public int Unit { get; }

    /// <summary>First element in the flat buffers.</summary>
    public long Offset { get; }

    /// <summary>The weights in compute precision, in memory's layout.</summary>
    public Tensor Value { get; internal set; }

    /// <summary>The gradient, F32, in memory's layout; none outside training.</summary>
    public Tensor Gradient { get; internal set; }

    /// <summary>
    /// Whether the gradient awaits the first contribution of a backward pass, which is to replace what is there. Matrices that are
    /// seen as one receive theirs together.
    /// </summary>
    internal bool AwaitsGradient
    {
        get => parts.Length > 0 ? parts[0].AwaitsGradient : field;
        set
        {
            field = value;
            foreach (var part in parts) part.AwaitsGradient = value;
        }
    }

    /// <summary>
    /// Where a layer's Backward puts its contribution to the gradient: added to what is there, but for the first one in a pass
    /// whose gradient replaces the last (<see cref="ParameterSet.ReceiveGradients"/>).
    /// </summary>
    internal GradientTarget NextGradient()
    {
        bool accumulate = !AwaitsGradient;
        AwaitsGradient = false;
        return new GradientTarget(Gradient, accumulate);
    }

    /// <summary>Whether memory and files differ in the order of elements.</summary>
    internal bool IsPermuted => Shape.Count == 4 && Shape[1] * Shape[2] > 1;

    /// <summary>The parameter's part of a flat buffer, seen with the parameter's shape.</summary>
    public Tensor Slice(Tensor flat)
    {
        var part = flat.Slice(checked((int)Offset), checked((int)Count));
        return Shape.Count switch
        {
            1 => part,
            2 => part.Reshape(Shape[0], Shape[1]),
            _ => part.Reshape(Shape[0], Shape[1], Shape[2], Shape[3]),
        };
    }
}

/// <summary>A contiguous part of a model's flat buffers: what is gathered, scattered and updated together.</summary>
/// <param name="Name">Such as <c>down_blocks.0</c>.</param>
/// <param name="Offset">First element; a multiple of <see cref="ParameterSet.Alignment"/>.</param>
/// <param name="Count">Elements, padding included; a multiple of <see cref="ParameterSet.Alignment"/>.</param>
public readonly record struct ParameterUnit(string Name, long Offset, long Count);

/// <summary>Where a layer declares its parameters: a prefix of names in a set.</summary>
public readonly struct ParameterScope(ParameterSet set, string prefix)
{
    /// <summary>The scope below.</summary>
    public ParameterScope this[string name] => new(set, prefix.Length == 0 ? name : $"{prefix}.{name}");

    /// <summary>The scope of an element of a list.</summary>
    public ParameterScope this[int index] => this[index.ToString(System.Globalization.CultureInfo.InvariantCulture)];

    /// <summary>Full name of this scope.</summary>
    public string Name => prefix;

    /// <summary>A vector of ones or zeros: a norm's scale or shift.</summary>
    public Parameter Vector(string name, int count, Initial initial) => set.Add(this[name].Name, [count], [count], initial, count);

    /// <summary>A bias.</summary>
    public Parameter Bias(int outputs, int fanIn) => set.Add(this["bias"].Name, [outputs], [outputs], Initial.FanIn, fanIn);

    /// <summary>A matrix [outputs, inputs]; in files [outputs, inputs, 1, 1] where it is a 1x1 convolution's.</summary>
    public Parameter Matrix(int outputs, int inputs, bool pointwise = false) =>
        set.Add(this["weight"].Name, [outputs, inputs], pointwise ? [outputs, inputs, 1, 1] : [outputs, inputs], Initial.FanIn, inputs);

    /// <summary>A convolution's weight.</summary>
    public Parameter Kernel(int outputs, int inputs, int size) =>
        set.Add(this["weight"].Name, [outputs, size, size, inputs], [outputs, inputs, size, size], Initial.FanIn, inputs * size * size);

    /// <summary>
    /// Matrices of one width as a single one, for one product in place of several; null where they do not lie next to each other.
    /// They remain parameters of their own, by which the model is initialised, saved and loaded.
    /// </summary>
    public Parameter? Join(params Parameter[] matrices) => set.Join(this["weight"].Name, matrices);

    /// <summary>A table of embeddings [rows, width].</summary>
    public Parameter Table(int rows, int width) => set.Add(this["weight"].Name, [rows, width], [rows, width], Initial.Embedding, width);
}
