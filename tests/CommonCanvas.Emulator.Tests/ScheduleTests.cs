using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Tests;

/// <summary>The order of blocks and warps, which CUDA does not promise: a kernel that depends on it shows.</summary>
public class ScheduleTests
{
    const int Schedules = 8;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(31)]
    [InlineData(64)]
    [InlineData(1000)]
    public void A_permutation_reaches_every_number_once(long count)
    {
        for (ulong seed = 0; seed < 50; seed++)
        {
            var permutation = new Permutation(seed, count);
            var reached = Enumerable.Range(0, (int)count).Select(i => permutation[i]).ToArray();
            Assert.Equal(Enumerable.Range(0, (int)count).Select(i => (long)i), reached.Order());
            if (seed == 0) Assert.Equal(reached.Order(), reached);
        }
        Assert.True(count < 3 || Enumerable.Range(1, 50).Select(seed => string.Join(' ', First(new Permutation((ulong)seed, count)))).Distinct().Count() > 1);

        IEnumerable<long> First(Permutation permutation) => Enumerable.Range(0, (int)count).Select(i => permutation[i]);
    }

    /// <summary>The largest grid that CUDA allows.</summary>
    [Fact]
    public void A_permutation_of_the_largest_grid_stays_within_it()
    {
        const long Count = int.MaxValue * 65535L * 65535L;
        for (ulong seed = 0; seed < 100; seed++)
        {
            var permutation = new Permutation(seed, Count);
            foreach (long index in new[] { 0, 1, Count / 2, Count - 1 }) Assert.InRange(permutation[index], 0, Count - 1);
        }
    }

    /// <summary>Blocks add what fp32 rounds: the sum is another one in another order.</summary>
    [Fact]
    public void A_sum_by_atomics_depends_on_the_schedule() => Assert.True(DistinctResults("""
        extern "C" __global__ void Order(const float* x, float* y, unsigned* done) { if (threadIdx.x == 0) atomicAdd(y, x[blockIdx.x]); }
        """) > 1);

    [Fact]
    public void The_last_warp_to_write_depends_on_the_schedule() => Assert.True(DistinctResults("""
        extern "C" __global__ void Order(const float* x, float* y, unsigned* done) {
            __shared__ int last;
            if (threadIdx.x == 0) last = 0;
            __syncthreads();
            if (threadIdx.x % 32 == 0) atomicExch(&last, (int)threadIdx.x);
            __syncthreads();
            if (blockIdx.x == 0 && threadIdx.x == 0) *y = x[last];
        }
        """) > 1);

    /// <summary>The block that happens to come last adds what all have stored, in the order of their numbers.</summary>
    [Fact]
    public void A_sum_in_a_fixed_order_does_not() => Assert.Equal(1, DistinctResults("""
        extern "C" __global__ void Order(const float* x, float* y, unsigned* done) {
            __shared__ bool last;
            if (threadIdx.x == 0) {
                y[1 + blockIdx.x] = x[blockIdx.x] * 3.0f;
                __threadfence();
                last = atomicAdd(done, 1u) == gridDim.x - 1;
                __threadfence();
            }
            __syncthreads();
            if (!last || threadIdx.x) return;
            float sum = 0;
            for (int b = 0; b < gridDim.x; b++) sum += *(volatile float*)(y + 1 + b);
            *y = sum;
        }
        """));

    /// <summary>Runs the kernel on 100 blocks of 128 threads under several schedules.</summary>
    static int DistinctResults(string source)
    {
        var random = new Random(3);
        float[] x = [.. Enumerable.Range(0, 128).Select(_ => (float)(random.NextDouble() - 0.5))];
        var results = new HashSet<float>();
        for (ulong schedule = 0; schedule < Schedules; schedule++)
        {
            using var gpu = new EmulatedGpu(new EmulatedDeviceOptions { Schedule = schedule, Threads = 1, MemoryBytes = 64 << 20 });
            using var module = gpu.Compile(source);
            nint input = gpu.Upload<float>(x), output = gpu.Upload<float>(new float[101]), done = gpu.Upload<uint>([0]);
            module["Order"].Launch(gpu.Stream, 100, 128, 0, [input, output, done]);
            results.Add(gpu.Download<float>(output, 1)[0]);
        }
        return results.Count;
    }
}
