namespace CommonCanvas.Cuda;

/// <summary>What of a convolution is computed.</summary>
public enum ConvolutionPass
{
    /// <summary>y from x and the weight.</summary>
    Forward,
    /// <summary>dX from dY and the weight.</summary>
    BackwardData,
    /// <summary>dWeight from dY and x.</summary>
    BackwardFilter,
}

/// <summary>A convolution of images [samples, height, width, inputs] with a weight [outputs, kernel, kernel, inputs], zeros around the images.</summary>
/// <param name="Samples">Images.</param>
/// <param name="Height">Rows of x.</param>
/// <param name="Width">Columns of x.</param>
/// <param name="Inputs">Channels of x.</param>
/// <param name="OutHeight">Rows of y.</param>
/// <param name="OutWidth">Columns of y.</param>
/// <param name="Outputs">Channels of y.</param>
/// <param name="Kernel">Side of the kernel.</param>
/// <param name="Stride">Distance of windows.</param>
/// <param name="PadHeight">Rows of zeros above and below.</param>
/// <param name="PadWidth">Columns of zeros left and right.</param>
/// <param name="Type">Element type of everything; sums are fp32.</param>
public readonly record struct ConvolutionShape(int Samples, int Height, int Width, int Inputs, int OutHeight, int OutWidth, int Outputs,
    int Kernel, int Stride, int PadHeight, int PadWidth, CuDnnType Type)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"{Type} [{Samples}, {Height}, {Width}, {Inputs}] to [{Samples}, {OutHeight}, {OutWidth}, {Outputs}], kernel {Kernel}, stride {Stride}, padding {PadHeight} {PadWidth}";
}

/// <summary>
/// A convolution by cuDNN: its descriptors and its launch. The algorithm is number 1 of each pass: the one that sums as a matrix
/// product does, in fp32 and in the same order each time. Others transform the operands (FFT, Winograd), which rounds them, or
/// add with atomics.
/// </summary>
public sealed unsafe class CuDnnConvolution : IDisposable
{
    const int Algorithm = 1;

    readonly CuDnn library;
    readonly ConvolutionPass pass;
    readonly LibraryObject x, y, weight, bias, perSample, convolution, activation;

    /// <summary>Describes a convolution.</summary>
    /// <exception cref="LibraryCallException">The library does not take the shape.</exception>
    public CuDnnConvolution(CuDnn library, ConvolutionShape shape, ConvolutionPass pass)
    {
        (this.library, Shape, this.pass) = (library, shape, pass);
        library.Device.MakeCurrent();
        ref readonly var table = ref library.Table;
        x = Tensor(shape.Samples, shape.Inputs, shape.Height, shape.Width);
        y = Tensor(shape.Samples, shape.Outputs, shape.OutHeight, shape.OutWidth);
        bias = Tensor(1, shape.Outputs, 1, 1);
        perSample = Tensor(shape.Samples, shape.Outputs, 1, 1);
        weight = Create(table.cudnnCreateFilterDescriptor, table.cudnnDestroyFilterDescriptor);
        library.Check(table.cudnnSetFilter4dDescriptor(weight.Value, shape.Type, CuDnnFormat.Nhwc, shape.Outputs, shape.Inputs, shape.Kernel, shape.Kernel), shape.ToString());
        convolution = Create(table.cudnnCreateConvolutionDescriptor, table.cudnnDestroyConvolutionDescriptor);
        library.Check(table.cudnnSetConvolution2dDescriptor(convolution.Value, shape.PadHeight, shape.PadWidth, shape.Stride, shape.Stride, 1, 1,
            CuDnnConvolutionMode.CrossCorrelation, CuDnnType.F32), shape.ToString());
        library.Check(table.cudnnSetConvolutionMathType(convolution.Value, shape.Type == CuDnnType.F32 ? CuDnnMath.Fma : CuDnnMath.TensorOp), shape.ToString());
        activation = Create(table.cudnnCreateActivationDescriptor, table.cudnnDestroyActivationDescriptor);
        library.Check(table.cudnnSetActivationDescriptor(activation.Value, CuDnnActivation.Identity, 1, 0), shape.ToString());
    }

    /// <summary>What is computed.</summary>
    public ConvolutionShape Shape { get; }

    /// <summary>Bytes of workspace that it needs; null where the library has no kernel for it.</summary>
    public long? WorkspaceBytes()
    {
        ref readonly var table = ref library.Table;
        nuint bytes;
        int status = pass switch
        {
            ConvolutionPass.Forward => table.cudnnGetConvolutionForwardWorkspaceSize(library.Handle, x.Value, weight.Value, convolution.Value, y.Value, Algorithm, &bytes),
            ConvolutionPass.BackwardData => table.cudnnGetConvolutionBackwardDataWorkspaceSize(library.Handle, weight.Value, y.Value, convolution.Value, x.Value, Algorithm, &bytes),
            _ => table.cudnnGetConvolutionBackwardFilterWorkspaceSize(library.Handle, x.Value, y.Value, convolution.Value, weight.Value, Algorithm, &bytes),
        };
        if (CuDnn.IsNotSupported(status)) return null;
        library.Check(status, Shape.ToString(), $"cudnnGetConvolution{pass}WorkspaceSize(");
        return (long)bytes;
    }

    /// <summary>Queues y = x * weight + bias + residual, the last two optional, summed in fp32 and rounded once; a residual without a bias is not possible.</summary>
    /// <exception cref="LibraryCallException">The library refuses.</exception>
    public void Forward(CudaStream stream, nint x, nint weight, nint bias, nint residual, nint y, nint workspace, long workspaceBytes)
    {
        Start(stream);
        ref readonly var table = ref library.Table;
        float one = 1, zero = 0;
        if (bias == 0)
            Queued(table.cudnnConvolutionForward(library.Handle, &one, this.x.Value, x, this.weight.Value, weight, convolution.Value, Algorithm, workspace, (nuint)workspaceBytes,
                &zero, this.y.Value, y), "cudnnConvolutionForward(");
        else
            Queued(table.cudnnConvolutionBiasActivationForward(library.Handle, &one, this.x.Value, x, this.weight.Value, weight, convolution.Value, Algorithm, workspace, (nuint)workspaceBytes,
                residual == 0 ? &zero : &one, this.y.Value, residual == 0 ? y : residual, this.bias.Value, bias, activation.Value, this.y.Value, y), "cudnnConvolutionBiasActivationForward(");
    }

    /// <summary>Queues y += perSample[samples, outputs], which rounds y once more.</summary>
    /// <exception cref="LibraryCallException">The library refuses.</exception>
    public void AddPerSample(CudaStream stream, nint perSample, nint y)
    {
        Start(stream);
        float one = 1;
        Queued(library.Table.cudnnAddTensor(library.Handle, &one, this.perSample.Value, perSample, &one, this.y.Value, y), "cudnnAddTensor(");
    }

    /// <summary>Queues dX = the gradient.</summary>
    /// <exception cref="LibraryCallException">The library refuses.</exception>
    public void BackwardData(CudaStream stream, nint weight, nint dY, nint dX, nint workspace, long workspaceBytes)
    {
        Start(stream);
        float one = 1, zero = 0;
        Queued(library.Table.cudnnConvolutionBackwardData(library.Handle, &one, this.weight.Value, weight, y.Value, dY, convolution.Value, Algorithm, workspace, (nuint)workspaceBytes,
            &zero, x.Value, dX), "cudnnConvolutionBackwardData(");
    }

    /// <summary>Queues dWeight = the gradient + beta dWeight, of the shape's type.</summary>
    /// <exception cref="LibraryCallException">The library refuses.</exception>
    public void BackwardFilter(CudaStream stream, nint x, nint dY, nint dWeight, float beta, nint workspace, long workspaceBytes)
    {
        Start(stream);
        float one = 1;
        Queued(library.Table.cudnnConvolutionBackwardFilter(library.Handle, &one, this.x.Value, x, y.Value, dY, convolution.Value, Algorithm, workspace, (nuint)workspaceBytes,
            &beta, weight.Value, dWeight), "cudnnConvolutionBackwardFilter(");
    }

    void Start(CudaStream stream)
    {
        library.Device.MakeCurrent();
        Queued(library.Table.cudnnSetStream(library.Handle, stream.Value), "cudnnSetStream(");
    }

    // the text is made only where it is needed
    void Queued(int status, string call)
    {
        if (status != 0) library.Check(status, $"{pass} of {Shape}", call);
    }

    LibraryObject Tensor(int samples, int channels, int height, int width)
    {
        var created = Create(library.Table.cudnnCreateTensorDescriptor, library.Table.cudnnDestroyTensorDescriptor);
        library.Check(library.Table.cudnnSetTensor4dDescriptor(created.Value, CuDnnFormat.Nhwc, Shape.Type, samples, channels, height, width), Shape.ToString());
        return created;
    }

    LibraryObject Create(delegate* unmanaged<nint*, int> create, delegate* unmanaged<nint, int> destroy)
    {
        nint created;
        library.Check(create(&created), Shape.ToString(), "cudnnCreate...Descriptor(");
        return new LibraryObject(created, destroy);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var held in new[] { activation, convolution, weight, perSample, bias, y, x }) held.Dispose();
    }
}
