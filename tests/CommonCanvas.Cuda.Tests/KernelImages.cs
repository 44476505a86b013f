using CommonCanvas.Cuda;

namespace CommonCanvas.Cuda.Tests;

/// <summary>The machine code of the kernel files, compiled once in a run.</summary>
static class KernelImages
{
    static readonly Lazy<Nvrtc> compiler = new(Nvrtc.Load);
    static readonly Lazy<KernelCache> cache = new(() => new KernelCache(compiler.Value, KernelCache.DefaultFolder));

    public static readonly string[] Storages = ["F32", "F16", "BF16"];

    /// <summary>The compiler; skips the test where there is none.</summary>
    public static Nvrtc Compiler
    {
        get
        {
            try { return compiler.Value; }
            catch (LibraryMissingException e)
            {
                Assert.Skip(e.Message);
                throw;
            }
        }
    }

    /// <summary>The kernels of a file for a storage type on an architecture, by name.</summary>
    public static IReadOnlyDictionary<string, KernelImage> Of(string file, string storage, int architecture)
    {
        if (!Compiler.Architectures.Contains(architecture)) Assert.Skip($"NVRTC {Compiler.Version} does not compile for sm_{architecture}");
        lock (cache)
            return Cubin.Read(cache.Value.Get(KernelSources.Read(file), file, KernelSources.Headers, KernelLibrary.Options($"sm_{architecture}", $"STORAGE_{storage}")).Cubin);
    }
}
