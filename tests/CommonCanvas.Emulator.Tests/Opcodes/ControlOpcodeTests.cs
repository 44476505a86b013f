namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Branches, ends, barriers and special registers against what each thread should have done.</summary>
public class ControlOpcodeTests
{
    const string Head = """
        .version 7.8
        .target sm_80
        .address_size 64
        .visible .entry Form(.param .u64 to)
        {
        .reg .b64 %rd<9>; .reg .b32 %r<19>; .reg .pred %p<9>; .shared .align 4 .u32 shared[128];
        ld.param.u64 %rd1, [to];
        mov.u32 %r1, %tid.x;
        mul.wide.u32 %rd2, %r1, 4;
        add.s64 %rd2, %rd1, %rd2;

        """;

    static uint[] Run(string body, int threads, int outputs)
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Load(Head + body + "\n}");
        nint to = gpu.Upload<uint>(new uint[outputs]);
        module["Form"].Launch(gpu.Stream, 1, threads, 0, [to]);
        return gpu.Download<uint>(to, outputs);
    }

    /// <summary>The Collatz sequence of each thread: loops of different lengths, both sides of a branch, an end in the middle.</summary>
    [Fact]
    [Proves("bra S", "bra.uni S", "ret", "exit")]
    public void Lanes_branch_apart_and_meet_again()
    {
        var output = Run("""
            setp.eq.u32 %p1, %r1, 0;
            @%p1 ret;
            setp.gt.u32 %p1, %r1, 60;
            @%p1 exit;
            mov.u32 %r2, %r1;
            mov.u32 %r3, 0;
            bra.uni $test;
            $loop:
            and.b32 %r4, %r2, 1;
            setp.eq.u32 %p2, %r4, 0;
            @!%p2 bra $odd;
            shr.u32 %r2, %r2, 1;
            bra $next;
            $odd:
            mad.lo.s32 %r2, %r2, 3, 1;
            $next:
            add.s32 %r3, %r3, 1;
            $test:
            setp.ne.u32 %p3, %r2, 1;
            @%p3 bra $loop;
            st.global.u32 [%rd2], %r3;
            ret;
            """, 64, 64);
        static uint Steps(int v)
        {
            uint steps = 0;
            for (; v != 1; steps++) v = v % 2 == 0 ? v / 2 : 3 * v + 1;
            return steps;
        }
        Assert.Equal(Enumerable.Range(0, 64).Select(i => i is 0 or > 60 ? 0 : Steps(i)), output);
    }

    [Fact]
    [Proves("brx.idx wS")]
    public void A_switch_jumps_by_an_index() => Assert.Equal(Enumerable.Range(0, 40).Select(i => i % 3 == 1 ? 111u : (uint)(10 * (i % 3))), Run("""
            rem.u32 %r2, %r1, 3;
            $table: .branchtargets $zero, $one, $two;
            mov.u32 %r3, 5;
            brx.idx %r2, $table;
            $zero:
            mov.u32 %r3, 0;
            bra $end;
            $one:
            mov.u32 %r3, 111;
            bra $end;
            $two:
            mov.u32 %r3, 20;
            $end:
            st.global.u32 [%rd2], %r3;
            ret;
            """, 40, 40));

    /// <summary>Warps exchange values through shared memory; the numbered barrier is for the first two warps alone.</summary>
    [Fact]
    [Proves("bar.sync #", "bar.sync ##", "bar.sync w", "bar.sync ww", "barrier.sync #", "barrier.sync.aligned #", "bar.warp.sync #", "bar.warp.sync w")]
    public void Barriers_order_shared_memory()
    {
        static string Exchange(string barrier) => $$"""
            mul.wide.u32 %rd3, %r1, 4;
            mov.u64 %rd4, shared;
            add.s64 %rd5, %rd4, %rd3;
            add.s32 %r2, %r1, 100;
            mov.u32 %r6, 0;
            mov.u32 %r7, 128;
            mov.u32 %r8, -1;
            st.shared.u32 [%rd5], %r2;
            {{barrier}};
            sub.s32 %r3, 127, %r1;
            mul.wide.u32 %rd6, %r3, 4;
            add.s64 %rd6, %rd4, %rd6;
            ld.shared.u32 %r4, [%rd6];
            st.global.u32 [%rd2], %r4;
            ret;
            """;
        foreach (string barrier in (string[])["bar.sync 0", "bar.sync 3, 128", "bar.sync %r6", "bar.sync %r6, %r7", "barrier.sync 1", "barrier.sync.aligned 2"])
            Assert.Equal(Enumerable.Range(0, 128).Select(i => (uint)(127 - i + 100)), Run(Exchange(barrier), 128, 128));
        foreach (string barrier in (string[])["bar.warp.sync -1", "bar.warp.sync %r8"])
            Assert.Equal(Enumerable.Range(0, 32).Select(i => (uint)(31 - i + 100)), Run(Exchange(barrier).Replace("127", "31", StringComparison.Ordinal), 32, 32));
    }

    [Theory]
    [InlineData(0), InlineData(1), InlineData(37), InlineData(70)]
    [Proves("bar.red.popc.u32 w#p", "bar.red.popc.u32 w##p", "bar.red.and.pred p#p", "bar.red.or.pred p#p", "bar.red.or.pred p#!p")]
    public void Barriers_join_predicates(int limit)
    {
        var output = Run($$"""
            setp.lt.u32 %p1, %r1, {{limit}};
            bar.red.popc.u32 %r2, 0, %p1;
            bar.red.popc.u32 %r3, 1, 96, %p1;
            bar.red.and.pred %p2, 0, %p1;
            bar.red.or.pred %p3, 0, %p1;
            bar.red.or.pred %p4, 0, !%p1;
            selp.u32 %r4, 1, 0, %p2;
            selp.u32 %r5, 2, 0, %p3;
            selp.u32 %r6, 4, 0, %p4;
            add.s32 %r4, %r4, %r5;
            add.s32 %r4, %r4, %r6;
            mad.lo.s32 %r4, %r2, 100, %r4;
            mad.lo.s32 %r4, %r3, 10000, %r4;
            st.global.u32 [%rd2], %r4;
            ret;
            """, 70, 70);
        uint flags = (limit == 70 ? 1u : 0) + (limit > 0 ? 2u : 0) + (limit < 70 ? 4u : 0);
        Assert.All(output, value => Assert.Equal((uint)(limit * 10100) + flags, value));
    }

    static readonly string[] Places = ["%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z"];

    static readonly string[] Lanes = ["%laneid", "%warpid", "%nwarpid", "%lanemask_eq", "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge"];

    /// <summary>Names of the forms that the tests of special registers prove.</summary>
    internal static IEnumerable<string> Proven => Places.Concat(Lanes).Select(name => $"mov.u32 w{name}");

    [Fact]
    public void Special_registers_say_where_a_thread_is()
    {
        using var gpu = new EmulatedGpu();
        string[] names = [.. Places, .. Lanes];
        // a thread's number in the grid, from the registers whose values are then compared
        using var module = gpu.Load(Head + """
            mov.u32 %r2, %tid.z; mov.u32 %r3, %ntid.y; mov.u32 %r4, %tid.y; mad.lo.s32 %r2, %r2, %r3, %r4;
            mov.u32 %r3, %ntid.x; mad.lo.s32 %r2, %r2, %r3, %r1;
            mov.u32 %r3, %ctaid.z; mov.u32 %r4, %nctaid.y; mov.u32 %r5, %ctaid.y; mad.lo.s32 %r3, %r3, %r4, %r5;
            mov.u32 %r4, %nctaid.x; mov.u32 %r5, %ctaid.x; mad.lo.s32 %r3, %r3, %r4, %r5;
            mad.lo.s32 %r2, %r3, 60, %r2;
            mad.lo.s32 %r2, %r2, 80, 0;
            cvt.u64.u32 %rd2, %r2;
            add.s64 %rd2, %rd1, %rd2;

            """ + string.Concat(names.Select((name, i) => $"mov.u32 %r6, {name};\nst.global.u32 [%rd2+{4 * i}], %r6;\n")) + "ret;\n}");
        nint to = gpu.Upload<uint>(new uint[names.Length * 60 * 24]);
        module["Form"].Launch(gpu.Stream, new Cuda.Dim3(2, 3, 4), new Cuda.Dim3(5, 4, 3), 0, [to]);
        var output = gpu.Download<uint>(to, names.Length * 60 * 24);
        for (int block = 0; block < 24; block++)
            for (int thread = 0; thread < 60; thread++)
            {
                uint lane = (uint)thread % 32, eq = 1u << (int)lane;
                uint[] expected =
                [
                    (uint)thread % 5, (uint)thread / 5 % 4, (uint)thread / 20, 5, 4, 3, (uint)block % 2, (uint)block / 2 % 3, (uint)block / 6, 2, 3, 4,
                    lane, (uint)thread / 32, 2, eq, eq - 1, eq | (eq - 1), ~(eq | (eq - 1)), ~(eq - 1),
                ];
                Assert.Equal(expected, output.AsSpan((block * 60 + thread) * names.Length, names.Length).ToArray());
            }
    }

    /// <summary>Addresses of shared memory are offsets there, and beyond a window's start in generic ones; those of device memory are the same.</summary>
    [Fact]
    [Proves("cvta.to.global.u64 qq", "cvta.global.u64 qq", "cvta.shared.u64 qq", "cvta.to.shared.u64 qq", "mov.u64 qS", "mov.u32 wS", "isspacep.shared pq", "isspacep.global pq")]
    public void Addresses_change_their_space() => Assert.Equal([12u, 1u, 0u, 0u, 1u, 77u], Run("""
            mov.u64 %rd3, shared;
            add.s64 %rd3, %rd3, 12;
            cvta.shared.u64 %rd4, %rd3;
            cvta.to.shared.u64 %rd5, %rd4;
            cvt.u32.u64 %r2, %rd5;
            st.global.u32 [%rd1], %r2;
            isspacep.shared %p1, %rd4; selp.u32 %r3, 1, 0, %p1; st.global.u32 [%rd1+4], %r3;
            isspacep.global %p1, %rd4; selp.u32 %r3, 1, 0, %p1; st.global.u32 [%rd1+8], %r3;
            isspacep.shared %p1, %rd1; selp.u32 %r3, 1, 0, %p1; st.global.u32 [%rd1+12], %r3;
            cvta.to.global.u64 %rd6, %rd1;
            cvta.global.u64 %rd6, %rd6;
            isspacep.global %p1, %rd6; selp.u32 %r3, 1, 0, %p1; st.global.u32 [%rd6+16], %r3;
            mov.u32 %r4, 77;
            st.u32 [%rd4], %r4;
            mov.u32 %r5, shared;
            ld.shared.u32 %r6, [%r5+12];
            st.global.u32 [%rd1+20], %r6;
            ret;
            """, 1, 6));
}
