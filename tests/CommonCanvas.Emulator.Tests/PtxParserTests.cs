using System.Text;
using CommonCanvas.Emulator.Ptx;
using CommonCanvas.Tests;

namespace CommonCanvas.Emulator.Tests;

public class PtxParserTests
{
    const string Text = """
        // Generated
        .version 7.8
        .target sm_80, debug
        .address_size 64
        .extern .shared .align 16 .b8 dynamic[];
        .global .align 4 .b32 table[3] = {1, -1, 0x10};
        .visible .entry Scale(
            .param .u64 Scale_param_0, .param .f32 Scale_param_1, .param .align 8 .b8 Scale_param_2[24]
        )
        .maxntid 256, 1, 1
        {
            .reg .pred %p<3>; .reg .f32 %f<4>; .reg .b32 %r<5>; .reg .b64 %rd<3>;
            .shared .align 4 .b8 buffer[64];
            .shared .align 16 .f32 more[3];
            .loc 1 3 5
            ld.param.u64 %rd1, [Scale_param_0];
            @!%p1 bra $L_end;
            .loc 1 9 1, function_name $L__info_string0, inlined_at 1 4 7
            // begin inline asm
            { .reg .b16 l, h;
              mov.b32 {l, h}, %r1; }
            { .reg .b16 l; cvt.f32.f16 %f1, l; }
            // end inline asm
            mov.f32 %f2, 0f3F800000;
            shfl.sync.bfly.b32 %r2|%p2, %r1, 16, 31, -1;
            st.shared.v2.f32 [buffer+8], {%f1, %f2};
            ld.global.f32 %f3, [%rd1+-4];
            mov.u32 %r3, %tid.x;
        $L_end:
            ret;
        }
        .file 1 "/src/scale.cu"
        .section .debug_str { $L__info_string0: .b8 95, 90 }
        """;

    static readonly PtxModule Module = PtxParser.Parse(Text);
    static readonly PtxKernel Kernel = Module.Kernels["Scale"];

    [Fact, Trait("Category", "Fuzz")]
    public void Damaged_texts_are_refused_or_read() => Mutator.Run([Encoding.ASCII.GetBytes(Text)], 1000,
        (bytes, _) => PtxParser.Parse(Encoding.Latin1.GetString(bytes)), e => e is PtxSyntaxException && e.Message.StartsWith("PTX line ", StringComparison.Ordinal));

    [Theory]
    [InlineData(".version seven")]
    [InlineData(".global .align 0 .b8 a;")]
    [InlineData(".global .b8 a[18446744073709551615];")]
    [InlineData(".global .b8 a[99999][99999] = {1};")]
    [InlineData(".global .b8 a[02000000000000000000000];")]
    [InlineData(".entry K() { .reg .f32 %f<4000000000>; }")]
    [InlineData(".entry K() { } .entry K() { }")]
    [InlineData(".entry K() { .shared .b8 a; .shared .b8 a; }")]
    [InlineData(".entry K() { add ")]
    [InlineData(".file")]
    public void Hostile_texts_are_refused_with_their_line(string text) => Assert.StartsWith("PTX line 1: ", Assert.Throws<PtxSyntaxException>(() => PtxParser.Parse(text)).Message);

    [Fact]
    public void Braces_in_braces_do_not_fill_the_stack() =>
        Assert.Throws<PtxSyntaxException>(() => PtxParser.Parse(".entry K() { mov.b32 %r1, " + new string('{', 1_000_000)));

    [Fact]
    public void The_module_has_its_head_files_and_variables()
    {
        Assert.Equal((new Version(7, 8), "sm_80", "/src/scale.cu"), (Module.Version, Module.Target, Module.Files[1]));
        Assert.Equal([1, 0, 0, 0, 255, 255, 255, 255, 16, 0, 0, 0], Module.Globals["table"].Initial!);
    }

    [Fact]
    public void Parameters_are_laid_out_as_a_structure()
    {
        Assert.Equal([(0, 8), (8, 4), (16, 24)], Kernel.Parameters.Select(p => (p.Offset, p.Bytes)));
        Assert.Equal((40, 256), (Kernel.ParameterBytes, Kernel.MaxThreads));
    }

    [Fact]
    public void Shared_variables_are_aligned_and_dynamic_ones_known()
    {
        Assert.Equal((0, 64, 76), (Kernel.Shared["buffer"].Offset, Kernel.Shared["more"].Offset, Kernel.SharedBytes));
        Assert.Contains("dynamic", Kernel.DynamicShared);
    }

    [Fact]
    public void Registers_of_inner_scopes_are_their_own()
    {
        var (unpack, convert) = (Kernel.Instructions[2], Kernel.Instructions[3]);
        var low = ((PtxRegisterOperand)((PtxVectorOperand)unpack.Operands[0]).Elements[0]).Register;
        var other = ((PtxRegisterOperand)convert.Operands[1]).Register;
        Assert.NotEqual(low, other);
        Assert.Equal(3 + 4 + 5 + 3 + 3, Kernel.Registers.Count);
    }

    [Fact]
    public void Instructions_carry_guard_operands_and_lines()
    {
        var branch = Kernel.Instructions[1];
        Assert.Equal(("@!%p1 bra $L_end", true, 3), (branch.ToString(), branch.GuardNegated, branch.Location.Line));
        Assert.Equal(Kernel.Instructions.Count - 1, Kernel.Labels["$L_end"]);
        Assert.Equal(new PtxLocation(1, 9, 1, 4), Kernel.Instructions[2].Location);
        Assert.Equal("mov.f32 %f2, 0f3F800000", Kernel.Instructions[4].ToString());
        Assert.Equal("shfl.sync.bfly.b32 %r2|%p2, %r1, 16, 31, -1", Kernel.Instructions[5].ToString());
        Assert.Equal("st.shared.v2.f32 [buffer+8], {%f1, %f2}", Kernel.Instructions[6].ToString());
        Assert.Equal("ld.global.f32 %f3, [%rd1+-4]", Kernel.Instructions[7].ToString());
        Assert.Equal(new PtxSpecialOperand("%tid.x"), Kernel.Instructions[8].Operands[1]);
    }

    [Theory]
    [InlineData(".version 7.8 .entry A( { }", 1)]
    [InlineData(".version 7.8\n.entry A() { add.s32 %r1 %r2; }", 2)]
    [InlineData(".version 7.8\n\n.entry A() { ret;", 3)]
    [InlineData(".version 7.8\n.entry A() { .reg .b33 %r<2>; }", 2)]
    [InlineData(".version 7.8\n.entry A() { mov.u32 x, 0x; }", 2)]
    [InlineData("hello", 1)]
    public void What_cannot_be_read_is_refused_with_its_line(string text, int line) =>
        Assert.Equal(line, Assert.Throws<PtxSyntaxException>(() => PtxParser.Parse(text)).Line);
}
