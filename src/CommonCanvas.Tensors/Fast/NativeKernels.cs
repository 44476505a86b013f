using System.Runtime.InteropServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// The library that <c>native/</c> builds: micro-kernels of bf16 products, for which .NET has no instructions. It lies beside
/// the program where there was a C++ compiler; the interface is <c>native/commoncanvas_native.h</c>.
/// </summary>
internal static unsafe class NativeKernels
{
    /// <summary>Set to <c>off</c> to do without the library, to <c>on</c> to use it where that is slower too.</summary>
    public const string Variable = "COMMONCANVAS_NATIVE";

    static NativeKernels()
    {
        string? asked = Environment.GetEnvironmentVariable(Variable);
        if (string.Equals(asked, "off", StringComparison.OrdinalIgnoreCase))
        {
            Missing = $"{Variable}=off";
            return;
        }
        string name = OperatingSystem.IsWindows() ? "commoncanvas_native.dll" : OperatingSystem.IsMacOS() ? "libcommoncanvas_native.dylib" : "libcommoncanvas_native.so";
        if (!NativeLibrary.TryLoad(Path.Combine(AppContext.BaseDirectory, name), out nint library))
        {
            Missing = $"{name} is not beside the program: with CMake and a C++ compiler the build makes it";
            return;
        }
        if (((delegate* unmanaged<int>)NativeLibrary.GetExport(library, "commoncanvas_bf16_supported"))() == 0)
        {
            Missing = "this processor has no bf16 instructions that the library knows (AVX512-BF16)";
            return;
        }
        if (!string.Equals(asked, "on", StringComparison.OrdinalIgnoreCase) && ((delegate* unmanaged<int>)NativeLibrary.GetExport(library, "commoncanvas_bf16_pays"))() == 0)
            Slower = $"this processor's bf16 instructions (AVX512-BF16) are slower; {Variable}=on takes them";
        Rows = (delegate* unmanaged[SuppressGCTransition]<nint, float**, nint, float*, float*, void>)NativeLibrary.GetExport(library, "commoncanvas_bf16_rows");
        Outer = (delegate* unmanaged[SuppressGCTransition]<nint, float*, nint, float*, float*, void>)NativeLibrary.GetExport(library, "commoncanvas_bf16_outer");
    }

    /// <summary>Why there are no kernels; null where there are.</summary>
    public static string? Missing { get; }

    /// <summary>Why kernels that there are do not pay; null where they do.</summary>
    public static string? Slower { get; }

    /// <summary><see cref="MicroKernels{TV, S}.Rows"/> at 16 lanes, each value a pair of bf16 values.</summary>
    public static readonly delegate* unmanaged[SuppressGCTransition]<nint, float**, nint, float*, float*, void> Rows;

    /// <summary><see cref="MicroKernels{TV, S}.Outer"/> at 16 lanes, each value a pair of bf16 values.</summary>
    public static readonly delegate* unmanaged[SuppressGCTransition]<nint, float*, nint, float*, float*, void> Outer;
}
