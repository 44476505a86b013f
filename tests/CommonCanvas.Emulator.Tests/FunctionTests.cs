using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests;

/// <summary>Device functions that are called, not put in by the compiler; and what functions and kernels share.</summary>
public class FunctionTests
{
    const string Source = """
        struct Pair { float a; int b; double c; };
        __device__ __noinline__ float repeated(float x, int n) { float s = 0; for (int i = 0; i < n; i++) s += x; return s; }
        __device__ __noinline__ Pair pair(float a, int b) { Pair p; p.a = a; p.b = b; p.c = repeated(a, b); return p; }
        __device__ __noinline__ void store(int* to, short v, bool c) { if (!c) return; *to = v; }
        __device__ __noinline__ int looked_up(int i) { int own[8]; for (int k = 0; k < 8; k++) own[k] = k * k + i; return own[i & 7]; }
        extern "C" __global__ void Calls(float* x, int* y)
        {
            int i = threadIdx.x;
            x[i] = repeated(x[i], i & 3);
            if (i % 5 == 2) x[i] += repeated(2.0f, i);
            Pair p = pair(x[i], i & 7);
            x[i] = p.a + p.b + (float)p.c;
            store(y + i, (short)(-i), i > 3);
            y[i] += looked_up(i);
        }
        """;

    [Fact]
    public void Functions_take_arguments_and_return_values_lane_by_lane()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile(Source);
        var x = Enumerable.Range(0, 50).Select(i => i * 0.5f).ToArray();
        nint a = gpu.Upload<float>(x), b = gpu.Upload<int>(new int[50]);
        module["Calls"].Launch(gpu.Stream, 1, 50, 0, [a, b]);
        Assert.Equal(x.Select((v, i) =>
        {
            float s = v * (i & 3) + (i % 5 == 2 ? 2f * i : 0);
            return s + (i & 7) + s * (i & 7);
        }), gpu.Download<float>(a, 50));
        Assert.Equal(Enumerable.Range(0, 50).Select(i => (i > 3 ? -i : 0) + (i & 7) * (i & 7) + i), gpu.Download<int>(b, 50));
    }

    [Fact]
    public void A_fault_in_a_function_names_its_line_and_that_of_the_call()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile("""
            __device__ __noinline__ void put(float* to, float v) {
                *to = v;
            }
            extern "C" __global__ void Faulty(float* x) {
                put(x + threadIdx.x, 1);
            }
            """, "calls.cu");
        nint x = gpu.Upload<float>(new float[31]);
        module["Faulty"].Launch(gpu.Stream, 1, 32, 0, [x]);
        string message = Assert.Throws<CudaException>(gpu.Stream.Synchronize).Message;
        foreach (string part in (string[])["Faulty, calls.cu:2 (in line at calls.cu:5)", "thread (31, 0, 0)"]) Assert.Contains(part, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("__device__ __noinline__ int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }", "f(y[0])", "recursively")]
    [InlineData("__device__ __noinline__ int f(int n) { return n + 1; } __device__ __noinline__ int g(int n) { return n * 3; }", "(y[1] ? f : g)(y[0])", "the emulator does not know 'mov.u64")]
    public void Calls_that_are_not_known_are_refused_with_their_line(string functions, string call, string part)
    {
        using var gpu = new EmulatedGpu();
        var error = Assert.Throws<CudaException>(() => gpu.Compile($"{functions} extern \"C\" __global__ void K(int* y) {{ y[0] = {call}; }}"));
        Assert.Equal(CudaResult.InvalidPtx, error.Result);
        Assert.Contains("PTX line ", error.Message, StringComparison.Ordinal);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("update the driver", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A shared variable of a function lies in the module: each kernel that reaches it has it, with its size, beside its own and the dynamic ones.</summary>
    [Fact]
    public void Kernels_share_the_declaration_of_a_modules_shared_variable()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile("""
            __device__ __noinline__ int* table() { __shared__ int t[64]; return t; }
            extern "C" __global__ void First(int* y) {
                __shared__ int own[64];
                extern __shared__ int more[];
                int i = threadIdx.x;
                own[i] = i; table()[i] = 100 + i; more[i] = 1000 * i;
                __syncthreads();
                y[i] = own[63 - i] + table()[63 - i] + more[63 - i];
            }
            extern "C" __global__ void Second(int* y) {
                int i = threadIdx.x;
                table()[i] = 7 * i;
                __syncthreads();
                y[i] = table()[63 - i];
            }
            extern "C" __global__ void Third(int* y) { y[threadIdx.x] = 5; }
            """);
        nint y = gpu.Upload<int>(new int[64]);
        module["First"].Launch(gpu.Stream, 1, 64, 256, [y]);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => 63 - i + 100 + 63 - i + 1000 * (63 - i)), gpu.Download<int>(y, 64));
        module["Second"].Launch(gpu.Stream, 1, 64, 0, [y]);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => 7 * (63 - i)), gpu.Download<int>(y, 64));
        Assert.Equal((512, 256, 0), (module["First"].SharedBytes, module["Second"].SharedBytes, module["Third"].SharedBytes));
    }

    /// <summary>Lanes that come to a shuffle later than others, from another turn of a loop, are waited for.</summary>
    [Fact]
    public void Lanes_are_waited_for_that_a_shuffle_or_a_vote_names()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Load("""
            .version 7.8
            .target sm_80
            .address_size 64
            .visible .entry Form(.param .u64 to)
            {
            .reg .b64 %rd<4>; .reg .b32 %r<9>; .reg .pred %p<5>;
            ld.param.u64 %rd1, [to];
            mov.u32 %r1, %tid.x;
            mul.wide.u32 %rd2, %r1, 4;
            add.s64 %rd2, %rd1, %rd2;
            mov.u32 %r2, 0;
            mov.u32 %r3, %r1;
            and.b32 %r4, %r1, 1;
            setp.eq.u32 %p1, %r4, 0;
            $loop:
            shfl.sync.bfly.b32 %r3, %r3, 1, 31, -1;
            vote.sync.all.pred %p2, %p1, -1;
            bar.warp.sync -1;
            add.s32 %r2, %r2, 1;
            setp.eq.u32 %p3, %r2, 5;
            @%p3 bra $end;
            @%p1 bra $loop;
            add.s32 %r3, %r3, 100;
            bra $loop;
            $end:
            @%p2 add.s32 %r3, %r3, 100000;
            st.global.u32 [%rd2], %r3;
            ret;
            }
            """);
        nint to = gpu.Upload<int>(new int[32]);
        module["Form"].Launch(gpu.Stream, 1, 32, 0, [to]);
        int[] values = [.. Enumerable.Range(0, 32)];
        for (int turn = 0; turn < 5; turn++)
            values = [.. Enumerable.Range(0, 32).Select(lane => values[lane ^ 1] + (lane % 2 == 1 && turn < 4 ? 100 : 0))];
        Assert.Equal(values, gpu.Download<int>(to, 32));
    }

    /// <summary>Two warps produce into two places in turn, two others consume, and neither waits for more than it must.</summary>
    [Fact]
    public void Producers_arrive_at_barriers_that_consumers_wait_at()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile("""
            extern "C" __global__ void Turns(int* y) {
                __shared__ int s[2][64];
                int i = threadIdx.x, sum = 0;
                for (int k = 0; k < 6; k++) {
                    int b = k & 1;
                    if (i < 64) {
                        if (k >= 2) { if (b) asm volatile("bar.sync 4, 128;" ::: "memory"); else asm volatile("bar.sync 3, 128;" ::: "memory"); }
                        s[b][i] = 100 * k + i;
                        if (b) asm volatile("bar.arrive 2, 128;" ::: "memory"); else asm volatile("bar.arrive 1, 128;" ::: "memory");
                    } else {
                        if (b) asm volatile("bar.sync 2, 128;" ::: "memory"); else asm volatile("bar.sync 1, 128;" ::: "memory");
                        sum = sum * 3 + s[b][127 - i];
                        if (k < 4) { if (b) asm volatile("bar.arrive 4, 128;" ::: "memory"); else asm volatile("bar.arrive 3, 128;" ::: "memory"); }
                    }
                }
                y[i] = sum;
            }
            """);
        nint y = gpu.Upload<int>(new int[128]);
        module["Turns"].Launch(gpu.Stream, 1, 128, 0, [y]);
        Assert.Equal(Enumerable.Range(0, 128).Select(i => i < 64 ? 0 : Enumerable.Range(0, 6).Aggregate(0, (sum, k) => sum * 3 + 100 * k + 127 - i)), gpu.Download<int>(y, 128));
    }
}
