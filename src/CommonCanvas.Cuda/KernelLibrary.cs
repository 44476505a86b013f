using System.Reflection;

namespace CommonCanvas.Cuda;

/// <summary>The sources of <c>kernels/</c>, which the assembly carries.</summary>
public static class KernelSources
{
    const string Prefix = "kernels/";
    static readonly Assembly Carrier = typeof(KernelSources).Assembly;

    /// <summary>Names of the kernel files: <c>groupnorm.cu</c>.</summary>
    public static IReadOnlyList<string> Files { get; } = [.. Names(".cu")];

    /// <summary>Preprocessor definitions of the storage types, each of which every file is compiled with.</summary>
    public static IReadOnlyList<string> Storages { get; } = ["STORAGE_F32", "STORAGE_F16", "STORAGE_BF16"];

    /// <summary>Name and text of every header.</summary>
    public static IReadOnlyList<(string Name, string Text)> Headers { get; } = [.. Names(".cuh").Select(name => (name, Read(name)))];

    /// <summary>The text of a file.</summary>
    /// <exception cref="FileNotFoundException">There is no such kernel file.</exception>
    public static string Read(string name)
    {
        using var reader = new StreamReader(Open(name));
        return reader.ReadToEnd();
    }

    /// <summary>The bytes of a file or header.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static byte[] Bytes(string name)
    {
        using var stream = Open(name);
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    static Stream Open(string name) => Carrier.GetManifestResourceStream(Prefix + name)
        ?? throw new FileNotFoundException($"no kernel file '{name}'; there are {string.Join(", ", Files)}", name);

    static IEnumerable<string> Names(string extension) => Carrier.GetManifestResourceNames()
        .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal) && name.EndsWith(extension, StringComparison.Ordinal))
        .Select(name => name[Prefix.Length..]).Order(StringComparer.Ordinal);
}

/// <summary>What compiles kernels at run time.</summary>
/// <param name="Cache">Compiles and remembers.</param>
/// <param name="Architecture">What NVRTC compiles for: <c>sm_80</c>, or <c>compute_80</c> for PTX alone.</param>
public sealed record KernelCompiler(KernelCache Cache, string Architecture)
{
    /// <summary>NVRTC with the user's kernel cache.</summary>
    /// <param name="computeCapability">Of the device, times ten.</param>
    /// <param name="ptxOnly">Whether the device takes PTX alone, as an emulated one does.</param>
    /// <exception cref="LibraryMissingException">There is no NVRTC; with numbered remedies.</exception>
    public static KernelCompiler Load(int computeCapability, bool ptxOnly)
    {
        var nvrtc = Nvrtc.Load();
        return new KernelCompiler(new KernelCache(nvrtc, KernelCache.DefaultFolder), ptxOnly ? $"compute_{computeCapability}" : nvrtc.ArchitectureFor(computeCapability));
    }
}

/// <summary>The kernels of a device: compiled, or read from the cache, when they are first asked for.</summary>
/// <param name="device">Where they are loaded.</param>
/// <param name="compiler">Compiles what is not there ahead of time; not loaded before.</param>
/// <param name="rewrite">Changes the text of a file or header, given its name, before it is compiled; null to take it as it is.</param>
/// <param name="ahead">Compiled kernels that are preferred where they fit; null for none.</param>
public sealed class KernelLibrary(CudaDevice device, Lazy<KernelCompiler> compiler, Func<string, string, string>? rewrite = null, AheadOfTimeKernels? ahead = null) : IDisposable
{
    readonly Dictionary<(string File, string Define), CudaModule> modules = [];
    readonly Dictionary<(string File, string Define, string Name), CudaKernel> kernels = [];

    /// <summary>Options of every compilation. Kernels name their own approximations, so fast math is not among them.</summary>
    public static IReadOnlyList<string> Options(string architecture, string define) =>
        [$"-arch={architecture}", $"-D{define}", "-std=c++17", "-lineinfo"];

    /// <summary>A kernel by file, preprocessor definition and name.</summary>
    /// <exception cref="KernelCompilationException">With the compiler's log.</exception>
    /// <exception cref="LibraryMissingException">It has to be compiled, and there is no NVRTC.</exception>
    public CudaKernel this[string file, string define, string name]
    {
        get
        {
            if (kernels.TryGetValue((file, define, name), out var kernel)) return kernel;
            if (!modules.TryGetValue((file, define), out var module)) modules[(file, define)] = module = LoadAhead(file, define) ?? Compile(file, define);
            return kernels[(file, define, name)] = module[name];
        }
    }

    // PTX within an image can be newer than the driver; then the driver says so.
    CudaModule? LoadAhead(string file, string define)
    {
        if (rewrite is not null || ahead?.Get(file, define, device.ComputeCapability) is not { } program) return null;
        try
        {
            return new CudaModule(device, program, $"{file} -D{define}, ahead of time");
        }
        catch (CudaException e)
        {
            ahead.Leave(e.Message);
            return null;
        }
    }

    CudaModule Compile(string file, string define)
    {
        var (cache, architecture) = compiler.Value;
        return new(device, cache.Get(Text(file, KernelSources.Read(file)), file, Headers, Options(architecture, define)), $"{file} -D{define}");
    }

    IReadOnlyList<(string Name, string Text)> Headers =>
        rewrite is null ? KernelSources.Headers : [.. KernelSources.Headers.Select(header => (header.Name, Text(header.Name, header.Text)))];

    string Text(string name, string text) => rewrite is null ? text : rewrite(name, text);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var module in modules.Values) module.Dispose();
        modules.Clear();
        kernels.Clear();
    }
}
