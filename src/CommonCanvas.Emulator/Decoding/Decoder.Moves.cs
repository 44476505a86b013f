using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Operations;
using CommonCanvas.Emulator.Ptx;
using unsafe Handler = delegate*<CommonCanvas.Emulator.Execution.Warp*, CommonCanvas.Emulator.Execution.Instruction*, void>;

namespace CommonCanvas.Emulator.Decoding;

internal sealed unsafe partial class Decoder<TMonitor>
{
    Handler Move(PtxInstruction ptx, Instruction* at)
    {
        if (ptx.Operands[1] is PtxSpecialOperand { Name: "%clock64" or "%globaltimer" }) return Plain(ptx, at, new("q", &WordOps.Clock<ulong>), 1);
        if (ptx.Operands[1] is PtxSpecialOperand { Name: "%clock" or "%clock_hi" or "%globaltimer_lo" }) return Plain(ptx, at, new("w", &WordOps.Clock<uint>), 1);
        if (ptx.Operands[0] is PtxVectorOperand to) return Unpack(ptx, at, to.Elements);
        if (ptx.Operands[1] is PtxVectorOperand from) return Pack(ptx, at, from.Elements);
        return Plain(ptx, at, ptx.Type switch
        {
            "pred" => new("pp", &Templates.Predicate<PredicateCopy>),
            "b16" or "u16" or "s16" or "f16" or "bf16" => new("hh", &Templates.Vector<uint, Copy<uint>>),
            "b32" or "u32" or "s32" or "f32" or "f16x2" or "bf16x2" => new("ww", &Templates.Vector<uint, Copy<uint>>),
            "b64" or "u64" or "s64" or "f64" => new("qq", &Templates.Vector<ulong, Copy<ulong>>),
            _ => Operation.Unknown,
        });
    }

    // an operation that uses only the first operands
    Handler Plain(PtxInstruction ptx, Instruction* at, Operation operation, int operands)
    {
        for (int i = 0; i < operands; i++) at->Operand[i] = Slot(ptx, ptx.Operands[i], operation.Shape[i]);
        return operation.Run;
    }

    Handler Unpack(PtxInstruction ptx, Instruction* at, PtxOperand[] elements)
    {
        at->Count = elements.Length;
        for (int i = 0; i < elements.Length; i++) at->Operand[i] = Slot(ptx, elements[i], 'w');
        at->Operand[elements.Length] = Slot(ptx, ptx.Operands[1], ptx.Type is "b64" ? 'q' : 'w');
        return (ptx.Type, elements.Length) switch
        {
            ("b32", 2) => &WordOps.UnpackHalves,
            ("b64", 2) => &WordOps.Unpack<uint, ulong>,
            ("b64", 4) => &WordOps.Unpack<ushort, ulong>,
            ("b32", 4) => &WordOps.Unpack<byte, uint>,
            ("b16", 2) => &WordOps.Unpack<byte, uint>,
            _ => null,
        };
    }

    Handler Pack(PtxInstruction ptx, Instruction* at, PtxOperand[] elements)
    {
        at->Count = elements.Length;
        at->Operand[0] = Slot(ptx, ptx.Operands[0], ptx.Type is "b64" ? 'q' : 'w');
        for (int i = 0; i < elements.Length; i++) at->Operand[1 + i] = Slot(ptx, elements[i], ptx.Type is "b64" && elements.Length == 2 ? 'w' : 'h');
        return (ptx.Type, elements.Length) switch
        {
            ("b32", 2) => &WordOps.PackHalves,
            ("b64", 2) => &WordOps.Pack<uint, ulong>,
            ("b64", 4) => &WordOps.Pack<ushort, ulong>,
            ("b32", 4) => &WordOps.Pack<byte, uint>,
            ("b16", 2) => &WordOps.Pack<byte, uint>,
            _ => null,
        };
    }

    // global and constant addresses are generic ones already; windows begin at a constant
    Handler ConvertAddress(PtxInstruction ptx, Instruction* at)
    {
        if (ptx.Type != "u64") return null;
        bool toSpace = ptx.Has("to");
        ulong window = ptx.Has("shared") ? AddressMap.Shared : ptx.Has("local") ? AddressMap.Local : 0;
        at->Operand[0] = Slot(ptx, ptx.Operands[0], 'q');
        at->Operand[1] = Slot(ptx, ptx.Operands[1], 'q');
        if (window == 0) return ptx.Has("global") || ptx.Has("const") ? &Templates.Vector<ulong, Copy<ulong>> : null;
        at->Operand[2] = file.Constant(window, 'q');
        return toSpace ? &Templates.Vector2<ulong, Subtract<ulong>> : &Templates.Vector2<ulong, Add<ulong>>;
    }

    Handler IsSpace(PtxInstruction ptx, Instruction* at)
    {
        at->Operand[0] = Slot(ptx, ptx.Operands[0], 'p');
        at->Operand[1] = Slot(ptx, ptx.Operands[1], 'q');
        at->Immediate = ptx.Type switch { "shared" => (long)AddressMap.Shared, "local" => (long)AddressMap.Local, _ => 0 };
        return ptx.Type is "shared" or "local" or "global" ? &WordOps.IsSpace : null;
    }

    // setp.relation[.combination][.ftz].type p[|q], a, b[, [!]c]
    Handler SetPredicate(PtxInstruction ptx, Instruction* at)
    {
        var m = new Modifiers(ptx);
        Handler run = Compared(ptx, at, m);
        if (run == null || !m.Done) return null;
        at->Operand[1] = -1;
        if (ptx.Operands[0] is PtxPairOperand pair) (at->Operand[0], at->Operand[1]) = (file[pair.First], file[pair.Second]);
        else at->Operand[0] = Slot(ptx, ptx.Operands[0], 'p');
        if (!m.Type.EndsWith("x2", StringComparison.Ordinal)) return run;
        // of two numbers in a lane p is about the lower and q about the upper ones
        if (at->Operand[1] < 0) return null;
        (at->Immediate, at->Operand[5], at->Operand[6], at->Operand[7], at->Operand[8]) = ((long)run, file.Scratch(32), file.Scratch(32), file.Flags(), file.Flags());
        return &CompareValueOps.Pair;
    }

    // set.relation[.combination][.ftz].result.type d, a, b[, [!]c]
    Handler SetValue(PtxInstruction ptx, Instruction* at)
    {
        var m = new Modifiers(ptx);
        Handler run = Compared(ptx, at, m);
        if (run == null || m.TakeDestination() is not { } result || !m.Done) return null;
        bool packed = m.Type.EndsWith("x2", StringComparison.Ordinal);
        (char letter, at->Count) = (result, packed) switch
        {
            ("u32" or "s32", false) => ('w', -1),
            ("f32", false) => ('w', 0x3f800000),
            ("u16" or "s16", false) => ('h', 0xffff),
            ("f16", false) => ('h', 0x3c00),
            ("bf16", false) => ('h', 0x3f80),
            ("u32" or "s32", true) => ('w', 0xffff),
            ("f16x2", true) => ('w', 0x3c00),
            ("bf16x2", true) => ('w', 0x3f80),
            _ => (' ', 0),
        };
        if (letter == ' ') return null;
        at->Operand[0] = Slot(ptx, ptx.Operands[0], letter);
        (at->Immediate, at->Operand[1]) = ((long)run, file.Flags());
        if (!packed) return &CompareValueOps.Set;
        (at->Operand[5], at->Operand[6], at->Operand[7]) = (file.Scratch(32), file.Scratch(32), file.Flags());
        return &CompareValueOps.SetPair;
    }

    // the operands from 2 on and the handler of a comparison, or null
    Handler Compared(PtxInstruction ptx, Instruction* at, Modifiers m)
    {
        string relation = ptx.Parts[1];
        m.Take(relation);
        string? combination = m.TakeAny("and", "or", "xor");
        var (run, letter) = OpcodeTable.Comparison(relation, m.Type, m.Take("ftz"));
        if (ptx.Operands.Length != (combination is null ? 3 : 4)) return null;
        at->Operand[2] = Slot(ptx, ptx.Operands[1], letter);
        at->Operand[3] = Slot(ptx, ptx.Operands[2], letter);
        if (combination is not null)
        {
            (at->Operand[4], bool negated) = Predicate(ptx, ptx.Operands[3]);
            at->Option = (combination switch { "and" => Combination.And, "or" => Combination.Or, _ => Combination.Xor }) | (negated ? Combination.Negated : 0);
        }
        return (Handler)run;
    }

    (int Place, bool Negated) Predicate(PtxInstruction ptx, PtxOperand operand) => operand is PtxRegisterOperand { Negated: true } register
        ? (Slot(ptx, register with { Negated = false }, 'p'), true) : (Slot(ptx, operand, 'p'), false);

    Handler Insert(PtxInstruction ptx, Instruction* at) => Plain(ptx, at, ptx.Type switch
    {
        "b32" => new("wwwww", &WordOps.Insert<uint>),
        "b64" => new("qqqww", &WordOps.Insert<ulong>),
        _ => Operation.Unknown,
    });

    Handler Logic3(PtxInstruction ptx, Instruction* at)
    {
        if (ptx.Type != "b32" || ptx.Operands.Length != 5 || ptx.Operands[4] is not PtxImmediateOperand table) return null;
        at->Immediate = (long)table.Bits;
        return Plain(ptx, at, new("wwww", &WordOps.Logic), 4);
    }
}
