using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Operations;
using CommonCanvas.Emulator.Ptx;
using unsafe Handler = delegate*<CommonCanvas.Emulator.Execution.Warp*, CommonCanvas.Emulator.Execution.Instruction*, void>;

namespace CommonCanvas.Emulator.Decoding;

internal sealed unsafe partial class Decoder<TMonitor>
{
    // shfl.sync.mode.b32 d[|p], a, b, c, members
    Handler Shuffle(PtxInstruction ptx, Instruction* at)
    {
        if (ptx.Parts is not [_, "sync", var mode, "b32"] || ptx.Operands.Length != 5) return null;
        DestinationWithPredicate(ptx, at);
        for (int i = 1; i < 5; i++) at->Operand[1 + i] = Slot(ptx, ptx.Operands[i], 'w');
        return mode switch
        {
            "up" => &WarpOps.Shuffle<TMonitor, ShuffleUp>,
            "down" => &WarpOps.Shuffle<TMonitor, ShuffleDown>,
            "bfly" => &WarpOps.Shuffle<TMonitor, ShuffleButterfly>,
            "idx" => &WarpOps.Shuffle<TMonitor, ShuffleIndex>,
            _ => null,
        };
    }

    void DestinationWithPredicate(PtxInstruction ptx, Instruction* at)
    {
        at->Operand[1] = -1;
        if (ptx.Operands[0] is PtxPairOperand pair) (at->Operand[0], at->Operand[1]) = (file[pair.First], file[pair.Second]);
        else at->Operand[0] = Slot(ptx, ptx.Operands[0], 'w');
    }

    // vote[.sync].mode.type d, [!]a[, members]
    Handler Vote(PtxInstruction ptx, Instruction* at)
    {
        bool sync = ptx.Has("sync");
        if (ptx.Operands.Length != (sync ? 3 : 2)) return null;
        at->Operand[0] = Slot(ptx, ptx.Operands[0], ptx.Type == "pred" ? 'p' : 'w');
        (at->Operand[1], bool negated) = Predicate(ptx, ptx.Operands[1]);
        at->Option = negated ? -1 : 0;
        at->Operand[2] = sync ? Slot(ptx, ptx.Operands[2], 'w') : -1;
        return (ptx.Parts[^2], ptx.Type) switch
        {
            ("all", "pred") => &WarpOps.VoteAll,
            ("any", "pred") => &WarpOps.VoteAny,
            ("uni", "pred") => &WarpOps.VoteUniform,
            ("ballot", "b32") => &WarpOps.Ballot,
            _ => null,
        };
    }

    // match.mode.sync.type d[|p], a, members
    Handler Match(PtxInstruction ptx, Instruction* at)
    {
        if (ptx.Parts is not [_, var mode, "sync", var type] || ptx.Operands.Length != 3) return null;
        DestinationWithPredicate(ptx, at);
        at->Operand[2] = Slot(ptx, ptx.Operands[1], type == "b64" ? 'q' : 'w');
        at->Operand[3] = Slot(ptx, ptx.Operands[2], 'w');
        return (mode, type) switch
        {
            ("any", "b32") => &WarpOps.MatchAny<uint>,
            ("any", "b64") => &WarpOps.MatchAny<ulong>,
            ("all", "b32") => &WarpOps.MatchAll<uint>,
            ("all", "b64") => &WarpOps.MatchAll<ulong>,
            _ => null,
        };
    }

    // redux.sync.operation.type d, a, members
    Handler Reduce(PtxInstruction ptx, Instruction* at)
    {
        if (ptx.Parts is not [_, "sync", var operation, var type]) return null;
        Handler run = (operation, type) switch
        {
            ("add", "u32" or "s32") => &WarpOps.Reduce<AtomicAdd<uint>>,
            ("min", "u32") => &WarpOps.Reduce<AtomicMinimum<uint, uint>>,
            ("max", "u32") => &WarpOps.Reduce<AtomicMaximum<uint, uint>>,
            ("min", "s32") => &WarpOps.Reduce<AtomicMinimum<uint, int>>,
            ("max", "s32") => &WarpOps.Reduce<AtomicMaximum<uint, int>>,
            ("and", "b32") => &WarpOps.Reduce<AtomicAnd<uint>>,
            ("or", "b32") => &WarpOps.Reduce<AtomicOr<uint>>,
            ("xor", "b32") => &WarpOps.Reduce<AtomicXor<uint>>,
            _ => null,
        };
        return Plain(ptx, at, new("www", run));
    }

    // ldmatrix.sync.aligned.m8n8.x4[.trans].shared.b16 {d...}, [address]
    Handler LoadMatrix(PtxInstruction ptx, Instruction* at)
    {
        if (!ptx.Has("m8n8") || !(ptx.Has("shared") || ptx.Has("shared::cta")) || ptx.Type != "b16") return null;
        int count = ptx.Has("x4") ? 4 : ptx.Has("x2") ? 2 : 1;
        if (Elements(ptx, ptx.Operands[0], count, at) != 32) return null;
        string space = SetAddress(ptx, at, (PtxAddressOperand)ptx.Operands[1], "shared");
        return (ptx.Has("trans"), space) switch
        {
            (false, "shared") => &MatrixOps.Load<TMonitor, SharedSpace>,
            (false, _) => &MatrixOps.Load<TMonitor, SharedSpace64>,
            (true, "shared") => &MatrixOps.LoadTransposed<TMonitor, SharedSpace>,
            (true, _) => &MatrixOps.LoadTransposed<TMonitor, SharedSpace64>,
        };
    }

    // mma.sync.aligned.shape.row.col.f32.a.b.f32 {d0..3}, {a..}, {b..}, {c0..3}; with f16 for d and c two registers each
    Handler MultiplyMatrix(PtxInstruction ptx, Instruction* at)
    {
        if (ptx.Has("m8n8k4")) return MultiplySmall(ptx, at);
        if (ptx.Parts is [_, "sync", "aligned", "m16n8k16" or "m16n8k8", "row", "col", "f16", "f16", "f16", "f16"])
        {
            at->Count = ptx.Has("m16n8k16") ? 2 : 1;
            if (!Fill(ptx, at, 0, 0, 2) || !Fill(ptx, at, 1, 4, 2 * at->Count) || !Fill(ptx, at, 2, 8, at->Count) || !Fill(ptx, at, 3, 10, 2)) return null;
            foreach (int scratch in (int[])[2, 3, 12, 13]) at->Operand[scratch] = file.Scratch(32);
            return &SmallMatrixOps.MultiplyAddHalf;
        }
        if (ptx.Parts is not [_, "sync", "aligned", var shape, "row", "col", "f32", var a, var b, "f32"] || a != b) return null;
        int registers = shape is "m16n8k16" || (shape is "m16n8k8" && a is "tf32") ? 2 : 1;
        Handler run = (shape, a) switch
        {
            ("m16n8k16" or "m16n8k8", "f16") => &MatrixOps.MultiplyAdd<Fragment16<F16>>,
            ("m16n8k16" or "m16n8k8", "bf16") => &MatrixOps.MultiplyAdd<Fragment16<BF16>>,
            ("m16n8k8" or "m16n8k4", "tf32") => &MatrixOps.MultiplyAdd<FragmentTensorFloat>,
            _ => null,
        };
        if (run == null || !Fill(ptx, at, 0, 0, 4) || !Fill(ptx, at, 1, 4, 2 * registers) || !Fill(ptx, at, 2, 8, registers) || !Fill(ptx, at, 3, 10, 4)) return null;
        at->Count = registers;
        return run;
    }

    // mma.sync.aligned.m8n8k4.layout.layout.d.f16.f16.c: operands of 8 registers of f32 or 4 of f16, a and b of 2
    Handler MultiplySmall(PtxInstruction ptx, Instruction* at)
    {
        if (ptx.Parts is not [_, "sync", "aligned", _, "row" or "col", "row" or "col", "f16" or "f32", "f16", "f16", "f16" or "f32"]) return null;
        bool result16 = ptx.Parts[6] == "f16", addend16 = ptx.Parts[9] == "f16";
        at->Option = (ptx.Parts[4] == "col" ? SmallMatrixOps.ColumnsOfA : 0) | (ptx.Parts[5] == "row" ? SmallMatrixOps.RowsOfB : 0)
            | (result16 ? SmallMatrixOps.HalfResult : 0) | (addend16 ? SmallMatrixOps.HalfAddend : 0);
        return Fill(ptx, at, 0, 0, result16 ? 4 : 8) && Fill(ptx, at, 1, 8, 2) && Fill(ptx, at, 2, 10, 2) && Fill(ptx, at, 3, 12, addend16 ? 4 : 8) ? &SmallMatrixOps.MultiplyAdd : null;
    }

    // a vector operand of a given number of 32-bit registers
    bool Fill(PtxInstruction ptx, Instruction* at, int operand, int first, int count)
    {
        PtxOperand[] elements = ptx.Operands[operand] is PtxVectorOperand vector ? vector.Elements : [ptx.Operands[operand]];
        if (elements.Length != count) return false;
        for (int i = 0; i < count; i++) at->Operand[first + i] = Slot(ptx, elements[i], 'w');
        return true;
    }
}
