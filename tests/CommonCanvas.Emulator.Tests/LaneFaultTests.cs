using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests;

/// <summary>Races between the lanes of a warp through shared memory: what lacks a __syncwarp is named, what has one passes.</summary>
public class LaneFaultTests
{
    const string Copies = """
        __device__ unsigned address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
        __device__ void copy(void* to, const void* from) { asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" :: "r"(address(to)), "l"(from) : "memory"); }
        __device__ void wait() { asm volatile("cp.async.commit_group; cp.async.wait_group 0;" ::: "memory"); }

        """;

    const string Write = "s[i] = x[i];\n", Read = "y[i] = s[i ^ 1];\n", Sync = "__syncwarp();\n";

    /// <summary>Runs two warps on 64 floats; the fault's message, or null.</summary>
    static string? Run(string body, out float[] y)
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile($"{Copies}extern \"C\" __global__ void Lanes(const float* x, float* y) {{\n__shared__ volatile float s[64];\nint i = threadIdx.x;\n{body}}}", "lanes.cu");
        nint input = gpu.Upload<float>([.. Enumerable.Range(0, 64).Select(v => (float)v)]), output = gpu.Upload<float>(new float[64]);
        module["Lanes"].Launch(gpu.Stream, 1, 64, 0, [input, output]);
        y = new float[64];
        try { y = gpu.Download<float>(output, 64); }
        catch (CudaException e) { return e.Message; }
        return null;
    }

    [Theory]
    [InlineData(Write + Read, "read after lane 1 of the same warp wrote it")]
    [InlineData(Write + Sync + Read + "s[i ^ 1] = 3;\n" + Read, null)] // each pair of lanes exchanges places, but a lane's own reads and writes need no order
    [InlineData(Write + Sync + Read + Write, "written after lane 1 of the same warp read it")]
    [InlineData(Write + Sync + "s[i ^ 1] = 2;\n" + Write, "written after lane 1 of the same warp wrote it")]
    [InlineData(Write + Sync + "y[i] = s[i & 32];\n" + Write, "written after several lanes of the same warp read it")]
    [InlineData("copy((void*)(s + i), x + i);\nwait();\n" + Read, "read after lane 1 of the same warp wrote it")]
    public void A_missing_syncwarp(string body, string? expected)
    {
        string? fault = Run(body, out _);
        if (expected is null) Assert.Null(fault);
        else
        {
            Assert.NotNull(fault);
            foreach (string part in new[] { expected, "without a __syncwarp between them", "lanes.cu:", "thread (0, 0, 0)" }) Assert.Contains(part, fault, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(Write + Sync + Read)]
    [InlineData(Write + "__syncthreads();\n" + Read)]
    [InlineData("copy((void*)(s + i), x + i);\nwait();\n" + Sync + Read)]
    [InlineData("for (int round = 0; round < 20000; round++) {\n" + Write + Sync + Read + Sync + "}\n")] // more generations than an entry can tell apart
    public void A_syncwarp_orders(string body)
    {
        Assert.Null(Run(body, out float[] y));
        Assert.Equal(Enumerable.Range(0, 64).Select(v => (float)(v ^ 1)), y);
    }

    /// <summary>Several lanes may write one place in one instruction, and each lane reads what it wrote itself.</summary>
    [Fact]
    public void A_lane_sees_its_own_accesses()
    {
        Assert.Null(Run("s[i] = x[i];\ny[i] = s[i];\ns[i] = y[i] + 1;\ny[i] = s[i];\n", out float[] y));
        Assert.Equal(Enumerable.Range(0, 64).Select(v => v + 1f), y);
        Assert.Null(Run("s[i & 32] = 7;\n__syncwarp();\ny[i] = s[i & 32];\n", out y));
        Assert.Equal(Enumerable.Repeat(7f, 64), y);
    }
}
