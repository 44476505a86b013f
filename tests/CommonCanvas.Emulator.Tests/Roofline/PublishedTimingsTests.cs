using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Roofline;

namespace CommonCanvas.Emulator.Tests.Roofline;

/// <summary>
/// The model against timings that others measured: Boehm's fp32 products of 4096 x 4096 matrices on an RTX A6000 ("How to
/// Optimize a CUDA Matmul Kernel", 2022), kernels of the same design written anew. They span a factor of eight, and are bound by
/// different parts of the machine.
/// </summary>
public class PublishedTimingsTests(ITestOutputHelper output)
{
    const int Size = 4096;

    const string Source = """
        // one thread an element of C, neighbours along a row
        extern "C" __global__ void __launch_bounds__(1024) Coalesced(const float* a, const float* b, float* c, int n)
        {
            int row = blockIdx.x * 32 + threadIdx.x / 32, column = blockIdx.y * 32 + threadIdx.x % 32;
            float sum = 0;
            for (int k = 0; k < n; k++) sum += a[row * n + k] * b[k * n + column];
            c[row * n + column] = sum;
        }

        // tiles of 32 x 32 in shared memory
        extern "C" __global__ void __launch_bounds__(1024) Shared(const float* a, const float* b, float* c, int n)
        {
            __shared__ float as[32 * 32], bs[32 * 32];
            int row = threadIdx.x / 32, column = threadIdx.x % 32;
            a += blockIdx.x * 32 * n;
            b += blockIdx.y * 32;
            float sum = 0;
            for (int k = 0; k < n; k += 32)
            {
                as[row * 32 + column] = a[row * n + k + column];
                bs[row * 32 + column] = b[(k + row) * n + column];
                __syncthreads();
                for (int i = 0; i < 32; i++) sum += as[row * 32 + i] * bs[i * 32 + column];
                __syncthreads();
            }
            c[(blockIdx.x * 32 + row) * n + blockIdx.y * 32 + column] = sum;
        }

        // 64 x 64 a block, 8 rows a thread
        extern "C" __global__ void __launch_bounds__(512) Tile1D(const float* a, const float* b, float* c, int n)
        {
            __shared__ float as[64 * 8], bs[8 * 64];
            int row = threadIdx.x / 64, column = threadIdx.x % 64;
            a += blockIdx.y * 64 * n;
            b += blockIdx.x * 64;
            float sum[8] = {};
            for (int k = 0; k < n; k += 8)
            {
                as[threadIdx.x] = a[threadIdx.x / 8 * n + k + threadIdx.x % 8];
                bs[threadIdx.x] = b[(k + row) * n + column];
                __syncthreads();
                for (int i = 0; i < 8; i++)
                {
                    float right = bs[i * 64 + column];
                    for (int r = 0; r < 8; r++) sum[r] += as[(row * 8 + r) * 8 + i] * right;
                }
                __syncthreads();
            }
            for (int r = 0; r < 8; r++) c[(blockIdx.y * 64 + row * 8 + r) * n + blockIdx.x * 64 + column] = sum[r];
        }

        // 128 x 128 a block, 8 x 8 a thread
        extern "C" __global__ void __launch_bounds__(256) Tile2D(const float* a, const float* b, float* c, int n)
        {
            __shared__ float as[128 * 8], bs[8 * 128];
            int row = threadIdx.x / 16, column = threadIdx.x % 16;
            a += blockIdx.y * 128 * n;
            b += blockIdx.x * 128;
            float sum[8][8] = {}, left[8], right[8];
            for (int k = 0; k < n; k += 8)
            {
                for (int i = 0; i < 128; i += 32) as[(threadIdx.x / 8 + i) * 8 + threadIdx.x % 8] = a[(threadIdx.x / 8 + i) * n + k + threadIdx.x % 8];
                for (int i = 0; i < 8; i += 2) bs[(threadIdx.x / 128 + i) * 128 + threadIdx.x % 128] = b[(k + threadIdx.x / 128 + i) * n + threadIdx.x % 128];
                __syncthreads();
                for (int i = 0; i < 8; i++)
                {
                    for (int r = 0; r < 8; r++) left[r] = as[(row * 8 + r) * 8 + i];
                    for (int r = 0; r < 8; r++) right[r] = bs[i * 128 + column * 8 + r];
                    for (int r = 0; r < 8; r++)
                        for (int q = 0; q < 8; q++) sum[r][q] += left[r] * right[q];
                }
                __syncthreads();
            }
            for (int r = 0; r < 8; r++)
                for (int q = 0; q < 8; q++) c[(blockIdx.y * 128 + row * 8 + r) * n + blockIdx.x * 128 + column * 8 + q] = sum[r][q];
        }
        """;

    [Theory]
    [InlineData("Coalesced", 32, 1024, 1986.5)]
    [InlineData("Shared", 32, 1024, 2980.3)]
    [InlineData("Tile1D", 64, 512, 8474.7)]
    [InlineData("Tile2D", 128, 256, 15971.7)]
    public void The_predicted_speed_is_within_the_factor_that_the_documentation_states(string kernel, int tile, int threads, double published)
    {
        var gpu = GpuLimits.Find("a6000");
        using var device = new EmulatedGpu(new EmulatedDeviceOptions { Counted = true, SampledBlocks = 1 });
        using var module = device.Compile(Source);
        var image = Cubin.Read(Nvrtc.Load().Compile(Source, "product.cu", [], [$"-arch=sm_{gpu.ComputeCapability}", "-std=c++17"]).Cubin)[kernel];
        nint a = device.Allocate((long)Size * Size * 4), b = device.Allocate((long)Size * Size * 4), c = device.Allocate((long)Size * Size * 4);
        module[kernel].Launch(device.Stream, new Dim3(Size / tile, Size / tile), threads, 0, [a, b, c, Size]);
        device.Stream.Synchronize();
        var count = Assert.Single(EmulatedDriver.TakeCounts());
        var prediction = RooflineModel.Predict(new KernelWork
        {
            Name = kernel, Blocks = count.Grid.Count, Threads = threads, Registers = image.Registers, SharedBytes = count.SharedBytes,
            Instructions = count.Issued(image.Instructions), Arithmetic = count.Arithmetic, SharedTraffic = count.SharedPasses * 128,
            L2Traffic = count.Sectors * 32, DramTraffic = count.DramRead + count.DramWritten,
        }, gpu);
        double speed = 2.0 * Size * Size * Size / prediction.Seconds / 1e9;
        output.WriteLine($"{kernel}: {speed:F0} GFLOP/s predicted, {published:F0} measured, ratio {speed / published:F2}, bound by {prediction.Bound}, {image.Registers} registers");
        Assert.InRange(speed / published, 1 / 1.6, 1.6);
    }
}
