using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Machine;

namespace CommonCanvas.Emulator.Libraries;

/// <summary>
/// cuDNN on emulated devices, as far as convolutions of channels-last images go: the same calls with the same refusals, computed
/// on the processor in fp32 when the stream's turn comes (<see cref="ConvolutionLoops"/>). Algorithm 1 of each pass is the only
/// one; those of the two backward passes want workspace, which is filled.
/// </summary>
public static unsafe class EmulatedCuDnn
{
    const int BadParameter = 3, NotInitialized = 1, NotSupported = 9, Algorithm = 1;

    /// <summary>What it calls itself: 8.9.7.</summary>
    const int Version = 8907;

    [ThreadStatic] static nint lastText;

    sealed class Handle
    {
        public nint Stream;
    }

    sealed class TensorDescriptor
    {
        public CuDnnType Type;
        public int N, C, H, W;

        public long Count => (long)N * C * H * W;

        public nuint Bytes => (nuint)(Count * Size(Type));
    }

    sealed class FilterDescriptor
    {
        public CuDnnType Type;
        public int Outputs, Inputs, Height, Width;

        public long Count => (long)Outputs * Inputs * Height * Width;

        public nuint Bytes => (nuint)(Count * Size(Type));
    }

    sealed class ConvolutionDescriptor
    {
        public int PadHeight, PadWidth, StrideHeight, StrideWidth;
        public CuDnnMath Math = CuDnnMath.Fma;
    }

    sealed class ActivationDescriptor
    {
        public CuDnnActivation Mode;
    }

    /// <summary>The library's calls.</summary>
    public static CuDnnTable Table => new()
    {
        cudnnGetVersion = &cudnnGetVersion,
        cudnnGetErrorString = &cudnnGetErrorString,
        cudnnCreate = &cudnnCreate,
        cudnnDestroy = &cudnnDestroy,
        cudnnSetStream = &cudnnSetStream,
        cudnnCreateTensorDescriptor = &cudnnCreateTensorDescriptor,
        cudnnSetTensor4dDescriptor = &cudnnSetTensor4dDescriptor,
        cudnnDestroyTensorDescriptor = &cudnnDestroyTensorDescriptor,
        cudnnCreateFilterDescriptor = &cudnnCreateFilterDescriptor,
        cudnnSetFilter4dDescriptor = &cudnnSetFilter4dDescriptor,
        cudnnDestroyFilterDescriptor = &cudnnDestroyFilterDescriptor,
        cudnnCreateConvolutionDescriptor = &cudnnCreateConvolutionDescriptor,
        cudnnSetConvolution2dDescriptor = &cudnnSetConvolution2dDescriptor,
        cudnnSetConvolutionMathType = &cudnnSetConvolutionMathType,
        cudnnDestroyConvolutionDescriptor = &cudnnDestroyConvolutionDescriptor,
        cudnnCreateActivationDescriptor = &cudnnCreateActivationDescriptor,
        cudnnSetActivationDescriptor = &cudnnSetActivationDescriptor,
        cudnnDestroyActivationDescriptor = &cudnnDestroyActivationDescriptor,
        cudnnGetConvolutionForwardWorkspaceSize = &cudnnGetConvolutionForwardWorkspaceSize,
        cudnnGetConvolutionBackwardDataWorkspaceSize = &cudnnGetConvolutionBackwardDataWorkspaceSize,
        cudnnGetConvolutionBackwardFilterWorkspaceSize = &cudnnGetConvolutionBackwardFilterWorkspaceSize,
        cudnnConvolutionForward = &cudnnConvolutionForward,
        cudnnConvolutionBiasActivationForward = &cudnnConvolutionBiasActivationForward,
        cudnnConvolutionBackwardData = &cudnnConvolutionBackwardData,
        cudnnConvolutionBackwardFilter = &cudnnConvolutionBackwardFilter,
        cudnnAddTensor = &cudnnAddTensor,
    };

    static int Call(Action body) => EmulatedLibraries.Call(body, NotInitialized, BadParameter);

    static Refusal Bad(string message) => new(BadParameter, message);

    static Refusal Unsupported(string message) => new(NotSupported, message);

    static CudaType Of(CuDnnType type) => type switch { CuDnnType.F16 => CudaType.F16, CuDnnType.BF16 => CudaType.BF16, _ => CudaType.F32 };

    static int Size(CuDnnType type) => HostValues.Size(Of(type));

    [UnmanagedCallersOnly] static nuint cudnnGetVersion() => Version;

    // the text lives until the thread asks for the next one
    [UnmanagedCallersOnly]
    static byte* cudnnGetErrorString(int status)
    {
        Marshal.FreeCoTaskMem(lastText);
        lastText = Marshal.StringToCoTaskMemUTF8(status switch
        {
            0 => "CUDNN_STATUS_SUCCESS",
            NotInitialized => "CUDNN_STATUS_NOT_INITIALIZED",
            BadParameter => "CUDNN_STATUS_BAD_PARAM",
            NotSupported => "CUDNN_STATUS_NOT_SUPPORTED",
            _ => "CUDNN_UNKNOWN_STATUS",
        });
        return (byte*)lastText;
    }

    [UnmanagedCallersOnly]
    static int cudnnCreate(nint* handle) => Call(() =>
    {
        EmulatedDriver.Context();
        *handle = Handles.Add(new Handle());
    });

    [UnmanagedCallersOnly] static int cudnnDestroy(nint handle) => Call(() => Handles.Remove<Handle>(handle));

    [UnmanagedCallersOnly]
    static int cudnnSetStream(nint handle, nint stream) => Call(() =>
    {
        EmulatedDriver.Stream(stream);
        Handles.Get<Handle>(handle).Stream = stream;
    });

    [UnmanagedCallersOnly] static int cudnnCreateTensorDescriptor(nint* created) => Call(() => *created = Handles.Add(new TensorDescriptor()));

    [UnmanagedCallersOnly]
    static int cudnnSetTensor4dDescriptor(nint descriptor, CuDnnFormat format, CuDnnType type, int n, int c, int h, int w) => Call(() =>
    {
        Known(format, type, n, c, h, w);
        var set = Handles.Get<TensorDescriptor>(descriptor);
        (set.Type, set.N, set.C, set.H, set.W) = (type, n, c, h, w);
    });

    static void Known(CuDnnFormat format, CuDnnType type, int d0, int d1, int d2, int d3)
    {
        if (format != CuDnnFormat.Nhwc) throw Unsupported($"format {format}");
        if (type is not (CuDnnType.F32 or CuDnnType.F16 or CuDnnType.BF16)) throw Unsupported($"element type {type}");
        if (d0 <= 0 || d1 <= 0 || d2 <= 0 || d3 <= 0) throw Bad($"[{d0}, {d1}, {d2}, {d3}]");
    }

    [UnmanagedCallersOnly] static int cudnnDestroyTensorDescriptor(nint descriptor) => Call(() => Handles.Remove<TensorDescriptor>(descriptor));

    [UnmanagedCallersOnly] static int cudnnCreateFilterDescriptor(nint* created) => Call(() => *created = Handles.Add(new FilterDescriptor()));

    [UnmanagedCallersOnly]
    static int cudnnSetFilter4dDescriptor(nint descriptor, CuDnnType type, CuDnnFormat format, int k, int c, int h, int w) => Call(() =>
    {
        Known(format, type, k, c, h, w);
        var set = Handles.Get<FilterDescriptor>(descriptor);
        (set.Type, set.Outputs, set.Inputs, set.Height, set.Width) = (type, k, c, h, w);
    });

    [UnmanagedCallersOnly] static int cudnnDestroyFilterDescriptor(nint descriptor) => Call(() => Handles.Remove<FilterDescriptor>(descriptor));

    [UnmanagedCallersOnly] static int cudnnCreateConvolutionDescriptor(nint* created) => Call(() => *created = Handles.Add(new ConvolutionDescriptor()));

    [UnmanagedCallersOnly]
    static int cudnnSetConvolution2dDescriptor(nint descriptor, int padHeight, int padWidth, int strideHeight, int strideWidth, int dilationHeight, int dilationWidth,
        CuDnnConvolutionMode mode, CuDnnType compute) => Call(() =>
    {
        if (dilationHeight != 1 || dilationWidth != 1 || mode != CuDnnConvolutionMode.CrossCorrelation || compute != CuDnnType.F32) throw Unsupported($"{mode} with dilation, summed in {compute}");
        if (padHeight < 0 || padWidth < 0 || strideHeight < 1 || strideWidth < 1) throw Bad("padding or stride");
        var set = Handles.Get<ConvolutionDescriptor>(descriptor);
        (set.PadHeight, set.PadWidth, set.StrideHeight, set.StrideWidth) = (padHeight, padWidth, strideHeight, strideWidth);
    });

    [UnmanagedCallersOnly] static int cudnnSetConvolutionMathType(nint descriptor, CuDnnMath math) => Call(() => Handles.Get<ConvolutionDescriptor>(descriptor).Math = math);

    [UnmanagedCallersOnly] static int cudnnDestroyConvolutionDescriptor(nint descriptor) => Call(() => Handles.Remove<ConvolutionDescriptor>(descriptor));

    [UnmanagedCallersOnly] static int cudnnCreateActivationDescriptor(nint* created) => Call(() => *created = Handles.Add(new ActivationDescriptor()));

    [UnmanagedCallersOnly]
    static int cudnnSetActivationDescriptor(nint descriptor, CuDnnActivation mode, int propagateNaN, double coefficient) => Call(() =>
    {
        if (mode != CuDnnActivation.Identity) throw Unsupported($"activation {mode}");
        Handles.Get<ActivationDescriptor>(descriptor).Mode = mode;
    });

    [UnmanagedCallersOnly] static int cudnnDestroyActivationDescriptor(nint descriptor) => Call(() => Handles.Remove<ActivationDescriptor>(descriptor));

    [UnmanagedCallersOnly]
    static int cudnnGetConvolutionForwardWorkspaceSize(nint handle, nint x, nint weight, nint convolution, nint y, int algorithm, nuint* bytes) =>
        Call(() => *bytes = Pass(handle, x, weight, convolution, y, algorithm, needsWorkspace: false).Workspace);

    [UnmanagedCallersOnly]
    static int cudnnGetConvolutionBackwardDataWorkspaceSize(nint handle, nint weight, nint dY, nint convolution, nint dX, int algorithm, nuint* bytes) =>
        Call(() => *bytes = Pass(handle, dX, weight, convolution, dY, algorithm, needsWorkspace: true).Workspace);

    [UnmanagedCallersOnly]
    static int cudnnGetConvolutionBackwardFilterWorkspaceSize(nint handle, nint x, nint dY, nint convolution, nint dWeight, int algorithm, nuint* bytes) =>
        Call(() => *bytes = Pass(handle, x, dWeight, convolution, dY, algorithm, needsWorkspace: true).Workspace);

    /// <summary>The descriptors of a pass, of which each must fit the others.</summary>
    static (WorkQueue Queue, TensorDescriptor X, FilterDescriptor Weight, TensorDescriptor Y, ConvolutionLoops Loops, nuint Workspace) Pass(
        nint handle, nint x, nint weight, nint convolution, nint y, int algorithm, bool needsWorkspace)
    {
        var queue = EmulatedDriver.Stream(Handles.Get<Handle>(handle).Stream);
        var (ofX, ofWeight, ofY, how) = (Handles.Get<TensorDescriptor>(x), Handles.Get<FilterDescriptor>(weight), Handles.Get<TensorDescriptor>(y), Handles.Get<ConvolutionDescriptor>(convolution));
        int height = (ofX.H + 2 * how.PadHeight - ofWeight.Height) / how.StrideHeight + 1, width = (ofX.W + 2 * how.PadWidth - ofWeight.Width) / how.StrideWidth + 1;
        if (algorithm != Algorithm) throw Unsupported($"algorithm {algorithm}");
        if (ofX.C != ofWeight.Inputs || ofY.C != ofWeight.Outputs || ofY.N != ofX.N || ofY.H != height || ofY.W != width)
            throw Bad($"[{ofX.N}, {ofX.C}, {ofX.H}, {ofX.W}] gives [{ofX.N}, {ofWeight.Outputs}, {height}, {width}], not [{ofY.N}, {ofY.C}, {ofY.H}, {ofY.W}]");
        if (ofX.Type != ofWeight.Type || ofX.Type != ofY.Type || (ofX.Type == CuDnnType.F32) != (how.Math == CuDnnMath.Fma))
            throw Unsupported($"{ofX.Type} by {ofWeight.Type} gives {ofY.Type} with {how.Math}");
        var loops = new ConvolutionLoops(ofX.N, ofX.H, ofX.W, ofX.C, height, width, ofY.C, ofWeight.Height, ofWeight.Width,
            how.StrideHeight, how.StrideWidth, how.PadHeight, how.PadWidth);
        return (queue, ofX, ofWeight, ofY, loops, needsWorkspace ? (nuint)(ofWeight.Count * sizeof(float)) : 0);
    }

    [UnmanagedCallersOnly]
    static int cudnnConvolutionForward(nint handle, void* alpha, nint x, nint dataX, nint weight, nint dataWeight, nint convolution, int algorithm,
        nint workspace, nuint workspaceBytes, void* beta, nint y, nint dataY) => Call(() =>
        Forward(handle, *(float*)alpha, x, dataX, weight, dataWeight, convolution, algorithm, *(float*)beta, dataY, bias: 0, y, dataY));

    [UnmanagedCallersOnly]
    static int cudnnConvolutionBiasActivationForward(nint handle, void* alpha, nint x, nint dataX, nint weight, nint dataWeight, nint convolution, int algorithm,
        nint workspace, nuint workspaceBytes, void* alpha2, nint z, nint dataZ, nint bias, nint dataBias, nint activation, nint y, nint dataY) => Call(() =>
    {
        var (ofBias, ofY, ofZ) = (Handles.Get<TensorDescriptor>(bias), Handles.Get<TensorDescriptor>(y), Handles.Get<TensorDescriptor>(z));
        Handles.Get<ActivationDescriptor>(activation);
        if (ofBias.Count != ofY.C || ofBias.C != ofY.C || ofBias.Type != ofY.Type || ofZ.Count != ofY.Count) throw Bad("the bias or what is added does not fit the result");
        if (dataZ == dataY && *(float*)alpha2 != 0) throw Unsupported("what is added lies where the result goes");
        Forward(handle, *(float*)alpha, x, dataX, weight, dataWeight, convolution, algorithm, *(float*)alpha2, dataZ, dataBias, y, dataY);
    });

    static void Forward(nint handle, float alpha, nint x, nint dataX, nint weight, nint dataWeight, nint convolution, int algorithm, float keep, nint added, nint bias, nint y, nint dataY)
    {
        var (queue, ofX, ofWeight, ofY, loops, _) = Pass(handle, x, weight, convolution, y, algorithm, needsWorkspace: false);
        var type = Of(ofX.Type);
        byte* fromX = EmulatedDriver.Host(queue.Device, dataX, ofX.Bytes), fromWeight = EmulatedDriver.Host(queue.Device, dataWeight, ofWeight.Bytes), to = EmulatedDriver.Host(queue.Device, dataY, ofY.Bytes);
        byte* fromAdded = keep == 0 ? null : EmulatedDriver.Host(queue.Device, added, ofY.Bytes);
        byte* fromBias = bias == 0 ? null : EmulatedDriver.Host(queue.Device, bias, (nuint)(ofY.C * Size(ofY.Type)));
        int channels = ofY.C;
        long count = ofY.Count;
        Queue(queue, nameof(cudnnConvolutionForward), ofX.Bytes + ofWeight.Bytes, to, ofY.Bytes, () =>
        {
            float[] sums = loops.Forward(HostValues.Row(fromX, type, ofX.Count), HostValues.Row(fromWeight, type, ofWeight.Count));
            for (long i = 0; i < count; i++)
            {
                float sum = alpha * sums[i];
                if (fromAdded != null) sum += keep * HostValues.Read(fromAdded, type, i);
                if (fromBias != null) sum += HostValues.Read(fromBias, type, i % channels);
                HostValues.Write(to, type, i, sum);
            }
        });
    }

    [UnmanagedCallersOnly]
    static int cudnnConvolutionBackwardData(nint handle, void* alpha, nint weight, nint dataWeight, nint dY, nint dataDY, nint convolution, int algorithm,
        nint workspace, nuint workspaceBytes, void* beta, nint dX, nint dataDX) => Call(() =>
    {
        var (queue, ofX, ofWeight, ofY, loops, needed) = Pass(handle, dX, weight, convolution, dY, algorithm, needsWorkspace: true);
        byte* scratch = Scratch(queue, workspace, workspaceBytes, needed);
        byte* fromWeight = EmulatedDriver.Host(queue.Device, dataWeight, ofWeight.Bytes), fromDY = EmulatedDriver.Host(queue.Device, dataDY, ofY.Bytes), to = EmulatedDriver.Host(queue.Device, dataDX, ofX.Bytes);
        Store(queue, nameof(cudnnConvolutionBackwardData), ofY.Bytes + ofWeight.Bytes, to, Of(ofX.Type), ofX.Count, *(float*)alpha, *(float*)beta, scratch, needed,
            () => loops.BackwardData(HostValues.Row(fromWeight, Of(ofWeight.Type), ofWeight.Count), HostValues.Row(fromDY, Of(ofY.Type), ofY.Count)));
    });

    [UnmanagedCallersOnly]
    static int cudnnConvolutionBackwardFilter(nint handle, void* alpha, nint x, nint dataX, nint dY, nint dataDY, nint convolution, int algorithm,
        nint workspace, nuint workspaceBytes, void* beta, nint dWeight, nint dataDWeight) => Call(() =>
    {
        var (queue, ofX, ofWeight, ofY, loops, needed) = Pass(handle, x, dWeight, convolution, dY, algorithm, needsWorkspace: true);
        byte* scratch = Scratch(queue, workspace, workspaceBytes, needed);
        byte* fromX = EmulatedDriver.Host(queue.Device, dataX, ofX.Bytes), fromDY = EmulatedDriver.Host(queue.Device, dataDY, ofY.Bytes), to = EmulatedDriver.Host(queue.Device, dataDWeight, ofWeight.Bytes);
        Store(queue, nameof(cudnnConvolutionBackwardFilter), ofX.Bytes + ofY.Bytes, to, Of(ofWeight.Type), ofWeight.Count, *(float*)alpha, *(float*)beta, scratch, needed,
            () => loops.BackwardFilter(HostValues.Row(fromX, Of(ofX.Type), ofX.Count), HostValues.Row(fromDY, Of(ofY.Type), ofY.Count)));
    });

    static byte* Scratch(WorkQueue queue, nint workspace, nuint given, nuint needed) =>
        given >= needed ? EmulatedDriver.Host(queue.Device, workspace, needed) : throw Bad($"the workspace of {given} bytes is too small for {needed}");

    static void Store(WorkQueue queue, string name, nuint read, byte* to, CudaType type, long count, float alpha, float beta, byte* scratch, nuint scratchBytes, Func<float[]> compute) =>
        Queue(queue, name, read, to, (nuint)(count * HostValues.Size(type)), () =>
        {
            float[] sums = compute();
            for (long i = 0; i < count; i++) HostValues.Write(to, type, i, alpha * sums[i] + (beta == 0 ? 0 : beta * HostValues.Read(to, type, i)));
            new Span<byte>(scratch, (int)scratchBytes).Fill(0xFF);
            queue.Device.Memory.MarkWritten(scratch, (long)scratchBytes);
        });

    static void Queue(WorkQueue queue, string name, nuint read, byte* to, nuint written, Action work) =>
        queue.Add(() => queue.Device.Move(name, (long)read, (long)written, () =>
        {
            work();
            queue.Device.Memory.MarkWritten(to, (long)written);
        }));

    [UnmanagedCallersOnly]
    static int cudnnAddTensor(nint handle, void* alpha, nint a, nint dataA, void* beta, nint c, nint dataC) => Call(() =>
    {
        var queue = EmulatedDriver.Stream(Handles.Get<Handle>(handle).Stream);
        var (ofA, ofC) = (Handles.Get<TensorDescriptor>(a), Handles.Get<TensorDescriptor>(c));
        if (ofA.Type != ofC.Type || ofA.C != ofC.C || (ofA.N != ofC.N && ofA.N != 1) || ofA.H != 1 || ofA.W != 1) throw Unsupported("what is added has a number for each channel, and sample, of the result");
        byte* from = EmulatedDriver.Host(queue.Device, dataA, ofA.Bytes), to = EmulatedDriver.Host(queue.Device, dataC, ofC.Bytes);
        var (scale, keep, type) = (*(float*)alpha, *(float*)beta, Of(ofC.Type));
        Queue(queue, nameof(cudnnAddTensor), ofA.Bytes + ofC.Bytes, to, ofC.Bytes, () =>
        {
            long plane = (long)ofC.H * ofC.W * ofC.C;
            for (long i = 0; i < ofC.Count; i++)
                HostValues.Write(to, type, i, keep * HostValues.Read(to, type, i) + scale * HostValues.Read(from, type, (ofA.N == 1 ? 0 : i / plane * ofC.C) + i % ofC.C));
        });
    });
}
