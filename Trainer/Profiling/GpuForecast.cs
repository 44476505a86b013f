using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Emulator.Roofline;
using CommonCanvas.Tensors;

namespace CommonCanvas.Trainer.Profiling;

/// <summary>What all launches of a kernel within one operation are predicted to do and to take.</summary>
public sealed class KernelForecast(string name)
{
    /// <summary>Name of the kernel.</summary>
    public string Name { get; } = name;

    /// <summary>Number of launches.</summary>
    public long Launches { get; private set; }

    /// <summary>Predicted time.</summary>
    public double Seconds { get; private set; }

    /// <summary>Floating-point operations of matrix instructions.</summary>
    public double MatrixFlops { get; private set; }

    /// <summary>Share of matrix instructions among those that are issued.</summary>
    public double MatrixShare => instructions > 0 ? matrix / instructions : 0;

    /// <summary>Bytes of device memory.</summary>
    public double DramBytes { get; private set; }

    /// <summary>Passes of shared memory that bank conflicts cost, for each pass without.</summary>
    public double ConflictShare => passes > conflicts ? conflicts / (passes - conflicts) : 0;

    /// <summary>Warps on a multiprocessor, of those that it can hold, in the launches that take longest.</summary>
    public double Occupancy { get; private set; }

    /// <summary>What bounds the launches that take longest.</summary>
    public Bound Bound { get; private set; }

    double instructions, matrix, passes, conflicts, longest;

    internal void Add(LaunchCount count, Prediction prediction, double issued, GpuLimits gpu)
    {
        Launches++;
        Seconds += prediction.Seconds;
        MatrixFlops += count.MatrixFlops;
        DramBytes += count.DramRead + count.DramWritten;
        instructions += issued;
        matrix += count.Matrix;
        passes += count.SharedPasses;
        conflicts += count.BankConflicts;
        if (prediction.Seconds < longest) return;
        (longest, Bound, Occupancy) = (prediction.Seconds, prediction.Bound, (double)prediction.Occupancy.Warps / gpu.Warps);
    }
}

/// <summary>What all calls of an operation are predicted to take.</summary>
public sealed class OperationForecast(string name)
{
    internal readonly Dictionary<string, KernelForecast> byKernel = [];

    /// <summary>The method of <see cref="IOps"/>.</summary>
    public string Name { get; } = name;

    /// <summary>Number of calls.</summary>
    public long Calls { get; internal set; }

    /// <summary>Floating-point operations that the problem needs.</summary>
    public double Flops { get; internal set; }

    /// <summary>Bytes that must be moved: each input and output once.</summary>
    public double LeastBytes { get; internal set; }

    /// <summary>The time that operations and bytes take at the GPU's peaks.</summary>
    public double LeastSeconds { get; internal set; }

    /// <summary>Its kernels, the longest first.</summary>
    public IReadOnlyList<KernelForecast> Kernels => [.. byKernel.Values.OrderByDescending(kernel => kernel.Seconds)];

    /// <summary>Predicted time.</summary>
    public double Seconds => byKernel.Values.Sum(kernel => kernel.Seconds);

    /// <summary>Bytes of device memory that the kernels move.</summary>
    public double DramBytes => byKernel.Values.Sum(kernel => kernel.DramBytes);
}

/// <summary>
/// Predicts what operations take on a GPU: an emulated device runs some blocks of each launch and counts, the machine code of
/// that GPU gives registers and the number of instructions, and <see cref="RooflineModel"/> makes a time of them.
/// </summary>
public sealed class GpuForecast : IDisposable
{
    const long MemoryBytes = 256L << 30;

    readonly CudaOps device;
    readonly Dictionary<string, KernelImage> images = [];
    readonly Dictionary<string, OperationForecast> operations = [];
    readonly Dictionary<string, ProductForecast> products = [];
    readonly bool reduced;

    /// <summary>Makes the device and compiles all kernels for the GPU.</summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="type">Element type of weights and activations.</param>
    /// <param name="threads">Host threads.</param>
    /// <param name="sampled">Blocks of each launch that are run.</param>
    /// <exception cref="LibraryMissingException">There is no NVRTC; with numbered remedies.</exception>
    public GpuForecast(GpuLimits gpu, DType type, int threads, int sampled)
    {
        Gpu = gpu;
        reduced = type.IsReduced();
        var cache = new KernelCache(Nvrtc.Load(), KernelCache.DefaultFolder);
        foreach (string file in KernelSources.Files)
            foreach (var storage in (ReadOnlySpan<DType>)[DType.F32, type])
            {
                var program = cache.Get(KernelSources.Read(file), file, KernelSources.Headers, KernelLibrary.Options($"sm_{gpu.ComputeCapability}", $"STORAGE_{storage}"));
                foreach (var (name, image) in Cubin.Read(program.Cubin)) images[name] = image;
            }
        device = CudaOps.Open(EmulatedDriver.Create(new EmulatedDeviceOptions
        {
            ComputeCapability = gpu.ComputeCapability, Multiprocessors = gpu.Multiprocessors, SharedMemoryPerBlock = gpu.SharedBytesPerBlock,
            SharedMemoryPerMultiprocessor = gpu.SharedBytes, MemoryBytes = MemoryBytes, Threads = threads, Counted = true, SampledBlocks = sampled,
        }), ptxOnly: true);
        Ops = new TimedOps(device, Observe);
    }

    /// <summary>The GPU.</summary>
    public GpuLimits Gpu { get; }

    /// <summary>The device to run on. Values are wrong, for only some blocks are run.</summary>
    public IOps Ops { get; }

    /// <summary>Operations since the last reset, the longest first.</summary>
    public IReadOnlyList<OperationForecast> Operations => [.. operations.Values.OrderByDescending(operation => operation.Seconds)];

    /// <summary>Products with weights since the last reset, the most frequent shapes first, of as many layers those with more operations.</summary>
    public IReadOnlyList<ProductForecast> Products => [.. products.Values.OrderByDescending(product => product.Layers).ThenByDescending(product => product.Flops)];

    /// <summary>Forgets what has been observed.</summary>
    public void Reset()
    {
        operations.Clear();
        products.Clear();
    }

    void Observe(OpTiming call, ReadOnlySpan<OpArgument> arguments)
    {
        var computed = Computed(call, arguments);
        ref var operation = ref CollectionsMarshal.GetValueRefOrAddDefault(operations, call.Name, out _);
        operation ??= new OperationForecast(call.Name);
        operation.Calls++;
        operation.Flops += call.Flops;
        operation.LeastBytes += call.Bytes;
        bool matrix = reduced && (call.Name.StartsWith("Linear", StringComparison.Ordinal) || call.Name.StartsWith("Conv", StringComparison.Ordinal)
            || call.Name.StartsWith("Attention", StringComparison.Ordinal));
        operation.LeastSeconds += RooflineModel.Minimum(Gpu, call.Flops, call.Bytes, matrix);
        foreach (var count in EmulatedDriver.TakeCounts())
        {
            ref var kernel = ref CollectionsMarshal.GetValueRefOrAddDefault(operation.byKernel, count.Kernel, out _);
            kernel ??= new KernelForecast(count.Kernel);
            images.TryGetValue(count.Kernel, out var image);
            double issued = count.Issued(image?.Instructions ?? 0);
            var work = new KernelWork
            {
                Name = count.Kernel, Blocks = count.Grid.Count, Threads = (int)count.Block.Count, Registers = image?.Registers ?? 32, SharedBytes = count.SharedBytes,
                Instructions = issued, Arithmetic = count.Arithmetic, Special = count.Special, MatrixFlops = count.MatrixFlops,
                SharedTraffic = count.SharedPasses * GpuLimits.SharedBytesPerCycle, L2Traffic = count.Sectors * 32, DramTraffic = count.DramRead + count.DramWritten,
            };
            var prediction = RooflineModel.Predict(work, Gpu);
            kernel.Add(count, prediction, issued, Gpu);
            if (ProductForecast.PassOf(call.Name, count.Kernel) is { } pass)
                foreach (var (product, part) in computed) product.Add(pass, part * prediction.Seconds);
        }
    }

    // The products that a call computes, with their passes begun, and the part of its time that each takes: that of its operations.
    List<(ProductForecast Product, double Part)> Computed(OpTiming call, ReadOnlySpan<OpArgument> arguments)
    {
        var computed = new List<(ProductForecast, double)>();
        if (call.Name == nameof(IOps.LinearBackwardWeights))
        {
            for (int i = 0; i < arguments.Length; i += 3)
            {
                var (name, flops, bytes) = ProductForecast.WeightGradient(arguments.Slice(i, 3));
                computed.Add((Begun(name, flops, [(ProductPass.Weight, bytes)]), flops / call.Flops));
            }
        }
        else if (ProductForecast.Shape(call.Name, arguments) is var (name, flops))
            computed.Add((Begun(name, flops, ProductForecast.Passes(call.Name, arguments, call.Bytes)), 1));
        return computed;
    }

    ProductForecast Begun(string name, double flops, IEnumerable<(ProductPass Pass, double Bytes)> passes)
    {
        ref var product = ref CollectionsMarshal.GetValueRefOrAddDefault(products, name, out _);
        product ??= new ProductForecast(name, flops);
        foreach (var (pass, bytes) in passes) product.Begin(pass, RooflineModel.Minimum(Gpu, flops, bytes, reduced));
        return product;
    }

    /// <inheritdoc/>
    public void Dispose() => device.Dispose();
}
