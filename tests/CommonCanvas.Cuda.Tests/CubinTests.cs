using CommonCanvas.Cuda;

namespace CommonCanvas.Cuda.Tests;

public class CubinTests
{
    const string Source = """
        extern "C" __global__ void Product(const unsigned* a, float* d)
        {
            __shared__ unsigned tile[96];
            tile[threadIdx.x] = a[threadIdx.x];
            __syncthreads();
            float c[4] = {};
            for (int i = 0; i < 2; i++)
                asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(tile[threadIdx.x]), "r"(tile[threadIdx.x + 32]), "r"(tile[threadIdx.x + 64]));
            for (int i = 0; i < 4; i++) d[threadIdx.x * 4 + i] = c[i];
        }

        extern "C" __global__ void Indexed(const int* at, float* y)
        {
            float table[64];
            for (int i = 0; i < 64; i++) table[i] = 0;
            for (int i = 0; i < 100; i++) table[at[i] & 63] += y[i];
            y[threadIdx.x] = table[at[threadIdx.x] & 63];
        }
        """;

    /// <summary>For the oldest and the newest device of those that the compiler knows too: images differ.</summary>
    [Theory, InlineData(75), InlineData(80), InlineData(90), InlineData(100), InlineData(120)]
    public void Registers_shared_memory_matrix_instructions_and_local_memory_are_read(int architecture)
    {
        var compiler = Load();
        Assert.SkipWhen(!compiler.Architectures.Contains(architecture), $"NVRTC {compiler.Version} does not compile for sm_{architecture}");
        var program = compiler.Compile(Source, "product.cu", [], [$"-arch=sm_{architecture}", "--ptxas-options=-v"]);
        var kernels = Cubin.Read(program.Cubin);
        Assert.Equal(["Indexed", "Product"], kernels.Keys.Order());
        int reserved = architecture >= 90 ? 1024 : 0;
        Assert.Equal((reserved + 96 * 4, 2, 0), (kernels["Product"].SharedBytes, kernels["Product"].MatrixInstructions, kernels["Product"].LocalAccesses));
        Assert.Equal(0, kernels["Indexed"].MatrixInstructions);
        Assert.True(kernels["Indexed"].LocalAccesses > 0);
        foreach (var kernel in kernels.Values)
        {
            Assert.Contains($"Used {kernel.Registers} registers", program.Log);
            Assert.InRange(kernel.Instructions, 10, 2000);
        }
    }

    [Fact]
    public void What_is_no_image_is_refused()
    {
        Assert.Contains("real architecture", Assert.Throws<InvalidDataException>(() => Cubin.Read([])).Message);
        byte[] image = Load().Compile(Source, "product.cu", [], ["-arch=sm_80"]).Cubin;
        foreach (int cut in new[] { 4, 64, image.Length / 2 }) Assert.Throws<InvalidDataException>(() => Cubin.Read(image[..cut]));
    }

    static Nvrtc Load()
    {
        try { return Nvrtc.Load(); }
        catch (LibraryMissingException e)
        {
            Assert.Skip(e.Message);
            throw;
        }
    }
}
