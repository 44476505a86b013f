using System.Text;
using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>
/// One form of an instruction with what it must give. The shape has a letter for the result and each operand: w 32 bits, h 16,
/// q 64, p a predicate (results only).
/// </summary>
internal sealed record OpcodeForm(string Opcode, string Shape, Func<ulong[], ulong> Oracle, string Tail = "");

/// <summary>Runs forms on an emulated device, each on all combinations of edge values, and compares with their oracles.</summary>
internal static class OpcodeBench
{
    public static void Check(IEnumerable<OpcodeForm> forms, Func<char, int, ulong[]> values)
    {
        using var gpu = new EmulatedGpu();
        var wrong = new List<string>();
        foreach (var form in forms)
        {
            var combinations = Combinations([.. form.Shape[1..].Select(letter => values(letter, form.Shape.Length - 1))]);
            var results = Run(gpu, form, combinations);
            for (int i = 0; i < combinations.Length; i++)
            {
                ulong expected = Cut(form.Oracle(combinations[i]), form.Shape[0]);
                if (results[i] == expected) continue;
                wrong.Add($"{form.Opcode} of {string.Join(", ", combinations[i].Select(v => $"0x{v:x}"))} is 0x{results[i]:x}, not 0x{expected:x}");
                break;
            }
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    static ulong Cut(ulong value, char letter) => letter switch { 'q' => value, 'h' => (ushort)value, 'p' => value & 1, _ => (uint)value };

    static ulong[][] Combinations(ulong[][] values) => values.Aggregate<ulong[], IEnumerable<ulong[]>>([[]],
        (sofar, next) => sofar.SelectMany(head => next.Select(value => (ulong[])[.. head, value]))).ToArray();

    /// <summary>The results for each combination of operands.</summary>
    public static ulong[] Run(EmulatedGpu gpu, OpcodeForm form, ulong[][] operands)
    {
        const int Threads = 128;
        int blocks = (operands.Length + Threads - 1) / Threads, padded = blocks * Threads, count = form.Shape.Length - 1;
        using var module = gpu.Load(Text(form));
        var input = new ulong[padded * count];
        for (int i = 0; i < operands.Length; i++) operands[i].CopyTo(input, i * count);
        nint from = gpu.Device.Allocate(Math.Max(8, input.Length * 8)), to = gpu.Device.Allocate(padded * 8);
        try
        {
            unsafe
            {
                fixed (ulong* data = input) gpu.Stream.CopyToDevice((nint)data, from, input.Length * 8);
            }
            module["Form"].Launch(gpu.Stream, blocks, Threads, 0, [from, to]);
            return gpu.Download<ulong>(to, padded)[..operands.Length];
        }
        finally
        {
            gpu.Device.Free(from);
            gpu.Device.Free(to);
        }
    }

    // thread i reads its operands as 64-bit words, and writes its result as one
    static string Text(OpcodeForm form)
    {
        var text = new StringBuilder("""
            .version 7.8
            .target sm_80
            .address_size 64
            .visible .entry Form(.param .u64 from, .param .u64 to)
            {
            .reg .b64 %rd<9>; .reg .b32 %r<9>; .reg .b32 %w<9>; .reg .b16 %h<9>; .reg .b64 %q<9>; .reg .pred %p<2>;
            mov.u32 %r1, %ctaid.x;
            mov.u32 %r2, %ntid.x;
            mov.u32 %r3, %tid.x;
            mad.lo.s32 %r4, %r1, %r2, %r3;
            ld.param.u64 %rd1, [from];
            ld.param.u64 %rd2, [to];

            """);
        int count = form.Shape.Length - 1;
        text.AppendLine($"mul.wide.u32 %rd3, %r4, {8 * count};\nadd.s64 %rd3, %rd1, %rd3;\nmul.wide.u32 %rd4, %r4, 8;\nadd.s64 %rd4, %rd2, %rd4;");
        var names = new List<string> { $"%{form.Shape[0]}0" };
        for (int i = 1; i <= count; i++)
        {
            char letter = form.Shape[i];
            names.Add($"%{letter}{i}");
            text.AppendLine($"ld.global.{(letter switch { 'q' => "u64", 'h' => "u16", _ => "u32" })} %{letter}{i}, [%rd3+{8 * (i - 1)}];");
        }
        text.AppendLine($"{form.Opcode} {string.Join(", ", names)}{form.Tail};");
        text.AppendLine(form.Shape[0] switch
        {
            'q' => "st.global.u64 [%rd4], %q0;",
            'h' => "cvt.u32.u16 %w0, %h0;\ncvt.u64.u32 %q0, %w0;\nst.global.u64 [%rd4], %q0;",
            'p' => "selp.u32 %w0, 1, 0, %p0;\ncvt.u64.u32 %q0, %w0;\nst.global.u64 [%rd4], %q0;",
            _ => "cvt.u64.u32 %q0, %w0;\nst.global.u64 [%rd4], %q0;",
        });
        return text.AppendLine("ret;\n}").ToString();
    }
}
