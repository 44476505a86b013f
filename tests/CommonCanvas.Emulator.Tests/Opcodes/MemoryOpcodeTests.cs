using System.Buffers.Binary;
using System.Text;
using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>
/// Loads and stores against bytes. Each of 32 threads has 32 bytes of the space; the access is the form's, what fills and reads
/// the place around it are words of 64 bits.
/// </summary>
public class MemoryOpcodeTests
{
    const int Lanes = 32, Place = 32;

    static readonly string[] Types = ["b8", "u8", "s8", "b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64"];

    static int Bytes(string type) => int.Parse(type[1..]) / 8;

    /// <summary>An access: the opcode, the registers' letters, how many, and the address: q or w in a register, S by name.</summary>
    internal sealed record MemoryForm(string Opcode, char Letter, int Count, char Address)
    {
        public string Type => Opcode.Split('.')[^1];

        public string Space => Opcode.Split('.') is [_, "global" or "shared" or "local" or "const" or "param", ..] parts ? parts[1] : "generic";

        public bool Loads => Opcode.StartsWith("ld", StringComparison.Ordinal);

        string Registers => Count == 1 ? $"{Letter}" : $"{{{new string(Letter, Count)}}}";

        public string Name => Loads ? $"{Opcode} {Registers}[{Address}]" : $"{Opcode} [{Address}]{Registers}";

        public override string ToString() => Name;
    }

    // a register may be wider than the type of the access, never narrower
    static IEnumerable<char> Letters(string type) => type[0] == 'f' ? [Bytes(type) == 8 ? 'q' : 'w'] : "hwq".Where(letter => letter switch { 'q' => 8, 'w' => 4, _ => 2 } >= Bytes(type));

    internal static IEnumerable<MemoryForm> All =>
    [
        .. from space in (string[])["global.", "shared.", "local.", "", "const.", "param."]
           from stores in (bool[])[false, true]
           where !stores || space is not ("const." or "param.")
           from count in (int[])[1, 2, 4]
           from type in Types
           where Bytes(type) * count <= 16
           from letter in Letters(type)
           from address in space switch { "shared." => "qwS", "local." or "const." or "param." => "qS", _ => "q" }
           select new MemoryForm($"{(stores ? "st" : "ld")}.{space}{(count > 1 ? $"v{count}." : "")}{type}", letter, count, address),
        .. from modifier in (string[])["nc", "ca", "cg", "cs", "lu", "cv", "volatile", "weak", "relaxed.gpu", "acquire.gpu", "nc.L1::no_allocate.L2::128B"]
           select new MemoryForm(modifier is "volatile" or "weak" or "relaxed.gpu" or "acquire.gpu" ? $"ld.{modifier}.global.u32" : $"ld.global.{modifier}.u32", 'w', 1, 'q'),
        .. ((string[])["st.global.wb.u32", "st.global.cg.u32", "st.global.cs.u32", "st.global.wt.u32", "st.volatile.global.u32", "st.release.gpu.global.u32"]).Select(opcode => new MemoryForm(opcode, 'w', 1, 'q')),
    ];

    /// <summary>Names of the forms that these tests prove.</summary>
    public static IEnumerable<string> Proven => All.Select(form => form.Name);

    public static TheoryData<string, bool> Spaces => new(from space in All.Select(form => form.Space).Distinct()
                                                         from loads in (bool[])[true, false]
                                                         where All.Any(form => form.Space == space && form.Loads == loads)
                                                         select (space, loads));

    [Theory]
    [MemberData(nameof(Spaces))]
    [Proves("mov.b64 qS")]
    public void Bytes_arrive_where_they_belong(string space, bool loads)
    {
        using var gpu = new EmulatedGpu();
        byte[] data = new byte[Lanes * Place];
        new Random(7).NextBytes(data);
        nint from = gpu.Upload<byte>(data), to = gpu.Upload<byte>(new byte[data.Length]);
        foreach (var form in All.Where(form => form.Space == space && form.Loads == loads))
        {
            using var module = gpu.Load(Text(form, data));
            module["Form"].Launch(gpu.Stream, 1, Lanes, 0, form.Space == "param" ? [from, to, BitConverter.ToInt64(data, 0), BitConverter.ToInt64(data, 8)] : [from, to, 0L, 0L]);
            byte[] result = gpu.Download<byte>(to, data.Length), expected = [.. Enumerable.Range(0, Lanes).SelectMany(lane => Expected(form, data.AsSpan(Home(form, lane) * Place, Place)))];
            Assert.True(expected.AsSpan().SequenceEqual(result), $"{form}: {Convert.ToHexString(result[..64])}, not {Convert.ToHexString(expected[..64])}");
        }
    }

    // the lane whose data a lane sees: by name all see the first place, and of shared memory the last writer's
    static int Home(MemoryForm form, int lane) => form.Space switch { "param" => 0, "const" when form.Address == 'S' => 0, "shared" when form.Address == 'S' => form.Loads ? 0 : Lanes - 1, _ => lane };

    // a load: the elements, each extended to 64 bits; a store: the place, filled with 0xaa before
    static byte[] Expected(MemoryForm form, ReadOnlySpan<byte> place)
    {
        var result = new byte[Place];
        int bytes = Bytes(form.Type);
        if (!form.Loads) result.AsSpan().Fill(0xaa);
        for (int e = 0; e < form.Count; e++)
        {
            if (!form.Loads)
            {
                // element e comes from word e of the data
                place.Slice(8 * e, bytes).CopyTo(result.AsSpan(e * bytes));
                continue;
            }
            var element = place.Slice(e * bytes, bytes);
            long value = bytes switch { 1 => element[0], 2 => BinaryPrimitives.ReadUInt16LittleEndian(element), 4 => BinaryPrimitives.ReadUInt32LittleEndian(element), _ => BinaryPrimitives.ReadInt64LittleEndian(element) };
            if (form.Type[0] == 's') value = value << (64 - 8 * bytes) >> (64 - 8 * bytes);
            ulong cut = form.Letter switch { 'h' => (ushort)value, 'w' => (uint)value, _ => (ulong)value };
            BinaryPrimitives.WriteUInt64LittleEndian(result.AsSpan(8 * e), cut);
        }
        return result;
    }

    static string Text(MemoryForm form, byte[] data)
    {
        string space = form.Space is "const" or "param" ? "global" : form.Space;
        var text = new StringBuilder($$"""
            .version 7.8
            .target sm_80
            .address_size 64
            .const .align 16 .b8 table[{{data.Length}}] = {{{string.Join(",", data)}}};
            .visible .entry Form(.param .u64 from, .param .u64 to, .param .align 16 .u64 block, .param .u64 rest)
            {
            .reg .b64 %rd<19>; .reg .b32 %r<9>; .reg .b32 %w<9>; .reg .b16 %h<9>; .reg .b64 %q<9>;
            .shared .align 16 .b8 shared[{{Lanes * Place}}];
            .local .align 16 .b8 own[{{Place}}];
            mov.u32 %r1, %tid.x;
            shl.b32 %r2, %r1, 5;
            cvt.u64.u32 %rd3, %r2;
            ld.param.u64 %rd1, [from];
            ld.param.u64 %rd2, [to];
            add.s64 %rd4, %rd1, %rd3;
            add.s64 %rd5, %rd2, %rd3;

            """);
        // %rd6 is the place for words of 64 bits, the address of the form beside it
        string name = form.Space switch { "shared" => "shared", "local" => "own", "const" => "table", "param" => "block", _ => "" };
        text.AppendLine(form.Space switch
        {
            "shared" => "mov.u64 %rd6, shared;\nadd.s64 %rd6, %rd6, %rd3;\ncvt.u32.u64 %r3, %rd6;",
            "local" => "mov.u64 %rd6, own;",
            "const" => "mov.u64 %rd6, table;\nadd.s64 %rd6, %rd6, %rd3;",
            "param" => "mov.b64 %rd6, block;",
            _ => form.Loads ? "mov.u64 %rd6, %rd4;" : "mov.u64 %rd6, %rd5;",
        });
        string address = form.Address switch { 'q' => "[%rd6]", 'w' => "[%r3]", _ => $"[{name}]" }, words = space == "generic" ? "" : $".{space}";
        bool fills = form.Space is "shared" or "local" || !form.Loads;
        for (int word = 0; word < 4; word++) text.AppendLine($"ld.global.u64 %q{word}, [%rd4+{8 * word}];");
        text.AppendLine("mov.u64 %rd8, 0xaaaaaaaaaaaaaaaa;");
        if (fills)
            for (int word = 0; word < 4; word++) text.AppendLine($"st{words}.u64 [%rd6+{8 * word}], {(form.Loads ? $"%q{word}" : "%rd8")};");
        text.AppendLine("bar.warp.sync -1;");
        string[] registers = [.. Enumerable.Range(0, form.Count).Select(e => $"%{form.Letter}{4 + e}")];
        string operand = form.Count == 1 ? registers[0] : $"{{{string.Join(", ", registers)}}}";
        if (form.Loads)
        {
            text.AppendLine($"{form.Opcode} {operand}, {address};");
            for (int e = 0; e < 4; e++)
                text.AppendLine((e < form.Count ? form.Letter switch { 'q' => $"mov.u64 %rd7, %q{4 + e};", 'w' => $"cvt.u64.u32 %rd7, %w{4 + e};", _ => $"cvt.u64.u16 %rd7, %h{4 + e};" } : "mov.u64 %rd7, 0;")
                    + $"\nst.global.u64 [%rd5+{8 * e}], %rd7;");
        }
        else
        {
            for (int e = 0; e < form.Count; e++)
                text.AppendLine(form.Letter switch { 'q' => $"mov.u64 %q{4 + e}, %q{e};", 'w' => $"cvt.u32.u64 %w{4 + e}, %q{e};", _ => $"cvt.u16.u64 %h{4 + e}, %q{e};" });
            text.AppendLine($"{form.Opcode} {address}, {operand};\nbar.warp.sync -1;");
            string read = form.Address == 'S' ? $"{name}" : "%rd6";
            for (int word = 0; word < 4; word++) text.AppendLine($"ld{words}.u64 %rd7, [{read}+{8 * word}];\nst.global.u64 [%rd5+{8 * word}], %rd7;");
        }
        return text.AppendLine("ret;\n}").ToString();
    }
}
