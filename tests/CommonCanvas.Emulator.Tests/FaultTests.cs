using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests;

/// <summary>Seeded faults: each is caught, and named with the line of the .cu, the block and the thread.</summary>
public class FaultTests
{
    const string Asynchronous = """
        __device__ unsigned address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
        __device__ void copy(void* to, const void* from) { asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" :: "r"(address(to)), "l"(from) : "memory"); }
        __device__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
        template <int N> __device__ void wait() { asm volatile("cp.async.wait_group %0;" :: "n"(N) : "memory"); }

        """;

    /// <summary>Runs <c>Faulty(float* x, float* y, int n)</c> on 256 initialised floats and 256 that are not; the message of the fault.</summary>
    static string Fault(string source, int blocks = 1, int threads = 64, CudaResult result = CudaResult.LaunchFailed)
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(source, "faulty.cu");
        nint x = gpu.Upload<float>(new float[256]), y = gpu.Allocate(1024);
        module["Faulty"].Launch(gpu.Stream, blocks, threads, 0, [x, y, 256]);
        var error = Assert.Throws<CudaException>(gpu.Stream.Synchronize);
        Assert.Equal(result, error.Result);
        Assert.Contains("Faulty, faulty.cu:", error.Message, StringComparison.Ordinal);
        return error.Message;
    }

    static string Kernel(string body) => "extern \"C\" __global__ void Faulty(float* x, float* y, int n) {\nint i = blockIdx.x * blockDim.x + threadIdx.x;\n" + body + "\n}";

    static void Contains(string message, params ReadOnlySpan<string> parts)
    {
        foreach (string part in parts) Assert.True(message.Contains(part, StringComparison.Ordinal), $"no '{part}' in: {message}");
    }

    [Fact]
    public void A_read_one_element_behind_an_allocation() => Contains(
        Fault(Kernel("y[i] = x[i + 1];"), blocks: 4, result: CudaResult.IllegalAddress),
        "faulty.cu:3", "read of 4 bytes", "0 bytes behind the end of an allocation", "block (3, 0, 0), thread (63, 0, 0)");

    [Fact]
    public void A_write_one_element_behind_an_allocation() => Contains(
        Fault(Kernel("if (i < 64) y[i + 193] = 1;"), result: CudaResult.IllegalAddress),
        "faulty.cu:3", "write of 4 bytes", "0 bytes behind the end of an allocation", "block (0, 0, 0), thread (63, 0, 0)");

    [Fact]
    public void A_write_far_outside() => Contains(
        Fault(Kernel("if (i == 7) x[1ll << 40] = 1;"), result: CudaResult.IllegalAddress), "faulty.cu:3", "not in device memory", "thread (7, 0, 0)");

    [Fact]
    public void A_read_through_a_null_pointer() => Contains(
        Fault(Kernel("float* p = (float*)(unsigned long long)(n - 256);\ny[i] = *p;"), result: CudaResult.IllegalAddress), "faulty.cu:4", "at 0x0", "thread (0, 0, 0)");

    [Fact]
    public void A_use_after_free()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Kernel("x[i] = 1;"), "faulty.cu");
        nint x = gpu.Device.Allocate(1024);
        gpu.Device.Free(x);
        module["Faulty"].Launch(gpu.Stream, 1, 64, 0, [x, x, 256]);
        Contains(Assert.Throws<CudaException>(gpu.Stream.Synchronize).Message, "faulty.cu:3", "has been freed", "thread (0, 0, 0)");
    }

    [Fact]
    public void A_misaligned_vector() => Contains(
        Fault(Kernel("if (i == 9) ((float4*)(x + 1))[i] = make();").Insert(0, "__device__ float4 make() { float4 v; v.x = v.y = v.z = v.w = 0; return v; }\n"), result: CudaResult.MisalignedAddress),
        "faulty.cu:4", "16 bytes is not aligned", "thread (9, 0, 0)");

    [Fact]
    public void A_read_of_device_memory_never_written() => Contains(
        Fault(Kernel("if (i < 5) y[i] = 1;\n__syncthreads();\nx[i] = y[i];")), "faulty.cu:5", "before anything was written", "thread (5, 0, 0)");

    [Fact]
    public void A_read_of_shared_memory_never_written() => Contains(
        Fault(Kernel("__shared__ float s[64];\nif (i != 40) s[i] = 1;\n__syncthreads();\nx[i] = s[i];")), "faulty.cu:6", "shared memory at offset 160", "before anything was written", "thread (40, 0, 0)");

    [Fact]
    public void A_read_of_local_memory_never_written() => Contains(
        Fault(Kernel("float own[64];\nfor (int k = 0; k < n / 4; k++) if (k != 7) own[(k + i) & 63] = k;\nx[i] = own[(int)x[i] + 5];")),
        "faulty.cu:5", "local memory at offset 20", "before anything was written", "thread (62, 0, 0)");

    [Fact]
    public void A_read_of_a_register_never_written()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Load("""
            .version 7.8
            .target sm_80
            .address_size 64
            .visible .entry Faulty()
            {
            .reg .b32 %r<4>;
            .reg .pred %p<2>;
            mov.u32 %r1, %tid.x;
            setp.lt.u32 %p1, %r1, 3;
            @%p1 mov.u32 %r2, 5;
            add.s32 %r3, %r2, 1;
            ret;
            }
            """);
        module["Faulty"].Launch(gpu.Stream, 1, 32, 0, []);
        Contains(Assert.Throws<CudaException>(gpu.Stream.Synchronize).Message, "PTX line 11", "%r2", "never written", "thread (3, 0, 0)");
    }

    [Fact]
    public void A_missing_barrier_between_a_write_and_a_read() => Contains(
        Fault(Kernel("__shared__ float s[64];\ns[i] = i;\nx[i] = s[i % 32];")), "faulty.cu:5", "warp 0 wrote it, without a barrier", "thread (32, 0, 0)");

    [Fact]
    public void A_missing_barrier_before_a_read_of_what_comes_later() => Contains(
        Fault(Kernel("__shared__ float s[64];\ns[i] = i;\nx[i] = s[63 - i];")), "faulty.cu:5", "before anything was written there", "barrier", "thread (0, 0, 0)");

    [Fact]
    public void A_missing_barrier_between_a_read_and_a_write() => Contains(
        Fault(Kernel("__shared__ float s[64];\ns[i] = i;\n__syncthreads();\nif (i < 32) x[i] = s[i + 32];\nelse s[i] = 1;\n__syncthreads();\ny[i] = s[i];")), "faulty.cu:7", "warp 0 read it, without a barrier", "thread (32, 0, 0)");

    [Fact]
    public void A_missing_barrier_between_two_writes() => Contains(
        Fault(Kernel("__shared__ float s[64];\ns[i] = i;\ns[63 - i] = 1;\n__syncthreads();\nx[i] = s[i];")), "wrote it, without a barrier", "faulty.cu:");

    [Fact]
    public void A_missing_barrier_between_a_write_and_another_warps_atomic_change() => Contains(
        Fault(Kernel("__shared__ int s;\nif (i == 0) s = 0;\n__syncwarp();\natomicAdd(&s, 1);\n__syncthreads();\nx[i] = s;")), "faulty.cu:6", "warp 0 wrote it, without a barrier", "thread (32, 0, 0)");

    [Fact]
    public void A_missing_barrier_behind_atomic_changes() => Contains(
        Fault(Kernel("__shared__ int s;\nif (i == 0) s = 0;\n__syncthreads();\natomicAdd(&s, 1);\nx[i] = s;")), "faulty.cu:6", "warp 0 read it, without a barrier", "thread (32, 0, 0)");

    [Fact]
    public void A_missing_wait_for_a_copy() => Contains(
        Fault(Asynchronous + Kernel("__shared__ float s[64];\ncopy(s + i, x + i);\ncommit();\n__syncthreads();\nx[i] = s[i];")),
        "asynchronous copy to it has not been waited for", "thread (0, 0, 0)");

    [Fact]
    public void A_wrong_count_of_groups_to_wait_for() => Contains(
        Fault(Asynchronous + Kernel("__shared__ float s[128];\ncopy(s + i, x + i);\ncommit();\ncopy(s + 64 + i, x + 64 + i);\ncommit();\nwait<1>();\n__syncthreads();\nx[i] = s[i];\nx[i] = s[64 + i];")),
        "faulty.cu:15", "asynchronous copy to it has not been waited for");

    [Fact]
    public void A_copy_that_was_waited_for_but_not_published() => Contains(
        Fault(Asynchronous + Kernel("__shared__ float s[64];\ncopy(s + i, x + i);\ncommit();\nwait<0>();\nx[i] = s[i % 32];")), "without a barrier", "thread (32, 0, 0)");

    [Fact]
    public void A_barrier_that_only_some_lanes_reach() => Contains(
        Fault(Kernel("if (i < 5)\n__syncthreads();\nx[i] = 1;"), result: CudaResult.IllegalInstruction), "faulty.cu:4", "some lanes of a warp only", "thread (0, 0, 0)");

    [Fact]
    public void A_barrier_that_only_some_warps_reach() => Contains(
        Fault(Kernel("if (i < 32)\nasm volatile(\"bar.sync 1, 64;\");\nx[i] = 1;"), result: CudaResult.LaunchTimeout), "faulty.cu:4", "waits at barrier 1", "block (0, 0, 0), warp 0");

    [Fact]
    public void A_barrier_whose_guard_holds_for_some_lanes_only()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Load("""
            .version 7.8
            .target sm_80
            .address_size 64
            .visible .entry Faulty(.param .u32 limit)
            {
            .reg .b32 %r<4>;
            .reg .pred %p<2>;
            ld.param.u32 %r2, [limit];
            mov.u32 %r1, %tid.x;
            setp.lt.u32 %p1, %r1, %r2;
            @%p1 bar.sync 1, 64;
            ret;
            }
            """);
        foreach (int whole in (int[])[0, 64, 96])
        {
            // no warp, the first two warps
            module["Faulty"].Launch(gpu.Stream, 1, 96, 0, [Math.Min(whole, 64)]);
            gpu.Stream.Synchronize();
        }
        module["Faulty"].Launch(gpu.Stream, 1, 96, 0, [40]);
        Contains(Assert.Throws<CudaException>(gpu.Stream.Synchronize).Message, "PTX line 11", "some lanes of a warp only", "divergent barrier", "block (0, 0, 0), thread (32, 0, 0)");
    }

    [Fact]
    public void Lanes_that_never_come_to_a_shuffle() => Contains(
        Fault(Kernel("if (i & 1) x[i] = __shfl_xor_sync(~0u, x[i], 2);\nelse x[i] = 3;\n__syncwarp();"), threads: 32, result: CudaResult.IllegalInstruction),
        "faulty.cu:3", "names lanes that do not take part");

    [Fact]
    public void A_report_of_a_fault_gives_no_remedy_that_has_been_taken()
    {
        Assert.DoesNotContain("--device emulator", Fault(Kernel("if (i < 64) y[i + 193] = 1;"), result: CudaResult.IllegalAddress), StringComparison.Ordinal);
        Assert.DoesNotContain("--device emulator", Fault(Kernel("x[i % 100] = i;"), blocks: 2), StringComparison.Ordinal);
    }

    [Fact]
    public void A_shuffle_from_an_inactive_lane() => Contains(
        Fault(Kernel("if (i < 16)\nx[i] = __shfl_down_sync(0xffff, x[i], 4);"), threads: 32, result: CudaResult.IllegalInstruction), "faulty.cu:4", "lane 16", "thread (12, 0, 0)");

    [Fact]
    public void A_race_between_blocks() => Contains(
        Fault(Kernel("x[i % 100] = i;"), blocks: 2), "faulty.cu:3", "in the same launch", "blocks are not ordered");

    [Fact]
    public void A_read_of_what_another_block_writes() => Contains(
        Fault(Kernel("x[i] += x[(i + 64) % 128];"), blocks: 2), "in the same launch", "blocks are not ordered");

    [Fact]
    public void A_loop_that_never_ends()
    {
        using var gpu = new EmulatedGpu(new EmulatedDeviceOptions { InstructionBudget = 100_000 });
        using var module = gpu.Compile(Kernel("volatile float* v = x;\nwhile (v[0] == 0)\n;"), "faulty.cu");
        nint x = gpu.Upload<float>(new float[256]);
        module["Faulty"].Launch(gpu.Stream, 1, 32, 0, [x, x, 256]);
        var error = Assert.Throws<CudaException>(gpu.Stream.Synchronize);
        Assert.Equal(CudaResult.LaunchTimeout, error.Result);
        Contains(error.Message, "faulty.cu:4", "budget");
    }

    [Fact]
    public void Arguments_of_wrong_number_or_size()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Kernel("x[i] = n;"));
        Assert.Contains("takes 3 arguments", Assert.Throws<ArgumentException>(() => module["Faulty"].Launch(gpu.Stream, 1, 32, 0, [0L, 0L])).Message, StringComparison.Ordinal);
        Assert.Contains("argument 2", Assert.Throws<ArgumentException>(() => module["Faulty"].Launch(gpu.Stream, 1, 32, 0, [0L, 0L, 0L])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 32, 164 * 1024, "shared memory")]
    [InlineData(1, 2048, 0, "2048")]
    [InlineData(0, 32, 0, "grid of (0, 1, 1)")]
    [InlineData(1, 0, 0, "block of (0, 1, 1)")]
    public void Launches_beyond_the_limits(int blocks, int threads, int shared, string part)
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Kernel("x[i] = n;"));
        var error = Assert.Throws<CudaException>(() => module["Faulty"].Launch(gpu.Stream, blocks, threads, shared, [0L, 0L, 1]));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_grid_beyond_the_limit_in_y()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Kernel("x[i] = n;"));
        var error = Assert.Throws<CudaException>(() => module["Faulty"].Launch(gpu.Stream, new Dim3(1, 65536), 32, 0, [0L, 0L, 1]));
        Assert.Contains("65536", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_allowed_passes()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Asynchronous + Kernel("""
            __shared__ float s[2][64];
            __shared__ int counter;
            __shared__ short halves[64];
            if (i == 0) counter = 0;
            halves[threadIdx.x ^ 33] = i; // two warps write to the same words, but not to the same bytes
            copy(s[0] + threadIdx.x, x + i);
            commit();
            float sum = 0;
            for (int k = 0; k < 5000; k++) {
                copy(s[(k + 1) & 1] + threadIdx.x, x + i);
                commit();
                wait<1>();
                __syncthreads();
                sum += s[k & 1][63 - threadIdx.x] + halves[threadIdx.x];
                __syncthreads();
            }
            __shared__ int own[2]; // a warp reads what it alone has changed
            if (threadIdx.x % 32 == 0) own[threadIdx.x / 32] = 0;
            __syncwarp();
            atomicAdd(&own[threadIdx.x / 32], 1);
            __syncwarp();
            sum += own[threadIdx.x / 32];
            atomicAdd(&counter, 1);
            __syncthreads();
            if (counter >= 64 && blockIdx.x == 0 || blockIdx.x == 1) y[i] = sum;
            """), "allowed.cu");
        nint x = gpu.Upload<float>(new float[256]), y = gpu.Allocate(1024);
        module["Faulty"].Launch(gpu.Stream, 1, 64, 0, [x, y, 256]);
        gpu.Stream.Synchronize();
    }

    [Fact]
    public void A_fault_can_be_taken_and_the_device_used_again()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Kernel("if (n) x[i + 200] = 1;"), "faulty.cu");
        nint x = gpu.Upload<float>(new float[256]);
        module["Faulty"].Launch(gpu.Stream, 1, 64, 0, [x, x, 256]);
        Assert.Throws<CudaException>(gpu.Stream.Synchronize);
        Assert.Throws<CudaException>(() => gpu.Device.Allocate(4));
        Assert.Contains("faulty.cu:3", EmulatedDriver.TakeFault()!, StringComparison.Ordinal);
        module["Faulty"].Launch(gpu.Stream, 1, 64, 0, [x, x, 0]);
        gpu.Stream.Synchronize();
    }
}
