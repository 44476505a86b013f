using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Machine;

namespace CommonCanvas.Emulator.Libraries;

/// <summary>
/// cuBLASLt on emulated devices: the same calls with the same refusals, computed on the processor in fp32 when the stream's
/// turn comes. It has two algorithms: one sums the contraction as a whole, the other in two shares that lie in the workspace.
/// </summary>
public static unsafe class EmulatedCuBlasLt
{
    const int WholeAlgorithm = 1, SplitAlgorithm = 2, Shares = 2;

    /// <summary>What it calls itself: 12.0.0.</summary>
    const int Version = 120000;

    sealed class Handle;

    sealed class Description
    {
        public bool TransposeA, TransposeB;
        public MatmulEpilogue Epilogue = MatmulEpilogue.None;
        public nint Bias;
    }

    sealed record Layout(CudaType Type, int Rows, int Columns, long LeadingDimension)
    {
        public nuint Bytes => (nuint)(((Columns - 1) * LeadingDimension + Rows) * HostValues.Size(Type));
    }

    sealed class Preference
    {
        public ulong WorkspaceBytes;
        public uint Schemes = uint.MaxValue;
        public uint[] Alignments = [256, 256, 256, 256];
    }

    /// <summary>The library's calls.</summary>
    public static CuBlasLtTable Table => new()
    {
        cublasLtGetVersion = &cublasLtGetVersion,
        cublasLtCreate = &cublasLtCreate,
        cublasLtDestroy = &cublasLtDestroy,
        cublasLtMatmulDescCreate = &cublasLtMatmulDescCreate,
        cublasLtMatmulDescSetAttribute = &cublasLtMatmulDescSetAttribute,
        cublasLtMatmulDescDestroy = &cublasLtMatmulDescDestroy,
        cublasLtMatrixLayoutCreate = &cublasLtMatrixLayoutCreate,
        cublasLtMatrixLayoutDestroy = &cublasLtMatrixLayoutDestroy,
        cublasLtMatmulPreferenceCreate = &cublasLtMatmulPreferenceCreate,
        cublasLtMatmulPreferenceSetAttribute = &cublasLtMatmulPreferenceSetAttribute,
        cublasLtMatmulPreferenceDestroy = &cublasLtMatmulPreferenceDestroy,
        cublasLtMatmulAlgoGetHeuristic = &cublasLtMatmulAlgoGetHeuristic,
        cublasLtMatmul = &cublasLtMatmul,
    };

    static CuBlasStatus Call(Action body) => (CuBlasStatus)EmulatedLibraries.Call(body, (int)CuBlasStatus.NotInitialized, (int)CuBlasStatus.InvalidValue);

    static Refusal Refused(CuBlasStatus status, string message) => new((int)status, message);

    [UnmanagedCallersOnly] static nuint cublasLtGetVersion() => Version;

    [UnmanagedCallersOnly]
    static CuBlasStatus cublasLtCreate(nint* handle) => Call(() =>
    {
        EmulatedDriver.Context();
        *handle = Handles.Add(new Handle());
    });

    [UnmanagedCallersOnly] static CuBlasStatus cublasLtDestroy(nint handle) => Call(() => Handles.Remove<Handle>(handle));

    [UnmanagedCallersOnly]
    static CuBlasStatus cublasLtMatmulDescCreate(nint* description, CuBlasCompute compute, CudaType scale) => Call(() =>
    {
        if (compute != CuBlasCompute.F32 || scale != CudaType.F32) throw Refused(CuBlasStatus.NotSupported, $"sums in {compute} scaled in {scale}");
        *description = Handles.Add(new Description());
    });

    [UnmanagedCallersOnly]
    static CuBlasStatus cublasLtMatmulDescSetAttribute(nint description, MatmulAttribute attribute, void* value, nuint bytes) => Call(() =>
    {
        var set = Handles.Get<Description>(description);
        switch (attribute)
        {
            case MatmulAttribute.TransposeA: set.TransposeA = Value<int>(attribute, value, bytes) == 1; break;
            case MatmulAttribute.TransposeB: set.TransposeB = Value<int>(attribute, value, bytes) == 1; break;
            case MatmulAttribute.Epilogue: set.Epilogue = Value<MatmulEpilogue>(attribute, value, bytes); break;
            case MatmulAttribute.BiasPointer: set.Bias = Value<nint>(attribute, value, bytes); break;
            default: throw Refused(CuBlasStatus.NotSupported, $"attribute {attribute} of a product");
        }
        if (set.Epilogue is not (MatmulEpilogue.None or MatmulEpilogue.Bias)) throw Refused(CuBlasStatus.NotSupported, $"epilogue {set.Epilogue}");
    });

    static T Value<T>(Enum attribute, void* value, nuint bytes) where T : unmanaged =>
        bytes == (nuint)sizeof(T) ? *(T*)value : throw Refused(CuBlasStatus.InvalidValue, $"{attribute} has {sizeof(T)} bytes, {bytes} were given");

    [UnmanagedCallersOnly] static CuBlasStatus cublasLtMatmulDescDestroy(nint description) => Call(() => Handles.Remove<Description>(description));

    [UnmanagedCallersOnly]
    static CuBlasStatus cublasLtMatrixLayoutCreate(nint* layout, CudaType type, ulong rows, ulong columns, long leadingDimension) => Call(() =>
    {
        if (rows == 0 || columns == 0 || leadingDimension < (long)rows) throw Refused(CuBlasStatus.InvalidValue, $"[{rows}, {columns}] with columns {leadingDimension} apart");
        if (type is not (CudaType.F32 or CudaType.F16 or CudaType.BF16)) throw Refused(CuBlasStatus.NotSupported, $"element type {type}");
        *layout = Handles.Add(new Layout(type, checked((int)rows), checked((int)columns), leadingDimension));
    });

    [UnmanagedCallersOnly] static CuBlasStatus cublasLtMatrixLayoutDestroy(nint layout) => Call(() => Handles.Remove<Layout>(layout));

    [UnmanagedCallersOnly] static CuBlasStatus cublasLtMatmulPreferenceCreate(nint* preference) => Call(() => *preference = Handles.Add(new Preference()));

    [UnmanagedCallersOnly]
    static CuBlasStatus cublasLtMatmulPreferenceSetAttribute(nint preference, PreferenceAttribute attribute, void* value, nuint bytes) => Call(() =>
    {
        var set = Handles.Get<Preference>(preference);
        switch (attribute)
        {
            case PreferenceAttribute.MaxWorkspaceBytes: set.WorkspaceBytes = Value<ulong>(attribute, value, bytes); break;
            case PreferenceAttribute.ReductionSchemeMask: set.Schemes = Value<uint>(attribute, value, bytes); break;
            case >= PreferenceAttribute.MinAlignmentA and <= PreferenceAttribute.MinAlignmentD:
                set.Alignments[attribute - PreferenceAttribute.MinAlignmentA] = Value<uint>(attribute, value, bytes);
                break;
            default: throw Refused(CuBlasStatus.NotSupported, $"preference {attribute}");
        }
    });

    [UnmanagedCallersOnly] static CuBlasStatus cublasLtMatmulPreferenceDestroy(nint preference) => Call(() => Handles.Remove<Preference>(preference));

    [UnmanagedCallersOnly]
    static CuBlasStatus cublasLtMatmulAlgoGetHeuristic(nint handle, nint description, nint a, nint b, nint c, nint d, nint preference, int most,
        MatmulHeuristic* found, int* count) => Call(() =>
    {
        Handles.Get<Handle>(handle);
        var limits = Handles.Get<Preference>(preference);
        var result = Handles.Get<Layout>(d);
        Depth(Handles.Get<Description>(description), Handles.Get<Layout>(a), Handles.Get<Layout>(b), Handles.Get<Layout>(c), result);
        *count = 0;
        Offer(WholeAlgorithm, 0);
        nuint shares = ShareBytes(result);
        if (shares <= limits.WorkspaceBytes && (limits.Schemes & (uint)ReductionSchemes.ComputeType) != 0) Offer(SplitAlgorithm, shares);

        void Offer(int algorithm, nuint workspace)
        {
            if (*count == most) return;
            MatmulHeuristic offer = default;
            offer.Algorithm.Data[0] = (ulong)algorithm;
            offer.Algorithm.Data[1] = limits.Alignments.Min();
            (offer.WorkspaceBytes, offer.State, offer.Waves) = (workspace, CuBlasStatus.Success, 1);
            found[(*count)++] = offer;
        }
    });

    static nuint ShareBytes(Layout result) => (nuint)((long)Shares * result.Rows * result.Columns * sizeof(float));

    [UnmanagedCallersOnly]
    static CuBlasStatus cublasLtMatmul(nint handle, nint description, void* alpha, nint a, nint layoutA, nint b, nint layoutB, void* beta,
        nint c, nint layoutC, nint d, nint layoutD, MatmulAlgorithm* algorithm, nint workspace, nuint workspaceBytes, nint stream) => Call(() =>
    {
        Handles.Get<Handle>(handle);
        var product = Handles.Get<Description>(description);
        Layout ofA = Handles.Get<Layout>(layoutA), ofB = Handles.Get<Layout>(layoutB), ofC = Handles.Get<Layout>(layoutC), ofD = Handles.Get<Layout>(layoutD);
        int depth = Depth(product, ofA, ofB, ofC, ofD);
        float scale = *(float*)alpha, keep = *(float*)beta;
        bool split = algorithm->Data[0] == SplitAlgorithm;
        if (!split && algorithm->Data[0] != WholeAlgorithm) throw Refused(CuBlasStatus.InvalidValue, "the algorithm is none of this library's");
        long alignment = (long)algorithm->Data[1];
        if ((a | b | d | (keep != 0 ? c : 0)) % alignment != 0) throw Refused(CuBlasStatus.InvalidValue, $"an address is no multiple of {alignment}, which the algorithm was chosen for");
        if (split && (workspaceBytes < ShareBytes(ofD) || workspace % 16 != 0)) throw Refused(CuBlasStatus.InvalidValue, $"the workspace of {workspaceBytes} bytes at 0x{workspace:x} is too small or not aligned");

        var queue = EmulatedDriver.Stream(stream);
        byte* dataA = EmulatedDriver.Host(queue.Device, a, ofA.Bytes), dataB = EmulatedDriver.Host(queue.Device, b, ofB.Bytes), dataD = EmulatedDriver.Host(queue.Device, d, ofD.Bytes);
        byte* dataC = keep == 0 ? null : EmulatedDriver.Host(queue.Device, c, ofC.Bytes);
        byte* bias = product.Epilogue == MatmulEpilogue.Bias ? EmulatedDriver.Host(queue.Device, product.Bias, (nuint)(ofD.Rows * HostValues.Size(ofD.Type))) : null;
        byte* shares = split ? EmulatedDriver.Host(queue.Device, workspace, ShareBytes(ofD)) : null;
        var (transposeA, transposeB) = (product.TransposeA, product.TransposeB);
        queue.Add(() => queue.Device.Move(nameof(cublasLtMatmul), (long)(ofA.Bytes + ofB.Bytes), (long)ofD.Bytes, () =>
        {
            float[] rowsOfA = HostValues.Rows(dataA, ofA.Type, ofD.Rows, depth, transposeA ? ofA.LeadingDimension : 1, transposeA ? 1 : ofA.LeadingDimension);
            float[] columnsOfB = HostValues.Rows(dataB, ofB.Type, ofD.Columns, depth, transposeB ? 1 : ofB.LeadingDimension, transposeB ? ofB.LeadingDimension : 1);
            for (int column = 0; column < ofD.Columns; column++)
                for (int row = 0; row < ofD.Rows; row++)
                {
                    ReadOnlySpan<float> x = rowsOfA.AsSpan(row * depth, depth), y = columnsOfB.AsSpan(column * depth, depth);
                    float sum = scale * (split ? SumOfShares(x, y, (float*)shares + Shares * ((long)column * ofD.Rows + row)) : HostValues.Dot(x, y));
                    if (dataC != null) sum += keep * HostValues.Read(dataC, ofC.Type, column * ofC.LeadingDimension + row);
                    if (bias != null) sum += HostValues.Read(bias, ofD.Type, row);
                    HostValues.Write(dataD, ofD.Type, column * ofD.LeadingDimension + row, sum);
                }
            queue.Device.Memory.MarkWritten(dataD, (long)ofD.Bytes);
            if (split) queue.Device.Memory.MarkWritten(shares, (long)ShareBytes(ofD));
        }));
    });

    static float SumOfShares(ReadOnlySpan<float> x, ReadOnlySpan<float> y, float* shares)
    {
        int half = x.Length / 2;
        shares[0] = HostValues.Dot(x[..half], y[..half]);
        shares[1] = HostValues.Dot(x[half..], y[half..]);
        return shares[0] + shares[1];
    }

    /// <summary>The length of the contraction.</summary>
    static int Depth(Description product, Layout a, Layout b, Layout c, Layout d)
    {
        var (m, k) = product.TransposeA ? (a.Columns, a.Rows) : (a.Rows, a.Columns);
        var (depth, n) = product.TransposeB ? (b.Columns, b.Rows) : (b.Rows, b.Columns);
        if (k != depth || m != d.Rows || n != d.Columns || c.Rows != d.Rows || c.Columns != d.Columns)
            throw Refused(CuBlasStatus.InvalidValue, $"[{m}, {k}] by [{depth}, {n}] is not [{d.Rows}, {d.Columns}]");
        if (a.Type != b.Type || c.Type != d.Type || (d.Type != a.Type && d.Type != CudaType.F32))
            throw Refused(CuBlasStatus.NotSupported, $"{a.Type} by {b.Type} added to {c.Type} gives {d.Type}");
        return k;
    }
}
