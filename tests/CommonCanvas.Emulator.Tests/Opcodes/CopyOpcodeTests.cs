namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>cp.async: every size, with fewer bytes to read than to write, which leaves zeros behind them.</summary>
public class CopyOpcodeTests
{
    const int Lanes = 32, Place = 32;

    static readonly (string Cache, int Bytes)[] Copies = [("ca", 4), ("ca", 8), ("ca", 16), ("cg", 16)];

    /// <summary>Names of the forms that these tests prove.</summary>
    internal static IEnumerable<string> Proven =>
    [
        .. from copy in Copies from address in "wq" from sizes in (string[])["#", "##", "#w"] select $"cp.async.{copy.Cache}.shared.global [{address}][q]{sizes}",
        "cp.async.commit_group", "cp.async.wait_group #", "cp.async.wait_all",
    ];

    // lanes copy 0 to all bytes where the size is a register, and a fixed number where it is a constant
    [Fact]
    public void Bytes_that_are_not_read_become_zero()
    {
        using var gpu = new EmulatedGpu();
        byte[] data = new byte[Lanes * Place];
        new Random(5).NextBytes(data);
        nint from = gpu.Upload<byte>(data), to = gpu.Upload<byte>(new byte[data.Length]);
        foreach (var (cache, bytes) in Copies)
            foreach (char address in "wq")
                foreach (int? fixedSize in (int?[])[null, bytes, bytes - 1, 1, 0, -1]) // none, a constant, or with -1 a register
                    foreach (string wait in (string[])["cp.async.commit_group;\ncp.async.wait_group 0;", "cp.async.wait_all;"])
                    {
                        int Size(int lane) => fixedSize switch { null => bytes, -1 => lane % (bytes + 1), int size => size };
                        using var module = gpu.Load($$"""
                            .version 7.8
                            .target sm_80
                            .address_size 64
                            .visible .entry Form(.param .u64 from, .param .u64 to)
                            {
                            .reg .b64 %rd<9>; .reg .b32 %r<9>; .shared .align 16 .b8 shared[{{Lanes * Place}}];
                            mov.u32 %r1, %tid.x;
                            mul.wide.u32 %rd3, %r1, {{Place}};
                            ld.param.u64 %rd1, [from];
                            add.s64 %rd1, %rd1, %rd3;
                            ld.param.u64 %rd2, [to];
                            add.s64 %rd2, %rd2, %rd3;
                            mov.u64 %rd4, shared;
                            add.s64 %rd4, %rd4, %rd3;
                            cvt.u32.u64 %r2, %rd4;
                            rem.u32 %r3, %r1, {{bytes + 1}};
                            mov.u64 %rd5, -1;
                            st.shared.u64 [%rd4], %rd5; st.shared.u64 [%rd4+8], %rd5; st.shared.u64 [%rd4+16], %rd5; st.shared.u64 [%rd4+24], %rd5;
                            cp.async.{{cache}}.shared.global [{{(address == 'w' ? "%r2" : "%rd4")}}+16], [%rd1+16], {{bytes}}{{(fixedSize switch { null => "", -1 => ", %r3", int size => $", {size}" })}};
                            {{wait}}
                            ld.shared.u64 %rd5, [%rd4]; st.global.u64 [%rd2], %rd5; ld.shared.u64 %rd5, [%rd4+8]; st.global.u64 [%rd2+8], %rd5;
                            ld.shared.u64 %rd5, [%rd4+16]; st.global.u64 [%rd2+16], %rd5; ld.shared.u64 %rd5, [%rd4+24]; st.global.u64 [%rd2+24], %rd5;
                            ret;
                            }
                            """);
                        module["Form"].Launch(gpu.Stream, 1, Lanes, 0, [from, to]);
                        byte[] expected = new byte[data.Length];
                        for (int at = 0; at < expected.Length; at++)
                        {
                            int lane = at / Place, offset = at % Place - 16;
                            expected[at] = offset < 0 || offset >= bytes ? (byte)255 : offset < Size(lane) ? data[at] : (byte)0;
                        }
                        Assert.Equal(expected, gpu.Download<byte>(to, data.Length));
                    }
    }

    /// <summary>Bytes that are not to be read may lie outside of device memory.</summary>
    [Fact]
    public void A_copy_of_nothing_reads_nothing()
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Load("""
            .version 7.8
            .target sm_80
            .address_size 64
            .visible .entry Form(.param .u64 to)
            {
            .reg .b64 %rd<9>; .reg .b32 %r<9>; .shared .align 16 .b8 shared[16];
            ld.param.u64 %rd1, [to];
            mov.u64 %rd2, 12345;
            mov.u32 %r1, shared;
            cp.async.cg.shared.global [%r1], [%rd2], 16, 0;
            cp.async.wait_all;
            ld.shared.u64 %rd3, [%r1+8];
            st.global.u64 [%rd1], %rd3;
            ret;
            }
            """);
        nint to = gpu.Upload<ulong>([7]);
        module["Form"].Launch(gpu.Stream, 1, 1, 0, [to]);
        Assert.Equal([0ul], gpu.Download<ulong>(to, 1));
    }
}
