using CommonCanvas.Cuda;

namespace CommonCanvas.Cuda.Tests;

public class NvrtcTests
{
    const string Source = """
        #include "scale.cuh"
        extern "C" __global__ void Scale(const float* x, float factor, int n, float* y)
        {
            int i = blockIdx.x * blockDim.x + threadIdx.x;
            if (i < n) y[i] = scaled(x[i], factor);
        }
        """;

    static readonly (string, string)[] Headers = [("scale.cuh", "__device__ inline float scaled(float x, float f) { return x * f; }")];

    static Nvrtc Load()
    {
        try { return Nvrtc.Load(); }
        catch (LibraryMissingException e)
        {
            Assert.Skip(e.Message);
            throw;
        }
    }

    [Fact]
    public void Compiles_to_ptx_and_machine_code_with_registers_in_the_log()
    {
        var program = Load().Compile(Source, "scale.cu", Headers, ["-arch=sm_80", "--ptxas-options=-v"]);
        Assert.Contains(".entry Scale", program.Ptx);
        Assert.Equal([0x7f, (byte)'E', (byte)'L', (byte)'F'], program.Cubin[..4]);
        Assert.Contains("registers", program.Log);
        Assert.Equal([8, 4, 4, 8], CudaModule.ParameterSizes(program.Ptx)["Scale"]);
    }

    /// <summary>From sm_100 on NVRTC 13 says of a pointer what it points to.</summary>
    [Fact]
    public void The_sizes_of_parameters_are_read_from_the_ptx_of_every_architecture()
    {
        var compiler = Load();
        foreach (int architecture in compiler.Architectures.Where(architecture => architecture >= 70))
            Assert.Equal([8, 4, 4, 8], CudaModule.ParameterSizes(compiler.Compile(Source, "scale.cu", Headers, [$"-arch=compute_{architecture}"]).Ptx)["Scale"]);
    }

    [Theory]
    [InlineData(".param .u64 x", 8)]
    [InlineData(".param .f32 x", 4)]
    [InlineData(".param .u64 .ptr .align 1 x", 8)]
    [InlineData(".param .u64 .ptr .global .align 16 x", 8)]
    [InlineData(".param .u64 .ptr x", 8)]
    [InlineData(".param .align 8 .b8 x[24]", 24)]
    public void The_size_of_a_parameter_is_read_in_every_form_of_its_declaration(string declaration, int bytes) =>
        Assert.Equal([4, bytes, 8], CudaModule.ParameterSizes($".visible .entry Kernel(\n\t.param .u32 first,\n\t{declaration},\n\t.param .u64 last\n)\n{{")["Kernel"]);

    [Fact]
    public void An_error_names_file_and_line()
    {
        var error = Assert.Throws<KernelCompilationException>(() =>
            Load().Compile(Source.Replace("y[i] =", "z[i] ="), "scale.cu", Headers, ["-arch=sm_80"]));
        Assert.Contains("scale.cu(5): error", error.Message);
    }

    [Fact]
    public void The_cache_compiles_once_and_replaces_a_damaged_entry()
    {
        var compiler = Load();
        string folder = Directory.CreateTempSubdirectory("kernel-cache").FullName;
        try
        {
            NvrtcProgram Get(KernelCache cache, string option) => cache.Get(Source, "scale.cu", Headers, ["-arch=sm_80", option]);
            var first = new KernelCache(compiler, folder);
            var made = Get(first, "-lineinfo");
            Assert.Equal((made.Ptx, (0, 1)), (Get(new KernelCache(compiler, folder), "-lineinfo").Ptx, (first.Hits, first.Misses)));

            string entry = Assert.Single(Directory.GetFiles(folder));
            byte[] bytes = File.ReadAllBytes(entry);
            bytes[bytes.Length / 2] ^= 1;
            File.WriteAllBytes(entry, bytes);
            var second = new KernelCache(compiler, folder);
            Assert.Equal(made.Ptx, Get(second, "-lineinfo").Ptx);
            Assert.Equal(made.Cubin, Get(second, "-lineinfo").Cubin);
            Assert.Equal((1, 1), (second.Hits, second.Misses));

            Get(second, "-use_fast_math");
            Assert.Equal(2, Directory.GetFiles(folder).Length);
        }
        finally { Directory.Delete(folder, recursive: true); }
    }

    [Fact]
    public void A_folder_that_cannot_be_written_costs_nothing()
    {
        string file = Path.GetTempFileName();
        try
        {
            var cache = new KernelCache(Load(), Path.Combine(file, "below-a-file"));
            Assert.Contains(".entry Scale", cache.Get(Source, "scale.cu", Headers, ["-arch=compute_80"]).Ptx);
        }
        finally { File.Delete(file); }
    }
}
