using System.Globalization;

namespace CommonCanvas.Tensors;

/// <summary>The products with weights, and what begins or ends with one.</summary>
enum ProductKind
{
    /// <summary>y = x weight^T + bias + residual.</summary>
    LinearForward,
    /// <summary>dX = dY weight.</summary>
    LinearBackwardInput,
    /// <summary>dWeight = or += dY^T x.</summary>
    LinearBackwardWeight,
    /// <summary>y = GEGLU of u = x weight^T + bias.</summary>
    LinearGegluForward,
    /// <summary>dU, the gradient of u where dY weight is that of its GEGLU.</summary>
    LinearGegluBackward,
    /// <summary>y = x * weight + bias + perSample + residual.</summary>
    ConvForward,
    /// <summary>dX, by a convolution of dY with the weight.</summary>
    ConvBackwardInput,
    /// <summary>dWeight = or +=, by a convolution of x with dY.</summary>
    ConvBackwardWeight,
}

/// <summary>What is added to a product.</summary>
[Flags]
enum ProductAddends
{
    /// <summary>Nothing.</summary>
    None = 0,
    /// <summary>A number for each output.</summary>
    Bias = 1,
    /// <summary>A number for each sample and output.</summary>
    PerSample = 2,
    /// <summary>A tensor like the result.</summary>
    Residual = 4,
    /// <summary>The gradient of a weight that the result holds already.</summary>
    Gradient = 8,
    /// <summary>The residual is the result's own memory.</summary>
    InPlace = 16,
}

/// <summary>All that decides how fast a product can be computed and by what: what candidates are tried for, once.</summary>
/// <param name="Kind">Which product.</param>
/// <param name="Type">Storage of operands and of activations' results; the gradient of a weight is F32.</param>
/// <param name="Samples">Samples of x; for a linear product, its rows.</param>
/// <param name="Height">Rows of an image of x; 1 for a linear product.</param>
/// <param name="Width">Columns of an image of x; 1 for a linear product.</param>
/// <param name="Inputs">Channels of x.</param>
/// <param name="Outputs">Channels of y.</param>
/// <param name="Geometry">Of a convolution; <see cref="ConvGeometry.Pointwise"/> for a linear product.</param>
/// <param name="Addends">What is added.</param>
/// <param name="Alignment">Bytes that every address is a multiple of: 2, 4, 8 or 16.</param>
/// <param name="StoresHidden">Whether what GEGLU is taken of is a result too.</param>
readonly record struct ProductProblem(ProductKind Kind, DType Type, int Samples, int Height, int Width, int Inputs, int Outputs,
    ConvGeometry Geometry, ProductAddends Addends, int Alignment, bool StoresHidden = false)
{
    /// <summary>A linear product, with GEGLU or without.</summary>
    public static ProductProblem Linear(ProductKind kind, DType type, int rows, int inputs, int outputs, in ProductOperands operands) =>
        new(kind, type, rows, 1, 1, inputs, outputs, ConvGeometry.Pointwise, operands.Addends, operands.Alignment,
            StoresHidden: kind == ProductKind.LinearGegluForward && !operands.Hidden.IsNone);

    /// <summary>A convolution of images of x's shape.</summary>
    public static ProductProblem Convolution(ProductKind kind, DType type, int samples, int height, int width, int inputs, int outputs,
        ConvGeometry geometry, in ProductOperands operands) =>
        new(kind, type, samples, height, width, inputs, outputs, geometry, operands.Addends, operands.Alignment);

    /// <summary>Whether it is a convolution.</summary>
    public bool IsConvolution => Kind >= ProductKind.ConvForward;

    /// <summary>Whether GEGLU or its gradient follows the product.</summary>
    public bool HasGeglu => Kind is ProductKind.LinearGegluForward or ProductKind.LinearGegluBackward;

    /// <summary>The product alone, which is what libraries have: without GEGLU, where that follows.</summary>
    public ProductProblem Product => HasGeglu
        ? this with { Kind = Kind == ProductKind.LinearGegluForward ? ProductKind.LinearForward : ProductKind.LinearBackwardInput, StoresHidden = false }
        : this;

    /// <summary>Whether the result is the gradient of a weight, which is F32.</summary>
    public bool IsWeightGradient => Kind is ProductKind.LinearBackwardWeight or ProductKind.ConvBackwardWeight;

    /// <summary>Whether there is nothing to compute.</summary>
    public bool IsEmpty => Samples == 0 || Height == 0 || Width == 0 || Inputs == 0 || Outputs == 0;

    /// <summary>Rows of an image of y.</summary>
    public int OutHeight => Geometry.OutHeight(Height);

    /// <summary>Columns of an image of y.</summary>
    public int OutWidth => Geometry.OutWidth(Width);

    /// <summary>Multiplications and additions.</summary>
    public double Flops => 2.0 * Samples * OutHeight * OutWidth * Outputs * Inputs * Geometry.Kernel * Geometry.Kernel;

    /// <summary>In clear words; equal texts mean equal problems, so that files are keyed by it.</summary>
    public override string ToString()
    {
        string shape = IsConvolution
            ? string.Create(CultureInfo.InvariantCulture, $"[{Samples}, {Height}, {Width}, {Inputs}] to {Outputs}, kernel {Geometry.Kernel}, stride {Geometry.Stride}, padding {Geometry.PadTop} {Geometry.PadLeft} {Geometry.PadBottom} {Geometry.PadRight}")
            : string.Create(CultureInfo.InvariantCulture, $"[{Samples}, {Inputs}] to {Outputs}");
        return $"{Kind} {Type} {shape}{(Addends == ProductAddends.None ? "" : $", {Addends}")}{(StoresHidden ? ", u stored" : "")}, aligned {Alignment}";
    }
}

/// <summary>The tensors of a product. Forward reads x and weight, an input's gradient dY and weight, a weight's gradient x and dY.</summary>
/// <param name="X">Images or rows.</param>
/// <param name="Weight">[outputs, kernel, kernel, inputs] or [outputs, inputs].</param>
/// <param name="DY">The gradient of the result.</param>
/// <param name="Bias">[outputs]; optional.</param>
/// <param name="PerSample">[samples, outputs]; optional.</param>
/// <param name="Residual">Like the result; optional, may be its memory.</param>
/// <param name="Result">y, dX, dWeight or dU.</param>
/// <param name="Accumulate">Whether the result is a dWeight that is added to.</param>
/// <param name="Hidden">u, of which GEGLU is taken: forward written, and optional; backward read, and the result may be its memory.</param>
readonly record struct ProductOperands(Tensor X, Tensor Weight, Tensor DY, Tensor Bias, Tensor PerSample, Tensor Residual, Tensor Result,
    bool Accumulate = false, Tensor Hidden = default)
{
    /// <summary>What is added.</summary>
    public ProductAddends Addends => (Bias.IsNone ? 0 : ProductAddends.Bias) | (PerSample.IsNone ? 0 : ProductAddends.PerSample)
        | (Residual.IsNone ? 0 : ProductAddends.Residual) | (Accumulate ? ProductAddends.Gradient : 0)
        | (!Residual.IsNone && Residual.Data == Result.Data ? ProductAddends.InPlace : 0);

    /// <summary>What all addresses are multiples of: 16 at most.</summary>
    public int Alignment
    {
        get
        {
            nint all = X.Data | Weight.Data | DY.Data | Bias.Data | PerSample.Data | Residual.Data | Result.Data | Hidden.Data | 16;
            return (int)(all & -all);
        }
    }
}
