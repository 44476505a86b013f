using System.Runtime.Intrinsics;

namespace CommonCanvas.Tensors;

/// <summary>
/// The CPU device for training: vector instructions and all cores. What it does not override is <see cref="CpuOps"/>'s. Sums
/// are fp32 in blocks that the shapes alone determine (fp64 across blocks of norms and reductions), so results do not depend
/// on the number of threads. Not for concurrent use.
/// </summary>
public abstract class CpuFastOps : CpuOps
{
    private protected CpuFastOps(int threads, bool nativeBf16) => (Team, NativeBf16) = (new ThreadTeam(threads), nativeBf16);

    /// <summary>The threads that share the work.</summary>
    public ThreadTeam Team { get; }

    /// <summary>The instruction set in use.</summary>
    public abstract CpuIsa Isa { get; }

    /// <summary>Whether products of bf16 values use the processor's bf16 instructions, through <see cref="NativeKernels"/>; otherwise they are computed in fp32.</summary>
    public bool NativeBf16 { get; }

    /// <inheritdoc/>
    public override string Name => $"cpu ({CpuFeatures.Describe(Isa)}{(NativeBf16 ? " with bf16" : "")}, {Team.Threads} threads)";

    /// <summary>Makes the device.</summary>
    /// <param name="threads">Threads, the caller included; 0 for one on each core.</param>
    /// <param name="isa">The instruction set; <see cref="CpuFeatures.Selected"/> by default.</param>
    /// <param name="nativeBf16">Whether to use the native bf16 kernels, which go with AVX-512; by default where there are any that pay.</param>
    /// <exception cref="PlatformNotSupportedException">This processor lacks <paramref name="isa"/>, or there are no kernels.</exception>
    public static CpuFastOps Create(int threads = 0, CpuIsa? isa = null, bool? nativeBf16 = null)
    {
        var wanted = isa ?? CpuFeatures.Selected;
        if (!CpuFeatures.IsSupported(wanted)) throw new PlatformNotSupportedException($"this processor has no {CpuFeatures.Describe(wanted)}");
        string? missing = CpuFeatures.MissingBf16(wanted);
        if (nativeBf16 == true && missing is not null) throw new PlatformNotSupportedException($"no native bf16 kernels: {missing}");
        return wanted switch
        {
            CpuIsa.Avx512 => new CpuFastOps<Vector512<float>, Lanes512>(threads, nativeBf16 ?? CpuFeatures.UnusedBf16(wanted) is null),
            CpuIsa.Avx2 => new CpuFastOps<Vector256<float>, Lanes256>(threads, false),
            _ => new CpuFastOps<Vector128<float>, Lanes128>(threads, false),
        };
    }

    /// <inheritdoc/>
    public override void BeginStep() => Team.BeginStep();

    /// <inheritdoc/>
    public override void EndStep() => Team.EndStep();
}

/// <summary><see cref="CpuFastOps"/> compiled for one instruction set.</summary>
internal sealed unsafe partial class CpuFastOps<TV, S>(int threads, bool nativeBf16) : CpuFastOps(threads, nativeBf16) where TV : struct where S : struct, ILanes<TV>
{
    readonly Scratch scratch = new();

    public override CpuIsa Isa => S.Isa;

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Team.Dispose();
            scratch.Dispose();
        }
        base.Dispose(disposing);
    }
}
