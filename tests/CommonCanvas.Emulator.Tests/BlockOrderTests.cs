using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Tests.Opcodes;

namespace CommonCanvas.Emulator.Tests;

/// <summary>
/// Order between blocks: kernels whose last block to arrive works on what all have stored pass where they are right by PTX's memory
/// consistency model, and are refused by name and line where one part is missing, under each order of blocks and warps.
/// </summary>
public class BlockOrderTests
{
    const int Blocks = 6, Schedules = 6;

    const string Store = "y[i] = 2 * x[i];", Barrier = "__syncthreads();", Fence = "__threadfence();";
    const string Arrive = "last = atomicInc(counter, gridDim.x - 1) == gridDim.x - 1;";
    const string Sum = "float sum = 0;\nfor (int b = 0; b < gridDim.x; b++) sum += y[b * blockDim.x + threadIdx.x];\nx[512 + threadIdx.x] = sum;";

    /// <summary>Arrives by thread 0 between two fences and two barriers.</summary>
    const string Last = Barrier + "\nif (threadIdx.x == 0) { " + Fence + Arrive + Fence + " }\n" + Barrier + "\nif (!last) return;\n";

    /// <summary>A kernel whose body begins in line 4.</summary>
    static NvrtcProgram Kernel(string body) => EmulatedGpu.Compiler.Compile(
        "extern \"C\" __global__ void Faulty(float* x, float* y, unsigned* counter) {\n__shared__ bool last;\nconst unsigned i = blockIdx.x * blockDim.x + threadIdx.x;\n" + body + "\n}",
        "faulty.cu", [], ["-arch=compute_80", "-lineinfo", "-std=c++17"]);

    /// <summary>
    /// Runs it on 1024 floats 0, 1, 2 ..., 1024 floats of 0 and 8 counters of 0; the fault or null. The sums of
    /// the doubled columns must stand at <c>x[512]</c> where there is none and <paramref name="summed"/>.
    /// </summary>
    static string? Run(NvrtcProgram program, int threads, ulong schedule, int workers, bool summed)
    {
        using var gpu = new EmulatedGpu(new EmulatedDeviceOptions { Schedule = schedule, Threads = workers, MemoryBytes = 64 << 20 });
        using var module = new CudaModule(gpu.Device, program, "faulty.cu");
        nint x = gpu.Upload<float>([.. Enumerable.Range(0, 1024).Select(i => (float)i)]), y = gpu.Upload<float>(new float[1024]), counter = gpu.Upload<uint>(new uint[8]);
        // twice, as the counter must be back at 0
        for (int launch = 0; launch < 2; launch++)
        {
            module["Faulty"].Launch(gpu.Stream, Blocks, threads, 0, [x, y, counter]);
            try { gpu.Stream.Synchronize(); }
            catch (CudaException error) when (error.Result == CudaResult.LaunchFailed) { return error.Message; }
            float[] values = gpu.Download<float>(x, 1024);
            for (int t = 0; summed && t < threads; t++) Assert.Equal(Enumerable.Range(0, Blocks).Sum(b => 2f * (b * threads + t)), values[512 + t]);
        }
        return null;
    }

    static void Passes(string body, int threads = 64, bool summed = true)
    {
        var program = Kernel(body);
        for (ulong schedule = 0; schedule < Schedules; schedule++)
            for (int workers = 1; workers <= 2; workers++)
                Assert.Null(Run(program, threads, schedule, workers, summed));
    }

    static void Refused(string body, int line, string what, string missing, int threads = 64)
    {
        var program = Kernel(body);
        for (ulong schedule = 0; schedule < Schedules; schedule++)
        {
            string message = Run(program, threads, schedule, 1, false) ?? "no fault";
            foreach (string part in (string[])[$"Faulty, faulty.cu:{line} ", what, "in the same launch: blocks are not ordered", missing, "; block (", ", thread ("])
                Assert.True(message.Contains(part, StringComparison.Ordinal), $"schedule {schedule}: no '{part}' in: {message}");
        }
    }

    const string NotReleased = "does not release it", NotAcquired = "for no fence of the whole device stands between it", NotSeen = "for this block makes no atomic operation";

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    [Proves("membar.gl")]
    public void The_last_block_to_arrive_reads_what_all_have_stored(int threads) => Passes(Store + Last + Sum, threads);

    [Fact]
    public void Every_thread_fences_before_the_barrier_and_behind_the_other() => Passes(
        Store + Fence + Barrier + "if (threadIdx.x == 0) " + Arrive + Barrier + "if (!last) return;" + Fence + Sum);

    [Fact]
    public void A_warp_needs_no_barrier_of_the_block() => Passes(
        Store + "__syncwarp(); bool mine = false; if (threadIdx.x == 0) { " + Fence + "mine = atomicInc(counter, gridDim.x - 1) == gridDim.x - 1;" + Fence + " }\n"
        + "__syncwarp(); if (!__shfl_sync(~0u, mine, 0)) return;\n" + Sum, threads: 32);

    /// <summary>What other lanes read does not matter, nor what they write if nobody reads it.</summary>
    [Fact]
    public void A_lane_releases_what_it_stored_itself() => Passes("""
        float sum = x[i];
        for (int k = 16; k > 0; k /= 2) sum += __shfl_xor_sync(~0u, sum, k);
        y[512 + i] = sum;
        if (threadIdx.x != 0) return;
        y[blockIdx.x] = sum;
        __threadfence();
        if (atomicAdd(counter, 1u) != gridDim.x - 1) return;
        __threadfence();
        sum = 0;
        for (int b = 0; b < gridDim.x; b++) sum += y[b];
        y[100] = sum;
        *counter = 0; // all that the others have done to it was seen
        """, threads: 32, summed: false);

    /// <summary>The last of each pair releases the pair's sum; what it has acquired is released with it.</summary>
    [Fact]
    public void An_order_over_two_counters() => Passes(Store + Barrier + """
        if (threadIdx.x == 0) {
            __threadfence();
            last = atomicInc(counter + 1 + blockIdx.x / 2, 1) == 1;
            __threadfence();
            if (last) { last = atomicInc(counter, gridDim.x / 2 - 1) == gridDim.x / 2 - 1; __threadfence(); }
        }
        __syncthreads();
        if (!last) return;
        """ + Sum);

    /// <summary>What a block has released stays released while it stores more.</summary>
    [Fact]
    public void A_block_goes_on_after_it_has_released() => Passes(Store + Barrier + """
        if (threadIdx.x == 0) {
            __threadfence();
            last = atomicInc(counter, gridDim.x - 1) == gridDim.x - 1;
            __threadfence();
        }
        y[512 + i] = 1;
        __syncthreads();
        if (!last) return;
        """ + Sum);

    [Fact]
    public void The_last_block_reads_what_all_have_changed_atomically() => Passes(
        "atomicMax((int*)y + threadIdx.x, 1);\n" + Last + "y[threadIdx.x] += 1;", summed: false);

    [Fact]
    public void The_last_block_overwrites_what_one_block_has_read_or_written() => Passes(
        "y[i] = x[i];\n" + Last + "for (int b = 0; b < gridDim.x; b++) {\nunsigned k = b * blockDim.x + threadIdx.x;\nx[k] = y[k];\ny[k] = 3;\n}", summed: false);

    [Theory]
    [InlineData("fence.sc.gpu")]
    [InlineData("fence.acq_rel.sys")]
    [InlineData("membar.sys")]
    public void Each_fence_of_the_whole_device(string fence) => Passes(
        Store + Last.Replace(Fence, $"asm volatile(\"{fence};\" ::: \"memory\");", StringComparison.Ordinal) + Sum);

    [Fact]
    public void No_fence_before_the_atomic_operation() => Refused(
        Store + Barrier + "if (threadIdx.x == 0) { " + Arrive + Fence + " }\n" + Barrier + "if (!last) return;\n" + Sum, 7, "read of device memory", NotReleased);

    [Fact]
    public void No_fence_behind_the_atomic_operation() => Refused(
        Store + Barrier + "if (threadIdx.x == 0) { " + Fence + Arrive + " }\n" + Barrier + "if (!last) return;\n" + Sum, 7, "read of device memory", NotAcquired);

    [Fact]
    public void A_fence_of_the_block_alone() => Refused(
        Store + Barrier + "if (threadIdx.x == 0) { __threadfence_block();" + Arrive + Fence + " }\n" + Barrier + "if (!last) return;\n" + Sum, 7, "read of device memory", NotReleased);

    [Fact]
    public void A_fence_behind_the_atomic_operation_of_other_threads() => Refused(
        Store + Barrier + "if (threadIdx.x == 0) { " + Fence + Arrive + " }\nif (threadIdx.x >= 32)" + Fence + "\n" + Barrier + "if (!last) return;\n" + Sum, 8, "read of device memory", NotAcquired);

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void No_barrier_before_the_fence(int threads) => Refused(
        Store + "if (threadIdx.x == 0) { " + Fence + Arrive + Fence + " }\n" + Barrier + "if (!last) return;\n" + Sum, 7, "read of device memory", NotReleased, threads);

    /// <summary>Before the barrier by one thread for the others' stores, by all without the barrier, by another thread, before the stores.</summary>
    [Theory]
    [InlineData(Store + "if (threadIdx.x == 0)" + Fence + Barrier)]
    [InlineData(Store + Fence)]
    [InlineData(Store + Barrier + "if (threadIdx.x == 1)" + Fence)]
    [InlineData("y[512 + i] = 1;" + Fence + Store + Barrier)]
    public void A_fence_that_does_not_order(string before)
    {
        foreach (int threads in (int[])[32, 64])
            Refused(before + "if (threadIdx.x == 0) { " + Arrive + Fence + " }\n" + Barrier + "if (!last) return;\n" + Sum, 7, "read of device memory", NotReleased, threads);
    }

    /// <summary>Already a race in shared memory.</summary>
    [Fact]
    public void No_barrier_behind_the_atomic_operation()
    {
        string message = Run(Kernel(Store + Barrier + "if (threadIdx.x == 0) { " + Fence + Arrive + Fence + " }\nif (!last) return;\n" + Sum), 64, 0, 1, false) ?? "no fault";
        Assert.Contains("faulty.cu:5 ", message, StringComparison.Ordinal);
        Assert.Contains("shared memory at offset", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_store_behind_the_release() => Refused(
        Barrier + "if (threadIdx.x == 0) { " + Fence + Arrive + Fence + " }\n" + Store + Barrier + "if (!last) return;\n" + Sum, 7, "read of device memory", NotReleased);

    /// <summary>One behind the release, one of lanes that do not wait before it, and the same where one lane has read alone before.</summary>
    [Theory]
    [InlineData(Read + Barrier + Release + Read)]
    [InlineData(Read + Barrier + Read + Release)]
    [InlineData("if (threadIdx.x == 0) " + Read + Read + Release)]
    public void A_read_that_is_not_released_before_another_blocks_write(string middle)
    {
        foreach (int threads in (int[])[32, 64])
            Refused(middle + "\n" + Barrier + "if (!last) return;\nfor (int b = 0; b < gridDim.x; b++) x[b * blockDim.x + threadIdx.x] = 3;", 6, "write of device memory", NotReleased, threads);
    }

    const string Read = "y[i] = *(volatile float*)(x + i);", Release = "if (threadIdx.x == 0) { " + Fence + Arrive + Fence + " }";

    [Fact]
    public void An_access_that_does_not_come_over_the_counter() => Refused(
        "if (blockIdx.x == 1) y[threadIdx.x] = 1; else x[512 + i] = y[threadIdx.x];\n" + Store.Replace("y[", "y[512 + ", StringComparison.Ordinal) + Last, 4, "of device memory", "");

    /// <summary>Blocks arrive at one counter before their fence and at another behind it, where the last does not look.</summary>
    [Fact]
    public void Another_counter() => Refused(
        Store + Barrier + "if (threadIdx.x == 0) { " + Arrive + Fence + "if (!last) atomicAdd(counter + 1, 1u); }\n" + Barrier + "if (!last) return;\n" + Sum,
        7, "read of device memory", NotSeen);

    [Fact]
    public void Writes_of_two_blocks_to_the_same_place() => Refused(
        Store + "y[512 + threadIdx.x] = 1;\n" + Last + Sum, 4, "write of device memory", "");
}
