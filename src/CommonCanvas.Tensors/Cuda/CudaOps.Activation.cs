namespace CommonCanvas.Tensors;

/// <summary>Activation functions and GEGLU: <c>activation.cu</c>.</summary>
public sealed partial class CudaOps
{
    const string ActivationFile = "activation.cu";

    /// <inheritdoc/>
    public void ActivationForward(Tensor x, Activation f, Tensor y)
    {
        OpChecks.ActivationForward(x, y);
        string name = f switch
        {
            Activation.Silu => "ActivationForwardSilu",
            Activation.Gelu => "ActivationForwardGelu",
            _ => "ActivationForwardQuickGelu",
        };
        LaunchOver(Packs(y), Kernel(ActivationFile, y.Type, name), [x.Data, y.Data, y.Count, Aligned(x, y) ? 1 : 0]);
    }

    /// <inheritdoc/>
    public void ActivationBackward(Tensor x, Activation f, Tensor dY, Tensor dX)
    {
        OpChecks.ActivationBackward(x, dY, dX);
        string name = f switch
        {
            Activation.Silu => "ActivationBackwardSilu",
            Activation.Gelu => "ActivationBackwardGelu",
            _ => "ActivationBackwardQuickGelu",
        };
        LaunchOver(Packs(dX), Kernel(ActivationFile, dX.Type, name), [x.Data, dY.Data, dX.Data, dX.Count, Aligned(x, dY, dX) ? 1 : 0]);
    }

    /// <inheritdoc/>
    public void GegluForward(Tensor x, Tensor y)
    {
        OpChecks.GegluForward(x, y);
        bool packed = Aligned(x, y) && y.Channels % Lanes(y.Type) == 0;
        LaunchOver(Pieces(y, packed), Kernel(ActivationFile, y.Type, nameof(GegluForward)), [x.Data, y.Data, y.Channels, y.Count, packed ? 1 : 0]);
    }

    /// <inheritdoc/>
    public void GegluBackward(Tensor x, Tensor dY, Tensor dX)
    {
        OpChecks.GegluBackward(x, dY, dX);
        bool packed = Aligned(x, dY, dX) && dY.Channels % Lanes(dY.Type) == 0;
        LaunchOver(Pieces(dY, packed), Kernel(ActivationFile, dX.Type, nameof(GegluBackward)), [x.Data, dY.Data, dX.Data, dY.Channels, dY.Count, packed ? 1 : 0]);
    }
}
