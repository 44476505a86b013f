using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>cuDNN's calls, one field each: of the API that cuDNN 8 and 9 have in common. Results are plain numbers, for both number errors differently.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct CuDnnTable
{
#pragma warning disable CS1591, IDE1006 // the names are cuDNN's, and so is their documentation
    public delegate* unmanaged<nuint> cudnnGetVersion;
    public delegate* unmanaged<int, byte*> cudnnGetErrorString;
    public delegate* unmanaged<nint*, int> cudnnCreate;
    public delegate* unmanaged<nint, int> cudnnDestroy;
    public delegate* unmanaged<nint, nint, int> cudnnSetStream;

    public delegate* unmanaged<nint*, int> cudnnCreateTensorDescriptor;
    public delegate* unmanaged<nint, CuDnnFormat, CuDnnType, int, int, int, int, int> cudnnSetTensor4dDescriptor;
    public delegate* unmanaged<nint, int> cudnnDestroyTensorDescriptor;
    public delegate* unmanaged<nint*, int> cudnnCreateFilterDescriptor;
    public delegate* unmanaged<nint, CuDnnType, CuDnnFormat, int, int, int, int, int> cudnnSetFilter4dDescriptor;
    public delegate* unmanaged<nint, int> cudnnDestroyFilterDescriptor;
    public delegate* unmanaged<nint*, int> cudnnCreateConvolutionDescriptor;
    public delegate* unmanaged<nint, int, int, int, int, int, int, CuDnnConvolutionMode, CuDnnType, int> cudnnSetConvolution2dDescriptor;
    public delegate* unmanaged<nint, CuDnnMath, int> cudnnSetConvolutionMathType;
    public delegate* unmanaged<nint, int> cudnnDestroyConvolutionDescriptor;
    public delegate* unmanaged<nint*, int> cudnnCreateActivationDescriptor;
    public delegate* unmanaged<nint, CuDnnActivation, int, double, int> cudnnSetActivationDescriptor;
    public delegate* unmanaged<nint, int> cudnnDestroyActivationDescriptor;

    public delegate* unmanaged<nint, nint, nint, nint, nint, int, nuint*, int> cudnnGetConvolutionForwardWorkspaceSize;
    public delegate* unmanaged<nint, nint, nint, nint, nint, int, nuint*, int> cudnnGetConvolutionBackwardDataWorkspaceSize;
    public delegate* unmanaged<nint, nint, nint, nint, nint, int, nuint*, int> cudnnGetConvolutionBackwardFilterWorkspaceSize;
    public delegate* unmanaged<nint, void*, nint, nint, nint, nint, nint, int, nint, nuint, void*, nint, nint, int> cudnnConvolutionForward;
    public delegate* unmanaged<nint, void*, nint, nint, nint, nint, nint, int, nint, nuint, void*, nint, nint, nint, nint, nint, nint, nint, int> cudnnConvolutionBiasActivationForward;
    public delegate* unmanaged<nint, void*, nint, nint, nint, nint, nint, int, nint, nuint, void*, nint, nint, int> cudnnConvolutionBackwardData;
    public delegate* unmanaged<nint, void*, nint, nint, nint, nint, nint, int, nint, nuint, void*, nint, nint, int> cudnnConvolutionBackwardFilter;
    public delegate* unmanaged<nint, void*, nint, nint, void*, nint, nint, int> cudnnAddTensor;
#pragma warning restore CS1591, IDE1006
}

/// <summary>Element types (cudnnDataType_t).</summary>
public enum CuDnnType
{
    /// <summary>fp32.</summary>
    F32 = 0,
    /// <summary>fp16.</summary>
    F16 = 2,
    /// <summary>bf16.</summary>
    BF16 = 9,
}

/// <summary>Order of a tensor's dimensions in memory (cudnnTensorFormat_t); descriptors always name them N, C, H, W.</summary>
public enum CuDnnFormat
{
    /// <summary>Channels last.</summary>
    Nhwc = 1,
}

/// <summary>Whether kernels are mirrored (cudnnConvolutionMode_t).</summary>
public enum CuDnnConvolutionMode
{
    /// <summary>They are not.</summary>
    CrossCorrelation = 1,
}

/// <summary>Instructions (cudnnMathType_t).</summary>
public enum CuDnnMath
{
    /// <summary>Matrix instructions, operands as they are.</summary>
    TensorOp = 1,
    /// <summary>fp32 arithmetic: no TF32.</summary>
    Fma = 3,
}

/// <summary>Activations (cudnnActivationMode_t).</summary>
public enum CuDnnActivation
{
    /// <summary>None.</summary>
    Identity = 5,
}
