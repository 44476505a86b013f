using System.Text;
using System.Text.RegularExpressions;
using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>
/// One form of an instruction with what it must give. The shape has a letter for the result and each operand: w 32 bits, h 16,
/// q 64, p a predicate; !p is negated. Braces hold the elements of a vector, the lowest first, and p|p two predicates; a result
/// of several parts is one number, the first part lowest.
/// </summary>
/// <param name="Opcode">The opcode with its modifiers.</param>
/// <param name="Shape">Result and operands.</param>
/// <param name="Oracle">The result from the values of all letters behind the result's.</param>
/// <param name="Tail">What the text has behind the operands.</param>
/// <param name="NaN">The format of the result where what is not a number may have any payload.</param>
internal sealed record OpcodeForm(string Opcode, string Shape, Func<ulong[], ulong> Oracle, string Tail = "", FloatFormat? NaN = null)
{
    /// <summary>Opcode and shape, as <see cref="OpcodeForms"/> writes them.</summary>
    public string Name => $"{Opcode} {Shape}{new string('#', Tail.Split(',', StringSplitOptions.RemoveEmptyEntries).Length)}";
}

/// <summary>Runs forms on an emulated device, each on all combinations of edge values, and compares with their oracles.</summary>
internal static partial class OpcodeBench
{
    public static void Check(IEnumerable<OpcodeForm> forms, Func<char, int, ulong[]> values)
    {
        using var gpu = new EmulatedGpu();
        var wrong = new List<string>();
        foreach (var form in forms)
        {
            string inputs = Inputs(form);
            var combinations = Combinations([.. inputs.Select(letter => letter == 'p' ? [0, 1] : values(letter, inputs.Length))]);
            var results = Run(gpu, form, combinations);
            for (int i = 0; i < combinations.Length; i++)
            {
                ulong expected = Cut(form.Oracle(combinations[i]), Tokens(form)[0]);
                if (results[i] == expected || (form.NaN is { } format && format.IsNaN(results[i]) && format.IsNaN(expected))) continue;
                wrong.Add($"{form.Opcode} of {string.Join(", ", combinations[i].Select(v => $"0x{v:x}"))} is 0x{results[i]:x}, not 0x{expected:x}");
                break;
            }
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    static ulong Cut(ulong value, string result) => result switch { "h" => (ushort)value, "p" => value & 1, "w" => (uint)value, _ => value };

    static string[] Tokens(OpcodeForm form) => [.. Token().Matches(form.Shape).Select(match => match.Value)];

    /// <summary>The letters of all operands.</summary>
    static string Inputs(OpcodeForm form) => string.Concat(Tokens(form).Skip(1).SelectMany(token => token.Where(char.IsLetter)));

    [GeneratedRegex(@"\{\w+\}|p\|p|!?\w")]
    private static partial Regex Token();

    static ulong[][] Combinations(ulong[][] values) => values.Aggregate<ulong[], IEnumerable<ulong[]>>([[]],
        (sofar, next) => sofar.SelectMany(head => next.Select(value => (ulong[])[.. head, value]))).ToArray();

    /// <summary>The results for each combination of operands.</summary>
    public static ulong[] Run(EmulatedGpu gpu, OpcodeForm form, ulong[][] operands)
    {
        const int Threads = 128;
        int blocks = (operands.Length + Threads - 1) / Threads, padded = blocks * Threads, count = Inputs(form).Length;
        using var module = gpu.Load(Text(form));
        var input = new ulong[Math.Max(1, padded * count)];
        for (int i = 0; i < operands.Length; i++) operands[i].CopyTo(input, i * count);
        nint from = gpu.Device.Allocate(input.Length * 8), to = gpu.Device.Allocate(padded * 8);
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
            .reg .b64 %rd<9>; .reg .b32 %r<9>; .reg .b32 %w<19>; .reg .b16 %h<19>; .reg .b64 %q<19>; .reg .pred %p<19>;
            mov.u32 %r1, %ctaid.x;
            mov.u32 %r2, %ntid.x;
            mov.u32 %r3, %tid.x;
            mad.lo.s32 %r4, %r1, %r2, %r3;
            ld.param.u64 %rd1, [from];
            ld.param.u64 %rd2, [to];

            """);
        var tokens = Tokens(form);
        int count = Inputs(form).Length, input = 0;
        text.AppendLine($"mul.wide.u32 %rd3, %r4, {8 * count};\nadd.s64 %rd3, %rd1, %rd3;\nmul.wide.u32 %rd4, %r4, 8;\nadd.s64 %rd4, %rd2, %rd4;");
        var names = new List<string> { Names(tokens[0], index => 10 + index) };
        foreach (string token in tokens.Skip(1))
        {
            foreach (char letter in token.Where(char.IsLetter))
            {
                input++;
                text.AppendLine(letter == 'p' ? $"ld.global.u32 %r5, [%rd3+{8 * (input - 1)}];\nsetp.ne.u32 %p{input}, %r5, 0;"
                    : $"ld.global.{(letter switch { 'q' => "u64", 'h' => "u16", _ => "u32" })} %{letter}{input}, [%rd3+{8 * (input - 1)}];");
            }
            int first = input - token.Count(char.IsLetter) + 1;
            names.Add(Names(token, index => first + index));
        }
        text.AppendLine($"{form.Opcode} {string.Join(", ", names)}{(form.Tail.StartsWith(',') || form.Tail.Length == 0 ? "" : ", ")}{form.Tail};\nmov.u64 %rd5, 0;");
        int shift = 0;
        foreach (var (letter, index) in tokens[0].Where(char.IsLetter).Select((letter, index) => (letter, index)))
        {
            int register = 10 + index;
            text.AppendLine(letter switch
            {
                'q' => $"mov.u64 %rd6, %q{register};",
                'h' => $"cvt.u32.u16 %r6, %h{register};\ncvt.u64.u32 %rd6, %r6;",
                'p' => $"selp.u32 %r6, 1, 0, %p{register};\ncvt.u64.u32 %rd6, %r6;",
                _ => $"cvt.u64.u32 %rd6, %w{register};",
            });
            text.AppendLine($"shl.b64 %rd6, %rd6, {shift};\nor.b64 %rd5, %rd5, %rd6;");
            shift += letter switch { 'q' => 64, 'h' => 16, 'p' => 1, _ => 32 };
        }
        return text.AppendLine("st.global.u64 [%rd4], %rd5;\nret;\n}").ToString();
    }

    // the registers of an operand: a name, {name, name}, name|name or !name
    static string Names(string token, Func<int, int> number)
    {
        int index = 0;
        var text = new StringBuilder();
        foreach (char c in token)
        {
            if (!char.IsLetter(c)) text.Append(c);
            else
            {
                if (index > 0 && token[0] == '{') text.Append(", ");
                text.Append($"%{c}{number(index++)}");
            }
        }
        return text.ToString();
    }
}
