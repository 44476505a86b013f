namespace CommonCanvas.Tensors;

/// <summary>Element-wise functions.</summary>
public enum Activation
{
    /// <summary>x * sigmoid(x).</summary>
    Silu,
    /// <summary>x * Phi(x), with the error function.</summary>
    Gelu,
    /// <summary>x * sigmoid(1.702 x), as OpenAI's CLIP.</summary>
    QuickGelu,
}

/// <summary>Kernel size, stride and zero padding of a convolution.</summary>
/// <param name="Kernel">1 or 3.</param>
/// <param name="Stride">1 or 2.</param>
/// <param name="PadTop">Rows of zeros above.</param>
/// <param name="PadLeft">Columns of zeros on the left.</param>
/// <param name="PadBottom">Rows of zeros below.</param>
/// <param name="PadRight">Columns of zeros on the right.</param>
public readonly record struct ConvGeometry(int Kernel, int Stride, int PadTop, int PadLeft, int PadBottom, int PadRight)
{
    /// <summary>1x1.</summary>
    public static ConvGeometry Pointwise => new(1, 1, 0, 0, 0, 0);

    /// <summary>3x3 that keeps the size.</summary>
    public static ConvGeometry Same3 => new(3, 1, 1, 1, 1, 1);

    /// <summary>3x3, stride 2, padding 1 on every side: the U-Net's downsampler.</summary>
    public static ConvGeometry Down3 => new(3, 2, 1, 1, 1, 1);

    /// <summary>3x3, stride 2, padding right and below only: diffusers' downsampler with padding 0, of AutoencoderKL's encoder.</summary>
    public static ConvGeometry DownAsymmetric3 => new(3, 2, 0, 0, 1, 1);

    /// <summary>Rows of the output for <paramref name="height"/> rows of input.</summary>
    public int OutHeight(int height) => (height + PadTop + PadBottom - Kernel) / Stride + 1;

    /// <summary>Columns of the output for <paramref name="width"/> columns of input.</summary>
    public int OutWidth(int width) => (width + PadLeft + PadRight - Kernel) / Stride + 1;
}

/// <summary>
/// Settings of one step of AdamW, in double as PyTorch holds them: 1 - 0.999f is 1.3e-5 away from 0.001.
/// </summary>
/// <param name="LearningRate">Of this step, schedule included.</param>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled: weights shrink by LearningRate * WeightDecay.</param>
/// <param name="Step">Counts from 1, for the bias corrections.</param>
public readonly record struct AdamWSettings(double LearningRate, double Beta1, double Beta2, double Epsilon, double WeightDecay, int Step);
