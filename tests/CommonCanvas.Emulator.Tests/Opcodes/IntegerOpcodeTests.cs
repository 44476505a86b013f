using System.Numerics;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Integer instructions against arithmetic of unlimited width.</summary>
public class IntegerOpcodeTests
{
    static readonly ulong[] Words = [0, 1, 2, 7, 31, 32, 33, 255, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0x12345678, 0xdeadbeef];
    static readonly ulong[] Quads = [0, 1, 63, 64, 65, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, ulong.MaxValue, 0x123456789abcdef0];
    static readonly ulong[] Shorts = [0, 1, 2, 15, 16, 17, 0x7fff, 0x8000, 0x8001, 0xffff, 0x1234];

    static ulong[] Values(char letter, int operands)
    {
        ulong[] all = letter switch { 'q' => Quads, 'h' => Shorts, _ => Words };
        return operands < 3 ? all : operands == 3 ? [.. all.Where((_, i) => i % 2 == 0 || i == all.Length - 1)] : [.. all.Where((_, i) => i % 3 == 0)];
    }

    static BigInteger Signed(ulong v, int bits) => bits == 64 ? (long)v : bits == 32 ? (int)v : (short)v;

    static BigInteger Unsigned(ulong v, int bits) => bits == 64 ? v : bits == 32 ? (uint)v : (ushort)v;

    static BigInteger Value(ulong v, string type) => type[0] == 's' ? Signed(v, int.Parse(type[1..])) : Unsigned(v, int.Parse(type[1..]));

    static ulong Low(BigInteger v) => (ulong)(v & ulong.MaxValue);

    static char Letter(string type) => type[1..] switch { "64" => 'q', "16" => 'h', _ => 'w' };

    static readonly string[] Types = ["s32", "u32", "s64", "u64", "s16", "u16"];

    /// <summary>All forms that these tests prove.</summary>
    internal static IEnumerable<OpcodeForm> Forms =>
    [
        .. Types.SelectMany(Arithmetic), .. Products24, .. new[] { 16, 32, 64 }.SelectMany(Shifts), .. FunnelShifts, .. new[] { 16, 32, 64 }.SelectMany(Bits),
        .. BytesAndTables, .. Types.SelectMany(Comparisons), .. BitComparisons, .. Conversions,
    ];

    [Theory]
    [InlineData("s32"), InlineData("u32"), InlineData("s64"), InlineData("u64"), InlineData("s16"), InlineData("u16")]
    public void Arithmetic_of(string type) => OpcodeBench.Check(Arithmetic(type), Values);

    static List<OpcodeForm> Arithmetic(string type)
    {
        char t = Letter(type);
        int bits = int.Parse(type[1..]);
        BigInteger V(ulong v) => Value(v, type);
        OpcodeForm Two(string opcode, Func<BigInteger, BigInteger, BigInteger> of) => new($"{opcode}.{type}", $"{t}{t}{t}", o => Low(of(V(o[0]), V(o[1]))));
        var forms = new List<OpcodeForm>
        {
            Two("add", (a, b) => a + b), Two("sub", (a, b) => a - b), Two("mul.lo", (a, b) => a * b), Two("mul.hi", (a, b) => (a * b) >> bits),
            Two("min", BigInteger.Min), Two("max", BigInteger.Max),
            Two("div", (a, b) => b.IsZero ? -1 : BigInteger.Divide(a, b)), Two("rem", (a, b) => b.IsZero ? a : BigInteger.Remainder(a, b)),
            new($"mad.lo.{type}", $"{t}{t}{t}{t}", o => Low(V(o[0]) * V(o[1]) + V(o[2]))),
        };
        if (bits < 64)
        {
            char wide = bits == 32 ? 'q' : 'w';
            forms.Add(new($"mul.wide.{type}", $"{wide}{t}{t}", o => Low(V(o[0]) * V(o[1]))));
            forms.Add(new($"mad.wide.{type}", $"{wide}{t}{t}{wide}", o => Low(V(o[0]) * V(o[1]) + o[2])));
        }
        if (bits > 16)
        {
            forms.Add(new($"mad.hi.{type}", $"{t}{t}{t}{t}", o => Low(((V(o[0]) * V(o[1])) >> bits) + V(o[2]))));
            forms.Add(new($"sad.{type}", $"{t}{t}{t}{t}", o => Low(V(o[2]) + BigInteger.Abs(V(o[0]) - V(o[1])))));
        }
        if (type[0] == 's')
        {
            forms.Add(new($"neg.{type}", $"{t}{t}", o => Low(-V(o[0]))));
            forms.Add(new($"abs.{type}", $"{t}{t}", o => Low(BigInteger.Abs(V(o[0])))));
        }
        if (type == "s32")
        {
            forms.Add(new("add.sat.s32", "www", o => Low(BigInteger.Clamp(V(o[0]) + V(o[1]), int.MinValue, int.MaxValue))));
            forms.Add(new("sub.sat.s32", "www", o => Low(BigInteger.Clamp(V(o[0]) - V(o[1]), int.MinValue, int.MaxValue))));
        }
        return forms;
    }

    [Fact]
    public void Multiplications_of_24_bits() => OpcodeBench.Check(Products24, Values);

    static OpcodeForm[] Products24 =>
    [
        new("mul24.lo.u32", "www", o => (o[0] & 0xffffff) * (o[1] & 0xffffff)),
        new("mul24.lo.s32", "www", o => (ulong)((long)((int)(o[0] << 8) >> 8) * ((int)(o[1] << 8) >> 8))),
        new("mul24.hi.u32", "www", o => (o[0] & 0xffffff) * (o[1] & 0xffffff) >> 16),
        new("mul24.hi.s32", "www", o => (ulong)((long)((int)(o[0] << 8) >> 8) * ((int)(o[1] << 8) >> 8) >> 16)),
        new("mad24.lo.u32", "wwww", o => (o[0] & 0xffffff) * (o[1] & 0xffffff) + o[2]), new("mad24.hi.u32", "wwww", o => ((o[0] & 0xffffff) * (o[1] & 0xffffff) >> 16) + o[2]),
        new("mad24.lo.s32", "wwww", o => (ulong)((long)((int)(o[0] << 8) >> 8) * ((int)(o[1] << 8) >> 8)) + o[2]),
        new("mad24.hi.s32", "wwww", o => (ulong)((long)((int)(o[0] << 8) >> 8) * ((int)(o[1] << 8) >> 8) >> 16) + o[2]),
    ];

    [Theory]
    [InlineData(16), InlineData(32), InlineData(64)]
    public void Shifts_beyond_the_width_clamp(int bits) => OpcodeBench.Check(Shifts(bits), Values);

    static OpcodeForm[] Shifts(int bits)
    {
        char t = Letter($"b{bits}");
        return
        [
            new($"shl.b{bits}", $"{t}{t}w", o => o[1] >= (ulong)bits ? 0 : o[0] << (int)o[1]),
            new($"shr.u{bits}", $"{t}{t}w", o => o[1] >= (ulong)bits ? 0 : Low(Unsigned(o[0], bits) >> (int)o[1])),
            new($"shr.b{bits}", $"{t}{t}w", o => o[1] >= (ulong)bits ? 0 : Low(Unsigned(o[0], bits) >> (int)o[1])),
            new($"shr.s{bits}", $"{t}{t}w", o => Low(Signed(o[0], bits) >> (int)Math.Min(o[1], (ulong)bits))),
        ];
    }

    [Fact]
    public void Funnel_shifts() => OpcodeBench.Check(FunnelShifts, Values);

    static OpcodeForm[] FunnelShifts
    {
        get
        {
            static ulong Left(ulong[] o, ulong by) => Low(((new BigInteger(o[1]) << 32 | o[0]) << (int)by) >> 32);
            static ulong Right(ulong[] o, ulong by) => Low((new BigInteger(o[1]) << 32 | o[0]) >> (int)by);
            return
            [
                new("shf.l.wrap.b32", "wwww", o => Left(o, o[2] & 31)), new("shf.l.clamp.b32", "wwww", o => Left(o, Math.Min(o[2], 32))),
                new("shf.r.wrap.b32", "wwww", o => Right(o, o[2] & 31)), new("shf.r.clamp.b32", "wwww", o => Right(o, Math.Min(o[2], 32))),
            ];
        }
    }

    [Theory]
    [InlineData(16), InlineData(32), InlineData(64)]
    public void Bits_of(int bits) => OpcodeBench.Check(Bits(bits), Values);

    static IEnumerable<OpcodeForm> Bits(int bits)
    {
        char t = Letter($"b{bits}");
        bool Bit(ulong v, int at) => at < bits && (v >> at & 1) != 0;
        ulong Extract(ulong a, ulong b, ulong c, bool signed)
        {
            int position = (int)(b & 255), length = (int)(c & 255);
            bool sign = signed && length > 0 && Bit(a, Math.Min(position + length - 1, bits - 1));
            ulong result = 0;
            for (int i = 0; i < bits; i++)
                if (i < length && position + i < bits ? Bit(a, position + i) : sign) result |= 1ul << i;
            return result;
        }
        ulong Insert(ulong a, ulong b, ulong c, ulong d)
        {
            int position = (int)(c & 255), length = (int)(d & 255);
            for (int i = 0; i < length && position + i < bits; i++)
                b = Bit(a, i) ? b | 1ul << (position + i) : b & ~(1ul << (position + i));
            return b;
        }
        ulong Find(ulong a, bool signed, bool asShift)
        {
            ulong v = signed && Bit(a, bits - 1) ? ~a : a;
            for (int i = bits - 1; i >= 0; i--)
                if (Bit(v, i)) return (ulong)(asShift ? bits - 1 - i : i);
            return uint.MaxValue;
        }
        OpcodeForm[] logic =
        [
            new($"and.b{bits}", $"{t}{t}{t}", o => o[0] & o[1]), new($"or.b{bits}", $"{t}{t}{t}", o => o[0] | o[1]), new($"xor.b{bits}", $"{t}{t}{t}", o => o[0] ^ o[1]),
            new($"not.b{bits}", $"{t}{t}", o => ~o[0]), new($"cnot.b{bits}", $"{t}{t}", o => o[0] == 0 ? 1ul : 0),
        ];
        return bits == 16 ? logic :
        [
            .. logic, new($"popc.b{bits}", $"w{t}", o => (ulong)Enumerable.Range(0, bits).Count(i => Bit(o[0], i))),
            new($"clz.b{bits}", $"w{t}", o => (ulong)Enumerable.Range(0, bits).TakeWhile(i => !Bit(o[0], bits - 1 - i)).Count()),
            new($"brev.b{bits}", $"{t}{t}", o => Enumerable.Range(0, bits).Aggregate(0ul, (r, i) => Bit(o[0], i) ? r | 1ul << (bits - 1 - i) : r)),
            new($"bfe.u{bits}", $"{t}{t}ww", o => Extract(o[0], o[1], o[2], false)), new($"bfe.s{bits}", $"{t}{t}ww", o => Extract(o[0], o[1], o[2], true)),
            new($"bfi.b{bits}", $"{t}{t}{t}ww", o => Insert(o[0], o[1], o[2], o[3])),
            new($"bfind.u{bits}", $"w{t}", o => Find(o[0], false, false)), new($"bfind.s{bits}", $"w{t}", o => Find(o[0], true, false)),
            new($"bfind.shiftamt.u{bits}", $"w{t}", o => Find(o[0], false, true)), new($"bfind.shiftamt.s{bits}", $"w{t}", o => Find(o[0], true, true)),
        ];
    }

    [Fact]
    public void Bytes_and_tables() => OpcodeBench.Check(BytesAndTables, Values);

    static OpcodeForm[] BytesAndTables =>
    [
        new("prmt.b32", "wwww", o => Enumerable.Range(0, 4).Aggregate(0ul, (r, i) =>
        {
            int selector = (int)(o[2] >> (4 * i)) & 15;
            ulong chosen = (selector < 8 && selector >= 4 || selector >= 12 ? o[1] : o[0]) >> (8 * (selector & 3)) & 255;
            if (selector >= 8) chosen = chosen >= 128 ? 255ul : 0;
            return r | chosen << (8 * i);
        })),
        .. Enumerable.Range(0, 256).Where(table => table % 37 == 1 || table is 0xe8 or 0x96 or 0xff or 0).Select(table => new OpcodeForm("lop3.b32", "wwww",
            o => Enumerable.Range(0, 32).Aggregate(0ul, (r, i) => r | (ulong)(table >> (int)((o[0] >> i & 1) * 4 + (o[1] >> i & 1) * 2 + (o[2] >> i & 1)) & 1) << i), $", {table}")),
    ];

    [Theory]
    [InlineData("s32"), InlineData("u32"), InlineData("s64"), InlineData("u64"), InlineData("s16"), InlineData("u16")]
    public void Comparisons_of(string type) => OpcodeBench.Check(Comparisons(type), Values);

    static OpcodeForm[] Comparisons(string type)
    {
        char t = Letter(type);
        OpcodeForm Form(string relation, Func<int, bool> holds) => new($"setp.{relation}.{type}", $"p{t}{t}", o => holds(Value(o[0], type).CompareTo(Value(o[1], type))) ? 1ul : 0);
        OpcodeForm[] all = [Form("eq", c => c == 0), Form("ne", c => c != 0), Form("lt", c => c < 0), Form("le", c => c <= 0), Form("gt", c => c > 0), Form("ge", c => c >= 0)];
        return type[0] == 's' ? all : [.. all, Form("lo", c => c < 0), Form("ls", c => c <= 0), Form("hi", c => c > 0), Form("hs", c => c >= 0)];
    }

    [Fact]
    public void Comparisons_of_bits() => OpcodeBench.Check(BitComparisons, Values);

    static IEnumerable<OpcodeForm> BitComparisons => from type in (string[])["b16", "b32", "b64"]
                                                     from equal in (bool[])[true, false]
                                                     select new OpcodeForm($"setp.{(equal ? "eq" : "ne")}.{type}", $"p{Letter(type)}{Letter(type)}", o => (o[0] == o[1]) == equal ? 1ul : 0);

    [Fact]
    public void Conversions_between_integers() => OpcodeBench.Check(Conversions, Values);

    // a register may be wider than the type, so that a type has a form for each
    static IEnumerable<OpcodeForm> Conversions
    {
        get
        {
            string[] types = ["u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"];
            static string Slots(string type) => type[1..] switch { "64" => "q", "32" => "wq", _ => "hwq" };
            static BigInteger Read(ulong v, string type) => type switch { "u8" => (byte)v, "s8" => (sbyte)v, _ => Value(v, type) };
            static BigInteger Most(string type) => (BigInteger.One << (int.Parse(type[1..]) - (type[0] == 's' ? 1 : 0))) - 1;
            static BigInteger Least(string type) => type[0] == 's' ? -Most(type) - 1 : 0;
            return from to in types
                   from source in types
                   from slot in Slots(to)
                   from fromSlot in Slots(source)
                   from saturated in (bool[])[false, true]
                   where !saturated || (slot == Slots(to)[0] && fromSlot == Slots(source)[0])
                   select new OpcodeForm($"cvt.{(saturated ? "sat." : "")}{to}.{source}", $"{slot}{fromSlot}", o =>
                   {
                       var value = Read(o[0], source);
                       // what is narrower than the register is extended by its sign
                       return Low(Read(Low(saturated ? BigInteger.Clamp(value, Least(to), Most(to)) : value), to));
                   });
        }
    }
}
