using static CommonCanvas.Emulator.Tests.Opcodes.EdgeValues;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Moves, packing and unpacking, selections, predicates and comparisons that are joined with one.</summary>
public class SelectionOpcodeTests
{
    static readonly ulong[] Words = [0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0x12345678];
    static readonly ulong[] Quads = [0, 1, 0x8000000000000000, ulong.MaxValue, 0x123456789abcdef0];
    static readonly ulong[] Shorts = [0, 1, 0x7fff, 0x8000, 0xffff];

    static ulong[] Edges(char letter, int operands) => letter switch { 'q' => Quads, 'h' => operands > 3 ? Shorts[1..] : Shorts, _ => Words };

    /// <summary>All forms that these tests prove.</summary>
    internal static IEnumerable<OpcodeForm> Forms => [.. Moves, .. Packing, .. Selections, .. Logic, .. Joined, .. BySign, .. Properties, .. Values32];

    static readonly string[] Types = ["b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64"];

    static char Letter(string type) => type[^2..] switch { "64" => 'q', "16" => 'h', _ => 'w' };

    static IEnumerable<OpcodeForm> Moves =>
    [
        .. Types.Select(type => new OpcodeForm($"mov.{type}", $"{Letter(type)}{Letter(type)}", o => o[0])),
        new("mov.pred", "pp", o => o[0]),
    ];

    [Fact]
    public void Moves_copy() => OpcodeBench.Check(Moves, Edges);

    static OpcodeForm[] Packing =>
    [
        new("mov.b32", "w{hh}", o => o[0] | o[1] << 16), new("mov.b32", "{hh}w", o => o[0]),
        new("mov.b64", "q{ww}", o => o[0] | o[1] << 32), new("mov.b64", "{ww}q", o => o[0]),
        new("mov.b64", "q{hhhh}", o => o[0] | o[1] << 16 | o[2] << 32 | o[3] << 48), new("mov.b64", "{hhhh}q", o => o[0]),
        // of 8-bit elements in wider registers the low byte counts
        new("mov.b32", "w{hhhh}", o => (o[0] & 255) | (o[1] & 255) << 8 | (o[2] & 255) << 16 | (o[3] & 255) << 24),
        new("mov.b32", "{hhhh}w", o => (o[0] & 255) | (o[0] >> 8 & 255) << 16 | (o[0] >> 16 & 255) << 32 | o[0] >> 24 << 48),
        new("mov.b16", "h{hh}", o => (o[0] & 255) | (o[1] & 255) << 8), new("mov.b16", "{hh}h", o => (o[0] & 255) | o[0] >> 8 << 16),
    ];

    [Fact]
    public void Vectors_are_packed_and_unpacked_with_the_first_element_lowest() => OpcodeBench.Check(Packing, Edges);

    static IEnumerable<OpcodeForm> Selections => Types.Select(type => new OpcodeForm($"selp.{type}", $"{Letter(type)}{Letter(type)}{Letter(type)}p", o => o[2] != 0 ? o[0] : o[1]));

    [Fact]
    public void Selections_by_a_predicate() => OpcodeBench.Check(Selections, Edges);

    static readonly (string Name, Func<bool, bool, bool> Of)[] Joins = [("and", (a, b) => a && b), ("or", (a, b) => a || b), ("xor", (a, b) => a != b)];

    static IEnumerable<OpcodeForm> Logic =>
    [
        .. Joins.Select(join => new OpcodeForm($"{join.Name}.pred", "ppp", o => join.Of(o[0] != 0, o[1] != 0) ? 1ul : 0)),
        new("not.pred", "pp", o => 1 - o[0]),
    ];

    [Fact]
    public void Logic_of_predicates() => OpcodeBench.Check(Logic, Edges);

    static readonly (string Name, string Relation, char Slot, Func<ulong[], bool> Holds)[] Comparable =
        [
            ("s32", "lt", 'w', o => (int)o[0] < (int)o[1]), ("u32", "lt", 'w', o => o[0] < o[1]), ("b32", "eq", 'w', o => o[0] == o[1]), ("s64", "ge", 'q', o => (long)o[0] >= (long)o[1]),
            ("u16", "gt", 'h', o => o[0] > o[1]), ("f32", "neu", 'w', o => FloatFormat.F32.Compare(o[0], o[1]) != 0),
            ("ftz.f32", "lt", 'w', o => FloatFormat.F32.Compare(FloatFormat.F32.Flush(o[0]), FloatFormat.F32.Flush(o[1])) < 0),
            ("f64", "leu", 'q', o => FloatFormat.F64.Compare(o[0], o[1]) is null or <= 0), ("f16", "gt", 'h', o => FloatFormat.F16.Compare(o[0], o[1]) > 0),
        ];

    // p is the comparison joined with c, q its negation joined with c
    static IEnumerable<OpcodeForm> Joined =>
        from type in Comparable
        let plain = new OpcodeForm($"setp.{type.Relation}.{type.Name}", $"p|p{type.Slot}{type.Slot}", o => type.Holds(o) ? 1ul : 2)
        from form in (IEnumerable<OpcodeForm>)
        [
            plain,
            .. from way in Joins
               from negated in (bool[])[false, true]
               from both in (bool[])[false, true]
               select new OpcodeForm($"setp.{type.Relation}.{way.Name}.{type.Name}", $"{(both ? "p|p" : "p")}{type.Slot}{type.Slot}{(negated ? "!p" : "p")}", o =>
               {
                   bool holds = type.Holds(o), other = o[2] != 0 != negated;
                   return (way.Of(holds, other) ? 1ul : 0) + (both && way.Of(!holds, other) ? 2ul : 0);
               }),
        ]
        select form;

    [Fact]
    public void Comparisons_joined_with_a_predicate() => OpcodeBench.Check(Joined, Compared);

    static ulong[] Compared(char letter, int operands) => letter switch
    {
        'q' => [.. Quads, 0x3ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000], 'h' => [.. Shorts, 0x3c00, 0x7e00], _ => [.. Words, 0x3f800000, 0x7fc00000, 0x80000001],
    };

    // minus zero is not negative; what is no number selects b
    static IEnumerable<OpcodeForm> BySign => Types.SelectMany(type =>
    {
        string shape = $"{Letter(type)}{Letter(type)}{Letter(type)}w";
        var f = FloatFormat.F32;
        return (OpcodeForm[])
        [
            new($"slct.{type}.s32", shape, o => (int)o[2] >= 0 ? o[0] : o[1]), new($"slct.{type}.f32", shape, o => f.Compare(o[2], 0) >= 0 ? o[0] : o[1]),
            new($"slct.ftz.{type}.f32", shape, o => f.Compare(f.Flush(o[2]), 0) >= 0 ? o[0] : o[1]),
        ];
    });

    [Fact]
    public void Selections_by_a_sign() => OpcodeBench.Check(BySign, (letter, _) => letter == 'w' ? [.. Words, 0x7fc00000, 0xff800000, 0x80000001] : Edges(letter, 4));

    static readonly (string Type, char Slot, FloatFormat Format)[] Floats = [("f32", 'w', FloatFormat.F32), ("f64", 'q', FloatFormat.F64)];

    static IEnumerable<OpcodeForm> Properties => Floats.SelectMany(type => (OpcodeForm[])
        [
            new($"testp.finite.{type.Type}", $"p{type.Slot}", o => type.Format.IsNaN(o[0]) || type.Format.IsInfinite(o[0]) ? 0ul : 1),
            new($"testp.infinite.{type.Type}", $"p{type.Slot}", o => type.Format.IsInfinite(o[0]) ? 1ul : 0),
            new($"testp.number.{type.Type}", $"p{type.Slot}", o => type.Format.IsNaN(o[0]) ? 0ul : 1),
            new($"testp.notanumber.{type.Type}", $"p{type.Slot}", o => type.Format.IsNaN(o[0]) ? 1ul : 0),
            new($"testp.normal.{type.Type}", $"p{type.Slot}", o => type.Format.IsNaN(o[0]) || type.Format.IsInfinite(o[0]) || type.Format.IsSubnormal(o[0]) ? 0ul : 1),
            new($"testp.subnormal.{type.Type}", $"p{type.Slot}", o => type.Format.IsSubnormal(o[0]) ? 1ul : 0),
        ]);

    [Fact]
    public void Properties_of_numbers() => OpcodeBench.Check(Properties, EdgeValues.Values);

    // set gives all ones or 1.0
    static IEnumerable<OpcodeForm> Values32 =>
        from result in ((string Name, ulong Value)[])[("u32", uint.MaxValue), ("s32", uint.MaxValue), ("f32", 0x3f800000)]
        from type in Comparable
        from form in (IEnumerable<OpcodeForm>)
        [
            new($"set.{type.Relation}.{Dotted(result.Name, type.Name)}", $"w{type.Slot}{type.Slot}", o => type.Holds(o) ? result.Value : 0),
            .. Joins.Select(way => new OpcodeForm($"set.{type.Relation}.{way.Name}.{Dotted(result.Name, type.Name)}", $"w{type.Slot}{type.Slot}!p",
                o => way.Of(type.Holds(o), o[2] == 0) ? result.Value : 0)),
        ]
        select form;

    // .ftz stands before the result's type
    static string Dotted(string result, string type) => type.StartsWith("ftz.", StringComparison.Ordinal) ? $"ftz.{result}.{type[4..]}" : $"{result}.{type}";

    [Fact]
    public void Comparisons_that_give_a_value() => OpcodeBench.Check(Values32, Compared);

    static IEnumerable<OpcodeForm> Constants =>
    [
        new("add.s32", "ww", o => o[0] - 7, ", -7"), new("add.s64", "qq", o => o[0] + 0x123456789a, ", 0x123456789A"), new("mul.lo.s16", "hh", o => (ulong)((short)o[0] * -3), ", -3"),
        new("add.f32", "ww", o => FloatFormat.F32.Add(o[0], 0x3f800000, "rn"), ", 0f3F800000"),
        new("add.f64", "qq", o => FloatFormat.F64.Add(o[0], 0x3ff8000000000000, "rn"), ", 0d3FF8000000000000", FloatFormat.F64),
        new("and.b32", "ww", o => o[0] & 15, ", 017"), new("or.b32", "ww", o => o[0] | 5, ", 0b101"), new("setp.gt.u32", "pw", o => o[0] > 31 ? 1ul : 0, ", 31"),
        new("selp.b32", "w", _ => 5, "5, 6, 1"), new("mov.pred", "p", _ => 1, "1"), new("mov.pred", "p", _ => 0, "0"), new("mov.u64", "q", _ => ulong.MaxValue, "-1"),
    ];

    [Fact]
    public void Constants_stand_for_registers_of_every_kind() => OpcodeBench.Check(Constants, Values);
}
