using System.Text;
using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>
/// Matrix instructions whose sums are f16, and those of compute capability 7.0, against products of small integers, which every
/// format and order of summation holds exactly. Where elements stand is written down from the PTX ISA, Matrix Fragments for mma.
/// </summary>
public class MatrixOpcodeTests
{
    const int Lanes = 32;

    /// <summary>Runs an instruction by one warp: registers of each lane in, those of D out.</summary>
    static uint[][] Run(string opcode, int d, params uint[][][] operands)
    {
        var text = new StringBuilder("""
            .version 7.8
            .target sm_80
            .address_size 64
            .visible .entry Form(.param .u64 from, .param .u64 to)
            {
            .reg .b64 %rd<9>; .reg .b32 %r<9>; .reg .b32 %in<40>; .reg .b32 %d<9>;
            mov.u32 %r1, %tid.x;
            ld.param.u64 %rd1, [from];
            ld.param.u64 %rd2, [to];
            mad.wide.u32 %rd1, %r1, 128, %rd1;
            mad.wide.u32 %rd2, %r1, 32, %rd2;

            """);
        int register = 0;
        var lists = new List<string> { List("%d", 0, d) };
        foreach (var operand in operands)
        {
            for (int r = 0; r < operand[0].Length; r++) text.AppendLine($"ld.global.u32 %in{register + r}, [%rd1+{4 * (register + r)}];");
            lists.Add(List("%in", register, operand[0].Length));
            register += operand[0].Length;
        }
        text.AppendLine($"{opcode} {string.Join(", ", lists)};");
        for (int r = 0; r < d; r++) text.AppendLine($"st.global.u32 [%rd2+{4 * r}], %d{r};");
        using var gpu = new EmulatedGpu();
        using var module = gpu.Load(text.AppendLine("ret;\n}").ToString());
        nint from = gpu.Upload<uint>([.. Enumerable.Range(0, Lanes).SelectMany(lane => operands.SelectMany(operand => operand[lane]).Concat(new uint[32 - register]))]), to = gpu.Upload<uint>(new uint[Lanes * 8]);
        module["Form"].Launch(gpu.Stream, 1, Lanes, 0, [from, to]);
        return [.. gpu.Download<uint>(to, Lanes * 8).Chunk(8).Select(lane => lane[..d])];
    }

    static string List(string name, int first, int count) => $"{{{string.Join(", ", Enumerable.Range(first, count).Select(r => $"{name}{r}"))}}}";

    static uint Half(int v) => BitConverter.HalfToUInt16Bits((Half)v);

    static uint Single(int v) => BitConverter.SingleToUInt32Bits(v);

    static int[,] Random(int rows, int columns, int seed)
    {
        var random = new Random(seed);
        var matrix = new int[rows, columns];
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++) matrix[r, c] = random.Next(-8, 9);
        return matrix;
    }

    // the registers of each lane, from where each element of a lane stands
    static uint[][] Fragment(int elements, bool halves, Func<int, int, int> valueOfLaneAndElement) =>
        [.. Enumerable.Range(0, Lanes).Select(lane => halves
            ? Enumerable.Range(0, elements / 2).Select(r => Half(valueOfLaneAndElement(lane, 2 * r)) | Half(valueOfLaneAndElement(lane, 2 * r + 1)) << 16).ToArray()
            : [.. Enumerable.Range(0, elements).Select(e => Single(valueOfLaneAndElement(lane, e)))])];

    [Theory]
    [InlineData(8), InlineData(16)]
    [Proves("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {ww}{ww}{w}{ww}", "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {ww}{wwww}{ww}{ww}")]
    public void Products_with_sums_of_sixteen_bits(int depth)
    {
        int[,] a = Random(16, depth, 1), b = Random(depth, 8, 2), c = Random(16, 8, 3);
        // group = lane / 4, thread in group = lane % 4; pairs of rows g and g + 8, for depth 16 again 8 columns on
        var fragmentA = Fragment(depth / 2, true, (lane, e) => a[lane / 4 + 8 * (e / 2 % 2), 2 * (lane % 4) + e % 2 + 8 * (e / 4)]);
        var fragmentB = Fragment(depth / 4, true, (lane, e) => b[2 * (lane % 4) + e % 2 + 8 * (e / 2), lane / 4]);
        int Row(int lane, int e) => lane / 4 + 8 * (e / 2);
        int Column(int lane, int e) => 2 * (lane % 4) + e % 2;
        var result = Run($"mma.sync.aligned.m16n8k{depth}.row.col.f16.f16.f16.f16", 2, fragmentA, fragmentB, Fragment(4, true, (lane, e) => c[Row(lane, e), Column(lane, e)]));
        Assert.Equal(Fragment(4, true, (lane, e) => c[Row(lane, e), Column(lane, e)] + Enumerable.Range(0, depth).Sum(k => a[Row(lane, e), k] * b[k, Column(lane, e)])), result);
    }

    public static TheoryData<string, string, string, string> Small => new(from la in (string[])["row", "col"]
                                                                           from lb in (string[])["row", "col"]
                                                                           from d in (string[])["f16", "f32"]
                                                                           from c in (string[])["f16", "f32"]
                                                                           select (la, lb, d, c));

    /// <summary>Names of the forms that the test below proves.</summary>
    internal static IEnumerable<string> Proven => from row in Small.Select(row => row.Data)
                                                  let d = row.Item3 == "f16" ? 4 : 8
                                                  let c = row.Item4 == "f16" ? 4 : 8
                                                  select $"mma.sync.aligned.m8n8k4.{row.Item1}.{row.Item2}.{row.Item3}.f16.f16.{row.Item4} {{{new string('w', d)}}}{{ww}}{{ww}}{{{new string('w', c)}}}";

    /// <summary>Each of four groups of eight lanes makes a product of its own.</summary>
    [Theory]
    [MemberData(nameof(Small))]
    public void Products_of_four_groups_of_lanes(string layoutA, string layoutB, string typeD, string typeC)
    {
        int[][,] a = [.. Enumerable.Range(0, 4).Select(g => Random(8, 4, 10 + g))], b = [.. Enumerable.Range(0, 4).Select(g => Random(4, 8, 20 + g))], c = [.. Enumerable.Range(0, 4).Select(g => Random(8, 8, 30 + g))];
        static int Group(int lane) => lane % 16 / 4;
        static int Outer(int lane) => lane % 4 + (lane < 16 ? 0 : 4);
        static int Inner(int lane, int e) => e + (lane < 16 ? 0 : 4);
        var fragmentA = Fragment(4, true, (lane, e) => layoutA == "row" ? a[Group(lane)][Outer(lane), e] : a[Group(lane)][Inner(lane, e), lane % 4]);
        var fragmentB = Fragment(4, true, (lane, e) => layoutB == "col" ? b[Group(lane)][e, Outer(lane)] : b[Group(lane)][lane % 4, Inner(lane, e)]);
        static (int Row, int Column) Place(int lane, int e, string type) => type == "f16" ? (Outer(lane), e) : ((lane & 1) + (e & 2) + (lane < 16 ? 0 : 4), (e & 4) + (lane & 2) + (e & 1));
        int Addend(int lane, int e)
        {
            var (row, column) = Place(lane, e, typeC);
            return c[Group(lane)][row, column];
        }
        int Sum(int lane, int e)
        {
            var (row, column) = Place(lane, e, typeD);
            return c[Group(lane)][row, column] + Enumerable.Range(0, 4).Sum(k => a[Group(lane)][row, k] * b[Group(lane)][k, column]);
        }
        var result = Run($"mma.sync.aligned.m8n8k4.{layoutA}.{layoutB}.{typeD}.f16.f16.{typeC}", typeD == "f16" ? 4 : 8, fragmentA, fragmentB, Fragment(8, typeC == "f16", Addend));
        Assert.Equal(Fragment(8, typeD == "f16", Sum), result);
    }
}
