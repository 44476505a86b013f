using System.Text;
using static CommonCanvas.Emulator.Tests.Opcodes.EdgeValues;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Atomic operations in every space against what they say: the old value returned, the new one kept, nothing beside it touched.</summary>
public class AtomicOpcodeTests
{
    static readonly FloatFormat F = FloatFormat.F32;

    /// <summary>An operation on the old value and one or two operands.</summary>
    sealed record Atomic(string Name, string Type, int Operands, Func<ulong[], ulong> Of)
    {
        public int Bytes => Type switch { "b16" or "f16" or "bf16" => 2, "u64" or "s64" or "b64" or "f64" => 8, _ => 4 };

        public char Letter => Bytes switch { 8 => 'q', 2 => 'h', _ => 'w' };

        public FloatFormat? NaN => Type == "f64" ? FloatFormat.F64 : null;
    }

    static ulong Packed(FloatFormat format, ulong[] o) => format.Add(o[0] & 0xffff, o[1] & 0xffff, "rn") | format.Add(o[0] >> 16, o[1] >> 16, "rn") << 16;

    static IEnumerable<Atomic> Integers(int bits) =>
    [
        new("add", $"u{bits}", 1, o => o[0] + o[1]), new("and", $"b{bits}", 1, o => o[0] & o[1]), new("or", $"b{bits}", 1, o => o[0] | o[1]),
        new("xor", $"b{bits}", 1, o => o[0] ^ o[1]), new("exch", $"b{bits}", 1, o => o[1]), new("cas", $"b{bits}", 2, o => o[0] == o[1] ? o[2] : o[0]),
        new("min", $"u{bits}", 1, o => Math.Min(o[0], o[1])), new("max", $"u{bits}", 1, o => Math.Max(o[0], o[1])),
        new("min", $"s{bits}", 1, o => Signed(o[0], bits) < Signed(o[1], bits) ? o[0] : o[1]), new("max", $"s{bits}", 1, o => Signed(o[0], bits) > Signed(o[1], bits) ? o[0] : o[1]),
    ];

    static long Signed(ulong v, int bits) => bits == 64 ? (long)v : (int)v;

    // subnormal numbers are flushed in device memory, not in shared memory
    static IEnumerable<Atomic> All(string space) =>
    [
        .. Integers(32), .. Integers(64), new("add", "s32", 1, o => o[0] + o[1]), new("cas", "b16", 2, o => o[0] == o[1] ? o[2] : o[0]),
        new("inc", "u32", 1, o => o[0] >= o[1] ? 0 : o[0] + 1), new("dec", "u32", 1, o => o[0] == 0 || o[0] > o[1] ? o[1] : o[0] - 1),
        new("add", "f32", 1, space == "shared" ? o => F.Add(o[0], o[1], "rn") : o => F.Flush(F.Add(F.Flush(o[0]), F.Flush(o[1]), "rn"))),
        new("add", "f64", 1, o => FloatFormat.F64.Add(o[0], o[1], "rn")),
        new("add.noftz", "f16", 1, o => FloatFormat.F16.Add(o[0], o[1], "rn")), new("add.noftz", "bf16", 1, o => FloatFormat.BF16.Add(o[0], o[1], "rn")),
        new("add.noftz", "f16x2", 1, o => Packed(FloatFormat.F16, o)), new("add.noftz", "bf16x2", 1, o => Packed(FloatFormat.BF16, o)),
    ];

    static string Opcode(Atomic atomic, string space, bool returns) => $"{(returns ? "atom" : "red")}{(space == "" ? "" : $".{space}")}.{atomic.Name}.{atomic.Type}";

    static readonly string[] Places = ["", "global", "shared"];

    static bool Exists(Atomic atomic, bool returns) => returns || atomic.Name is not ("exch" or "cas");

    /// <summary>Names of the forms that these tests prove.</summary>
    internal static IEnumerable<string> Proven =>
        from space in Places
        from atomic in All(space)
        from returns in (bool[])[true, false]
        where Exists(atomic, returns)
        from address in space == "shared" ? "qw" : "q"
        select $"{Opcode(atomic, space, returns)} {(returns ? $"{atomic.Letter}" : "")}[{address}]{new string(atomic.Letter, atomic.Operands)}";

    static ulong[] Edges(Atomic atomic) => (atomic.Type switch
    {
        "f64" => Doubles, "f32" => Singles, "f16" or "b16" => Halves, "bf16" => BFloats, "f16x2" => [.. Halves.Zip(Halves.Reverse(), (low, high) => low | high << 16)],
        "bf16x2" => [.. BFloats.Zip(BFloats.Reverse(), (low, high) => low | high << 16)],
        _ => atomic.Bytes == 8 ? (ulong[])[0, 1, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, ulong.MaxValue] : [0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff],
    }).Take(atomic.Operands == 2 ? 8 : 30).ToArray();

    [Theory]
    [InlineData(""), InlineData("global"), InlineData("shared")]
    public void The_old_value_is_returned_and_the_new_one_kept(string space)
    {
        using var gpu = new EmulatedGpu();
        foreach (var atomic in All(space))
        {
            ulong[] edges = Edges(atomic);
            ulong[][] cases = atomic.Operands == 1 ? [.. from a in edges from b in edges select (ulong[])[a, b, 0]]
                : [.. from a in edges from b in edges from c in edges select (ulong[])[a, b, c]];
            foreach (bool returns in (bool[])[true, false])
                foreach (char address in space == "shared" ? "qw" : "q")
                    if (Exists(atomic, returns)) Check(gpu, atomic, space, returns, address, cases);
        }
    }

    static void Check(EmulatedGpu gpu, Atomic atomic, string space, bool returns, char address, ulong[][] cases)
    {
        const int Threads = 64;
        int blocks = (cases.Length + Threads - 1) / Threads;
        using var module = gpu.Load(Text(atomic, space, returns, address));
        var input = new ulong[blocks * Threads * 3];
        for (int i = 0; i < cases.Length; i++) cases[i].CopyTo(input, 3 * i);
        nint from = gpu.Device.Allocate(input.Length * 8), to = gpu.Device.Allocate(blocks * Threads * 16);
        unsafe
        {
            fixed (ulong* data = input) gpu.Stream.CopyToDevice((nint)data, from, input.Length * 8);
        }
        module["Form"].Launch(gpu.Stream, blocks, Threads, 0, [from, to]);
        ulong[] result = gpu.Download<ulong>(to, 2 * cases.Length);
        gpu.Device.Free(from);
        gpu.Device.Free(to);
        ulong mask = atomic.Bytes == 8 ? ulong.MaxValue : (1ul << (8 * atomic.Bytes)) - 1;
        for (int i = 0; i < cases.Length; i++)
        {
            // beside a narrower value the place holds ones
            ulong old = returns ? cases[i][0] & mask : 0, now = (atomic.Of(cases[i]) & mask) | ~mask;
            bool right = result[2 * i] == old && (result[2 * i + 1] == now || (atomic.NaN is { } format && format.IsNaN(now) && format.IsNaN(result[2 * i + 1])));
            Assert.True(right, $"{Opcode(atomic, space, returns)} of {string.Join(", ", cases[i].Select(v => $"0x{v:x}"))}: 0x{result[2 * i]:x} and 0x{result[2 * i + 1]:x}, not 0x{old:x} and 0x{now:x}");
        }
    }

    // a thread changes its own place, in device memory that of its result's second word
    static string Text(Atomic atomic, string space, bool returns, char address)
    {
        string place = space == "shared" ? ".shared" : space == "" ? "" : ".global", type = $"b{8 * atomic.Bytes}";
        var text = new StringBuilder("""
            .version 7.8
            .target sm_90
            .address_size 64
            .visible .entry Form(.param .u64 from, .param .u64 to)
            {
            .reg .b64 %rd<9>; .reg .b32 %r<9>; .reg .b32 %w<9>; .reg .b16 %h<9>; .reg .b64 %q<9>;
            .shared .align 8 .b8 shared[512];
            mov.u32 %r1, %ctaid.x;
            mov.u32 %r2, %ntid.x;
            mov.u32 %r3, %tid.x;
            mad.lo.s32 %r4, %r1, %r2, %r3;
            ld.param.u64 %rd1, [from];
            ld.param.u64 %rd2, [to];
            mul.wide.u32 %rd3, %r4, 24;
            add.s64 %rd3, %rd1, %rd3;
            mul.wide.u32 %rd4, %r4, 16;
            add.s64 %rd4, %rd2, %rd4;
            mov.u64 %rd8, -1;

            """);
        text.AppendLine(space == "shared" ? "mov.u64 %rd5, shared;\nmul.wide.u32 %rd6, %r3, 8;\nadd.s64 %rd5, %rd5, %rd6;\ncvt.u32.u64 %r5, %rd5;" : "add.s64 %rd5, %rd4, 8;");
        for (int i = 0; i < 3; i++) text.AppendLine($"ld.global.{type} %{atomic.Letter}{i}, [%rd3+{8 * i}];");
        text.AppendLine($"st{place}.u64 [%rd5], %rd8;\nst{place}.{type} [%rd5], %{atomic.Letter}0;");
        string operands = atomic.Operands == 1 ? $"%{atomic.Letter}1" : $"%{atomic.Letter}1, %{atomic.Letter}2";
        text.AppendLine($"{Opcode(atomic, space, returns)} {(returns ? $"%{atomic.Letter}4, " : "")}[{(address == 'w' ? "%r5" : "%rd5")}], {operands};");
        text.AppendLine(!returns ? "mov.u64 %rd7, 0;" : atomic.Letter switch { 'q' => "mov.u64 %rd7, %q4;", 'w' => "cvt.u64.u32 %rd7, %w4;", _ => "cvt.u64.u16 %rd7, %h4;" });
        return text.AppendLine($"ld{place}.u64 %rd6, [%rd5];\nst.global.u64 [%rd4], %rd7;\nst.global.u64 [%rd4+8], %rd6;\nret;\n}}").ToString();
    }
}
