using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests;

/// <summary>Kernels that NVRTC compiles, run end to end through the driver's table.</summary>
public class KernelTests
{
    /// <summary>A handle that has outlived its module stands for nothing.</summary>
    [Fact]
    public void A_kernel_of_an_unloaded_module_is_refused()
    {
        using var gpu = new EmulatedGpu();
        var module = gpu.Compile("extern \"C\" __global__ void Nothing() { }");
        var kernel = module["Nothing"];
        kernel.Launch(gpu.Stream, 1, 1, 0, []);
        gpu.Stream.Synchronize();
        module.Dispose();
        Assert.Equal(CudaResult.InvalidHandle, Assert.Throws<CudaException>(() => kernel.Launch(gpu.Stream, 1, 1, 0, [])).Result);
    }

    [Fact]
    public void A_grid_of_three_dimensions_reaches_every_element_once()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile("""
            extern "C" __global__ void Index(int* out, int w, int h, int d) {
                int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, z = blockIdx.z * blockDim.z + threadIdx.z;
                if (x < w && y < h && z < d) out[(z * h + y) * w + x] += 1 + x + 100 * y + 10000 * z;
            }
            """);
        const int W = 19, H = 11, D = 5;
        nint output = gpu.Upload<int>(new int[W * H * D]);
        module["Index"].Launch(gpu.Stream, new Dim3(3, 3, 3), new Dim3(8, 4, 2), 0, [output, W, H, D]);
        var expected = from z in Enumerable.Range(0, D) from y in Enumerable.Range(0, H) from x in Enumerable.Range(0, W) select 1 + x + 100 * y + 10000 * z;
        Assert.Equal(expected, gpu.Download<int>(output, W * H * D));
    }

    struct Range
    {
        public long Begin;
        public int Step, Count;
    }

    struct Ranges
    {
        public Range First, Second;
    }

    [Fact]
    public unsafe void A_struct_reaches_a_kernel_by_value()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile("""
            struct Range { long long begin; int step, count; };
            struct Ranges { Range of[2]; };
            extern "C" __global__ void Fill(int* out, Ranges ranges, int by) {
                Range range = ranges.of[0];
                if (blockIdx.x > 0) range = ranges.of[1];
                if (threadIdx.x < range.count) out[blockIdx.x * blockDim.x + threadIdx.x] = (int)range.begin + range.step * threadIdx.x * by;
            }
            """);
        Ranges ranges = new() { First = new() { Begin = 100, Step = 1, Count = 32 }, Second = new() { Begin = -7, Step = -2, Count = 3 } };
        nint output = gpu.Upload<int>(new int[64]);
        module["Fill"].Launch(gpu.Stream, 2, 32, 0, [output, KernelArgument.Struct(&ranges), 3]);
        Assert.Equal([.. Enumerable.Range(0, 32).Select(i => 100 + 3 * i), -7, -13, -19, .. new int[29]], gpu.Download<int>(output, 64));
        var error = Assert.Throws<ArgumentException>(() =>
        {
            Range other = default;
            module["Fill"].Launch(gpu.Stream, 2, 32, 0, [output, KernelArgument.Struct(&other), 3]);
        });
        Assert.Contains("argument 1 of Fill has 32 bytes, 16 were given", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_block_sums_in_shared_memory_with_barriers_and_shuffles()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile("""
            extern "C" __global__ void Sum(const float* x, float* out, int n) {
                extern __shared__ float dynamic[];
                __shared__ float total;
                float v = 0;
                for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) v += x[i];
                for (int o = 16; o; o >>= 1) v += __shfl_down_sync(~0u, v, o);
                if (threadIdx.x % 32 == 0) dynamic[threadIdx.x / 32] = v;
                __syncthreads();
                if (threadIdx.x == 0) { total = 0; for (int i = 0; i < blockDim.x / 32; i++) total += dynamic[i]; }
                __syncthreads();
                if (threadIdx.x == 33) atomicAdd(out, total);
            }
            """);
        var x = Enumerable.Range(0, 5000).Select(i => (float)(i % 7)).ToArray();
        nint input = gpu.Upload<float>(x), output = gpu.Upload<float>([0]);
        module["Sum"].Launch(gpu.Stream, 4, 128, 16, [input, output, x.Length]);
        Assert.Equal([x.Sum()], gpu.Download<float>(output, 1));
    }

    [Fact]
    public void Functions_of_the_library_agree_with_the_host()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile("""
            extern "C" __global__ void Functions(const float* x, float* y, int n) {
                int i = blockIdx.x * blockDim.x + threadIdx.x;
                if (i >= n) return;
                float v = x[i];
                y[i] = sinf(v); y[n + i] = expf(v); y[2 * n + i] = logf(fabsf(v)); y[3 * n + i] = tanhf(v); y[4 * n + i] = powf(fabsf(v), 1.7f);
                y[5 * n + i] = sqrtf(fabsf(v)); y[6 * n + i] = erff(v); y[7 * n + i] = 1.0f / v; y[8 * n + i] = rsqrtf(fabsf(v)); y[9 * n + i] = cosf(v * 100000.0f);
            }
            """);
        var random = new Random(1);
        var x = Enumerable.Range(0, 100).Select(_ => (float)(random.NextDouble() * 12 - 6)).ToArray();
        nint input = gpu.Upload<float>(x), output = gpu.Allocate(10 * x.Length * 4);
        module["Functions"].Launch(gpu.Stream, 4, 32, 0, [input, output, x.Length]);
        var y = gpu.Download<float>(output, 10 * x.Length);
        Func<float, double>[] functions =
        [
            v => Math.Sin(v), v => Math.Exp(v), v => Math.Log(Math.Abs(v)), v => Math.Tanh(v), v => Math.Pow(Math.Abs(v), 1.7f),
            v => Math.Sqrt(Math.Abs(v)), Erf, v => 1.0 / v, v => 1 / Math.Sqrt(Math.Abs(v)), v => Math.Cos(v * 100000.0f),
        ];
        for (int f = 0; f < functions.Length; f++)
            for (int i = 0; i < x.Length; i++)
            {
                double expected = functions[f](x[i]);
                // the library's own bound is a few units in the last place, near a zero an absolute error of one there
                Assert.True(Math.Abs(y[f * x.Length + i] - expected) <= 1e-6 * Math.Abs(expected) + 3e-7, $"function {f} of {x[i]}: {y[f * x.Length + i]}, not {expected}");
            }
    }

    [Fact]
    public void A_switch_a_local_array_and_generic_pointers_run()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile("""
            __constant__ int table[4] = {3, 1, 4, 1};
            extern "C" __global__ void Paths(int* a, int n) {
                __shared__ int s[64];
                int i = threadIdx.x;
                if (i >= n) return;
                int local[8];
                for (int k = 0; k < 8; k++) local[k] = i * k;
                int v = local[a[i] & 7] + table[i & 3];
                s[i] = v;
                int* p = (i & 1) ? s + i : a + i;
                *p += 1000;
                switch (i % 11) { case 0: v += 1; break; case 1: v ^= 3; break; case 2: v *= 5; break; case 3: v -= 7; break; case 4: v <<= 2; break;
                    case 5: v |= 9; break; case 6: v &= 11; break; case 7: v = -v; break; case 8: v /= 3; break; case 9: v %= 7; break; default: v = 0; }
                a[i] = (i & 1) ? s[i] * 2 + v : a[i] + v;
            }
            """);
        var a = Enumerable.Range(0, 50).Select(i => i * 37 % 101).ToArray();
        nint memory = gpu.Upload<int>(a);
        module["Paths"].Launch(gpu.Stream, 1, 64, 0, [memory, a.Length]);
        int[] table = [3, 1, 4, 1];
        var expected = a.Select((value, i) =>
        {
            int first = i * (value & 7) + table[i & 3];
            int v = (i % 11) switch
            {
                0 => first + 1, 1 => first ^ 3, 2 => first * 5, 3 => first - 7, 4 => first << 2, 5 => first | 9, 6 => first & 11,
                7 => -first, 8 => first / 3, 9 => first % 7, _ => 0,
            };
            return (i & 1) != 0 ? (first + 1000) * 2 + v : value + 1000 + v;
        });
        Assert.Equal(expected, gpu.Download<int>(memory, a.Length));
    }

    [Fact]
    public void A_barrier_counts_and_joins_predicates()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile("""
            extern "C" __global__ void Votes(int* out, int limit) {
                int i = threadIdx.x;
                out[i] = __syncthreads_count(i < limit) + 1000 * (__syncthreads_or(i == limit) != 0) + 2000 * (__syncthreads_and(i < limit) != 0);
            }
            """);
        nint output = gpu.Allocate(70 * 4);
        foreach (var (limit, expected) in ((int, int)[])[(5, 1005), (0, 1000), (70, 2070), (69, 1069)])
        {
            module["Votes"].Launch(gpu.Stream, 1, 70, 0, [output, limit]);
            Assert.All(gpu.Download<int>(output, 70), value => Assert.Equal(expected, value));
        }
    }

    [Fact]
    public void A_fault_names_kernel_line_block_and_thread()
    {
        using var gpu = new EmulatedGpu(new EmulatedDeviceOptions { MemoryBytes = 1 << 20 });
        using var module = gpu.Compile("""
            extern "C" __global__ void Far(float* x) {
                if (blockIdx.x == 2 && threadIdx.x == 5)
                    x[1 << 20] = 1;
            }
            """, "far.cu");
        nint memory = gpu.Allocate(64);
        module["Far"].Launch(gpu.Stream, 4, 32, 0, [memory]);
        var error = Assert.Throws<CudaException>(gpu.Stream.Synchronize);
        Assert.Equal(CudaResult.IllegalAddress, error.Result);
        foreach (string part in (string[])["Far", "far.cu:3", "block (2, 0, 0)", "thread (5, 0, 0)"]) Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Device_addresses_are_no_host_pointers()
    {
        using var gpu = new EmulatedGpu();
        Assert.True((ulong)gpu.Allocate(4) >= 1ul << 56);
    }

    [Fact]
    public void An_unknown_instruction_is_refused_with_its_line_when_the_module_is_loaded()
    {
        using var gpu = new EmulatedGpu();
        var error = Assert.Throws<CudaException>(() => gpu.Load(".version 7.8\n.target sm_80\n.address_size 64\n.visible .entry A()\n{\n.reg .b32 %r<3>;\nadd.sideways.s32 %r1, %r2, 1;\nret;\n}"));
        Assert.Equal(CudaResult.InvalidPtx, error.Result);
        Assert.Contains("line 7", error.Message, StringComparison.Ordinal);
        Assert.Contains("add.sideways.s32", error.Message, StringComparison.Ordinal);
    }

    static double Erf(float x)
    {
        // Taylor's series, which 60 terms carry past 1e-12 within [-6, 6] after which it is one
        if (Math.Abs(x) > 4) return Math.Sign(x);
        double sum = 0, term = x;
        for (int n = 0; n < 120; n++)
        {
            sum += term / (2 * n + 1);
            term *= -(double)x * x / (n + 1);
        }
        return 2 / Math.Sqrt(Math.PI) * sum;
    }
}
