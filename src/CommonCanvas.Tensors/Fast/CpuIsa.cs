using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CommonCanvas.Tensors;

/// <summary>The instruction sets that the fast operations are compiled for.</summary>
public enum CpuIsa
{
    /// <summary>128-bit vectors of whatever the processor has: any x64, Arm64.</summary>
    Portable,
    /// <summary>256-bit vectors with fused multiply-add.</summary>
    Avx2,
    /// <summary>512-bit vectors.</summary>
    Avx512,
}

/// <summary>What this processor can do, and what of it is used.</summary>
public static class CpuFeatures
{
    /// <summary>Names the instruction set to use instead of the best one: <c>avx512</c>, <c>avx2</c> or <c>portable</c>.</summary>
    public const string IsaVariable = "COMMONCANVAS_ISA";

    /// <summary>The widest instruction set that this processor has.</summary>
    public static CpuIsa Best { get; } = IsSupported(CpuIsa.Avx512) ? CpuIsa.Avx512 : IsSupported(CpuIsa.Avx2) ? CpuIsa.Avx2 : CpuIsa.Portable;

    /// <summary>Whether this processor runs code for <paramref name="isa"/>.</summary>
    public static bool IsSupported(CpuIsa isa) => isa switch
    {
        CpuIsa.Avx512 => Vector512.IsHardwareAccelerated && Avx512F.IsSupported && Avx512BW.IsSupported,
        CpuIsa.Avx2 => Avx2.IsSupported && Fma.IsSupported,
        _ => true,
    };

    /// <summary>The instruction set in use: <see cref="Best"/>, or the one that <see cref="IsaVariable"/> names.</summary>
    /// <exception cref="PlatformNotSupportedException">The variable names one that this processor lacks, or none.</exception>
    public static CpuIsa Selected => Choose(Environment.GetEnvironmentVariable(IsaVariable));

    /// <summary>The instruction set of this name; the best one where there is no name.</summary>
    internal static CpuIsa Choose(string? name)
    {
        if (string.IsNullOrEmpty(name)) return Best;
        CpuIsa isa = name.ToLowerInvariant() switch
        {
            "avx512" => CpuIsa.Avx512,
            "avx2" => CpuIsa.Avx2,
            "portable" => CpuIsa.Portable,
            _ => throw new PlatformNotSupportedException($"{IsaVariable}={name}: must be avx512, avx2 or portable"),
        };
        return IsSupported(isa) ? isa : throw new PlatformNotSupportedException($"{IsaVariable}={name}: this processor has no {Describe(isa)}; its best is {Describe(Best)}");
    }

    /// <summary>Why products of bf16 values are computed in fp32 with instruction set <paramref name="isa"/> unless told otherwise; null where the processor multiplies bf16 itself.</summary>
    public static string? UnusedBf16(CpuIsa isa) => MissingBf16(isa) ?? NativeKernels.Slower;

    /// <summary>Why they cannot be computed otherwise; null where the processor can multiply bf16 itself.</summary>
    public static string? MissingBf16(CpuIsa isa) => isa == CpuIsa.Avx512 ? NativeKernels.Missing : $"{Describe(isa)} in use, the native bf16 kernels need {Describe(CpuIsa.Avx512)}";

    /// <summary>For messages.</summary>
    public static string Describe(CpuIsa isa) => isa switch { CpuIsa.Avx512 => "AVX-512", CpuIsa.Avx2 => "AVX2", _ => "portable vectors" };
}
