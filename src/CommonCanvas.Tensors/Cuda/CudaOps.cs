using System.Runtime.CompilerServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>
/// The operations on a CUDA device, or on the emulated one: launch geometry and nothing else. The arithmetic is in
/// <c>kernels/</c>, one file for each operation, compiled for the storage type at hand. Everything is queued on one stream;
/// only <see cref="Download"/>, <see cref="CountNonFinite"/>, the embeddings and <see cref="Synchronize"/> wait. Not for concurrent use.
/// </summary>
public sealed unsafe partial class CudaOps : IOps
{
    /// <summary>Threads in a block of the kernels that work element by element.</summary>
    const int ElementThreads = 256;

    /// <summary>Blocks for each multiprocessor of a grid-stride kernel: enough to hide latency, few enough to cost nothing.</summary>
    const int BlocksPerMultiprocessor = 8;

    readonly CudaDevice device;
    readonly CudaStream stream;
    readonly PinnedStaging staging;
    readonly KernelLibrary kernels;
    readonly nint arrivals; // counters of arrivals.cuh, zero between launches
    bool disposed;

    /// <summary>Takes over a device.</summary>
    /// <param name="device">Disposed with this.</param>
    /// <param name="cache">Where kernels come from.</param>
    /// <param name="architecture">What they are compiled for: <c>sm_80</c>, or <c>compute_80</c> where the device takes PTX.</param>
    /// <param name="rewrite">Changes kernel files before they are compiled, as a proof of their tests does; null for none.</param>
    /// <param name="ahead">Compiled kernels that are preferred where they fit; null for none.</param>
    public CudaOps(CudaDevice device, KernelCache cache, string architecture, Func<string, string, string>? rewrite = null, AheadOfTimeKernels? ahead = null)
        : this(device, new Lazy<KernelCompiler>(new KernelCompiler(cache, architecture)), rewrite, ahead) { }

    CudaOps(CudaDevice device, Lazy<KernelCompiler> compiler, Func<string, string, string>? rewrite, AheadOfTimeKernels? ahead)
    {
        this.device = device;
        stream = new CudaStream(device);
        staging = new PinnedStaging(stream);
        kernels = new KernelLibrary(device, compiler, rewrite, ahead);
        Arena = new CudaArena(device, () => RefuseInCapture("An allocation"));
        arrivals = device.Allocate(MostArrivals * sizeof(uint));
        stream.Fill32(arrivals, 0, MostArrivals);
    }

    /// <summary>
    /// Opens a device of a driver, with kernels compiled ahead of time where there are some, and with NVRTC and the user's kernel
    /// cache unless there are all of them.
    /// </summary>
    /// <param name="driver">The installed driver's table, or an emulated one.</param>
    /// <param name="ordinal">Which of its devices.</param>
    /// <param name="ptxOnly">Whether the device takes PTX alone, as an emulated one does.</param>
    /// <param name="note">Told of kernels compiled ahead of time that are left alone.</param>
    /// <exception cref="LibraryMissingException">There is no NVRTC, which is needed; with numbered remedies.</exception>
    /// <exception cref="CudaException">There is no such device.</exception>
    public static CudaOps Open(CudaDriver driver, int ordinal = 0, bool ptxOnly = false, Action<string>? note = null)
    {
        var device = new CudaDevice(new CudaApi(driver), ordinal);
        try
        {
            var ahead = ptxOnly ? null : AheadOfTimeKernels.Find(note);
            var compiler = new Lazy<KernelCompiler>(() => KernelCompiler.Load(device.ComputeCapability, ptxOnly));
            if (ahead?.IsComplete(device.ComputeCapability) != true) _ = compiler.Value; // what is missing is said now, not in the middle of a step
            return new CudaOps(device, compiler, rewrite: null, ahead);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Name => $"cuda:{device.Ordinal} ({device.Name})";

    /// <inheritdoc/>
    public Arena Arena { get; }

    /// <inheritdoc/>
    public void Synchronize()
    {
        RefuseInCapture();
        stream.Synchronize();
    }

    /// <inheritdoc/>
    public void BeginStep() { }

    /// <inheritdoc/>
    public void EndStep() { }

    /// <summary>
    /// Frees all. After a kernel's fault the driver refuses every call but the context's release, which frees its memory; the
    /// fault has been reported where it surfaced, so nothing is thrown.
    /// </summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        if (stream.TrySynchronize())
        {
            tuner?.Dispose();
            device.Free(arrivals);
            staging.Dispose();
            Arena.Dispose();
        }
        kernels.Dispose();
        stream.Dispose();
        device.Dispose();
    }

    /// <summary>The kernel <paramref name="name"/> of a file, compiled for a storage type.</summary>
    CudaKernel Kernel(string file, DType storage, string name) => kernels[file, Define(storage), name];

    static string Define(DType storage) => storage switch
    {
        DType.F32 => "STORAGE_F32",
        DType.F16 => "STORAGE_F16",
        DType.BF16 => "STORAGE_BF16",
        _ => throw new ArgumentOutOfRangeException(nameof(storage), storage, "kernels are compiled for F32, F16 and BF16"),
    };

    /// <summary>Queues a kernel.</summary>
    void Launch(CudaKernel kernel, Dim3 grid, Dim3 block, int sharedBytes, ReadOnlySpan<KernelArgument> arguments)
    {
        if (grid.Count > 0) kernel.Launch(stream, grid, block, sharedBytes, arguments);
    }

    /// <summary>Queues a grid-stride kernel over <paramref name="work"/> pieces, one for each thread and round.</summary>
    void LaunchOver(long work, CudaKernel kernel, ReadOnlySpan<KernelArgument> arguments)
    {
        long blocks = Math.Min((work + ElementThreads - 1) / ElementThreads, (long)device.Multiprocessors * BlocksPerMultiprocessor);
        Launch(kernel, (int)blocks, ElementThreads, 0, arguments);
    }

    /// <summary>Whether 16 bytes at a time can be moved from the start of each.</summary>
    static bool Aligned(Tensor a, Tensor b = default, Tensor c = default, Tensor d = default) => ((a.Data | b.Data | c.Data | d.Data) & 15) == 0;

    /// <summary>A count that kernels hold in 31 bits, the end of a last tile included.</summary>
    /// <exception cref="ArgumentException">It is larger: names the operation, the tensor and the remedy.</exception>
    static int Counted(long count, Tensor of, string what, [CallerMemberName] string op = "") => count <= int.MaxValue - 1023 ? (int)count
        : throw new ArgumentException($"{op}: {count} {what} of {of}; the CUDA kernels count up to {int.MaxValue - 1023}: use a smaller microbatch");

    /// <summary>Packs of 16 bytes, or elements where those cannot be moved together: what kernels that divide by them count in 32 bits.</summary>
    /// <exception cref="ArgumentException">There are more.</exception>
    static long Pieces(Tensor of, bool packed, [CallerMemberName] string op = "") => packed ? Packs(of) : of.Count <= uint.MaxValue ? of.Count
        : throw new ArgumentException($"{op}: {of.Count} elements of {of}, of which 16 bytes do not lie in one row; the CUDA kernels count up to {uint.MaxValue}: use a smaller microbatch");

    /// <summary>The rows of a matrix.</summary>
    static int Rows(Tensor of, [CallerMemberName] string op = "") => Counted(of.Rows, of, "rows", op);

    /// <summary>Elements of 16 bytes.</summary>
    static int Lanes(DType type) => 16 / type.Size();
}
