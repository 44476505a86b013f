using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests;

public class CountingTests
{
    const string Source = """
        extern "C" __global__ void Copy(const float* x, float* y, int stride)
        {
            int i = (blockIdx.x * blockDim.x + threadIdx.x) * stride;
            y[i] = x[i] + 1;
        }

        extern "C" __global__ void Again(const float* x, float* y)
        {
            float sum = 0;
            for (int i = 0; i < 4; i++) sum += __ldcg(x + threadIdx.x);
            y[blockIdx.x * blockDim.x + threadIdx.x] = sum;
        }

        __device__ void Write(const float* x, float* y, bool reads)
        {
            float sum = 0;
            if (reads)
                for (int i = 0; i < 8; i++) sum += x[i * 32 + threadIdx.x];
            y[blockIdx.x * blockDim.x + threadIdx.x] = sum;
        }
        extern "C" __global__ void FirstAlone(const float* x, float* y) { Write(x, y, blockIdx.x == 0); }
        extern "C" __global__ void LastAlone(const float* x, float* y) { Write(x, y, blockIdx.x + 1 == gridDim.x); }

        extern "C" __global__ void Banks(float* y, int stride)
        {
            __shared__ float tile[32 * 32];
            for (int i = threadIdx.x; i < 32 * 32; i += 32) tile[i] = i;
            __syncwarp();
            y[threadIdx.x] = tile[threadIdx.x * stride];
        }

        extern "C" __global__ void Wide(float4* y, int stride)
        {
            __shared__ float4 tile[32 * 8];
            for (int i = threadIdx.x; i < 32 * 8; i += 32) tile[i] = make_float4(i, i, i, i);
            __syncwarp();
            y[threadIdx.x] = tile[threadIdx.x * stride];
        }

        extern "C" __global__ void Product(unsigned* x, float* y)
        {
            float c[4] = {};
            for (int i = 0; i < 7; i++)
                asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %4, %5}, {%4, %5}, {%0, %1, %2, %3};"
                    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(x[threadIdx.x]), "r"(x[threadIdx.x + 32]));
            y[threadIdx.x] = c[0] + c[1] + c[2] + c[3] + exp2f(c[0]);
        }

        extern "C" __global__ void Add(float* y) { atomicAdd(y, 1.0f); }
        """;

    [Theory]
    [InlineData(1, 128, 128)]   // 512 threads of 4 bytes: 64 sectors read, 64 written
    [InlineData(2, 256, 128)]
    [InlineData(8, 1024, 128)]  // a sector for each thread
    public void Sectors_are_what_the_lanes_of_an_access_touch(int stride, double sectors, double needed)
    {
        var count = Run("Copy", 4, 128, stride);
        Assert.Equal((sectors, needed), (count.Sectors, count.SectorsNeeded));
        Assert.Equal((sectors / 2 * 32, sectors / 2 * 32), (count.DramRead, count.DramWritten));
        Assert.Equal(2 * 16, count.MemoryInstructions); // a load and a store for each of 16 warps
    }

    /// <summary>Four loads of the same bytes by each of three blocks: asked for again, read from memory once.</summary>
    [Fact]
    public void Device_memory_is_read_once_a_launch()
    {
        var count = Run("Again", 3, 64);
        Assert.Equal(64 * 4, count.DramRead);
        Assert.Equal(3 * 64 * 4, count.DramWritten);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    [InlineData(3, 0)]
    [InlineData(8, 7)]
    [InlineData(32, 31)]
    [InlineData(0, 0)] // all lanes want the same word
    public void Bank_conflicts_are_the_passes_beyond_one(int stride, double conflicts)
    {
        var count = Run("Banks", 1, 32, stride);
        Assert.Equal(conflicts, count.BankConflicts);
        Assert.Equal(32 + 1 + conflicts, count.SharedPasses); // 32 stores without a conflict
    }

    /// <summary>16 bytes a lane: a quarter of a warp at a time, each of 32 words.</summary>
    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 4)]
    [InlineData(8, 28)]
    public void Wide_accesses_are_made_a_quarter_warp_at_a_time(int stride, double conflicts)
    {
        var count = Run("Wide", 1, 32, stride);
        Assert.Equal(conflicts, count.BankConflicts);
        Assert.Equal(4 * 8 + 4 + conflicts, count.SharedPasses);
    }

    [Fact]
    public void Instructions_are_counted_by_class()
    {
        var count = Run("Product", 5, 32);
        Assert.Equal((5 * 7, 5 * 7 * 2.0 * 16 * 8 * 16), (count.Matrix, count.MatrixFlops));
        Assert.True(count.Special >= 5 && count.Arithmetic >= 5 * 3 && count.Instructions > count.Matrix + count.Special);
        Assert.Equal(6 * 32, Run("Add", 6, 32).Atomics);
    }

    [Fact]
    public void A_sample_of_equal_blocks_counts_as_all_of_them()
    {
        LaunchCount all = Run("Copy", 64, 128, 1), sampled = Run("Copy", 64, 128, 1, sampled: 3);
        Assert.Equal((64, 3), (all.BlocksRun, sampled.BlocksRun));
        Assert.Equal(all with { BlocksRun = 3 }, sampled);
        Assert.Equal(64 * 4, Run("Again", 64, 64, sampled: 2).DramRead);
    }

    /// <summary>The first and the last block stand for themselves, those between them for all between.</summary>
    [Fact]
    public void Blocks_at_the_ends_do_not_count_for_the_others()
    {
        foreach (string kernel in new[] { "FirstAlone", "LastAlone" })
        {
            LaunchCount all = Run(kernel, 64, 32), sampled = Run(kernel, 64, 32, sampled: 4);
            Assert.Equal((64, 4), (all.BlocksRun, sampled.BlocksRun));
            Assert.Equal(all with { BlocksRun = 4 }, sampled);
        }
        Assert.Equal(32 * 32, Run("FirstAlone", 64, 32).DramRead);
    }

    /// <summary>Launches that differ in pointers alone are run once; in a sample, memory is neither filled nor copied to.</summary>
    [Fact]
    public void A_sampled_launch_is_counted_once_for_all_like_it()
    {
        using var gpu = new EmulatedGpu(new EmulatedDeviceOptions { Counted = true, SampledBlocks = 1 });
        using var module = gpu.Compile(Source);
        nint x = gpu.Upload<float>([1, 2, 3, 4]), y = gpu.Allocate(1 << 12), z = gpu.Allocate(1 << 12);
        foreach (nint to in new[] { y, z, y + 4 }) module["Copy"].Launch(gpu.Stream, 2, 128, 0, [x, to, 1]);
        gpu.Stream.Fill32(z, 7, 1024);
        gpu.Stream.Synchronize();
        var counts = EmulatedDriver.TakeCounts();
        Assert.Same(counts[0], counts[1]);
        Assert.NotSame(counts[0], counts[2]);
        Assert.Equal(("memset", 0, 4096), (counts[3].Kernel, counts[3].DramRead, counts[3].DramWritten));
        Assert.Equal(new uint[4], gpu.Download<uint>(z, 4));
    }

    static LaunchCount Run(string kernel, int blocks, int threads, int? number = null, int sampled = 0)
    {
        using var gpu = new EmulatedGpu(new EmulatedDeviceOptions { Counted = true, SampledBlocks = sampled });
        using var module = gpu.Compile(Source);
        nint x = gpu.Upload<float>(new float[1 << 16]), y = gpu.Upload<float>(new float[1 << 16]);
        KernelArgument[] arguments = kernel switch
        {
            "Copy" => [x, y, number!.Value],
            "Banks" or "Wide" => [y, number!.Value],
            "Add" => [y],
            _ => [x, y],
        };
        module[kernel].Launch(gpu.Stream, blocks, threads, 0, arguments);
        gpu.Stream.Synchronize();
        return Assert.Single(EmulatedDriver.TakeCounts());
    }
}
