using System.Runtime.InteropServices;
using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Operations;
using CommonCanvas.Emulator.Ptx;
using unsafe Handler = delegate*<CommonCanvas.Emulator.Execution.Warp*, CommonCanvas.Emulator.Execution.Instruction*, void>;

namespace CommonCanvas.Emulator.Decoding;

/// <summary>An instruction that the emulator does not know: names it and its line in the PTX.</summary>
public sealed class UnknownInstructionException(PtxInstruction instruction, string kernel)
    : Exception($"PTX line {instruction.PtxLine}, kernel {kernel}: the emulator does not know '{instruction}'");

/// <summary>Makes a kernel's PTX into code that runs. Handlers of memory instructions are those of <typeparamref name="TMonitor"/>.</summary>
internal sealed unsafe partial class Decoder<TMonitor> where TMonitor : struct, IMonitor
{
    readonly PtxModule module;
    readonly PtxKernel kernel;
    readonly IReadOnlyDictionary<string, ulong> globals;
    readonly List<CodeBlock> blocks;
    readonly RegisterFile file;

    Decoder(PtxModule module, PtxKernel kernel, IReadOnlyDictionary<string, ulong> globals)
    {
        (this.module, this.kernel, this.globals) = (module, kernel, globals);
        blocks = ControlFlow.Build(kernel);
        var liveness = new Liveness(kernel, blocks);
        file = new RegisterFile(kernel, liveness);
        if (TMonitor.Checks)
            foreach (int register in liveness.ReadBeforeWritten) written.Add(register, file.Flags());
    }

    /// <summary>Decodes a kernel.</summary>
    /// <param name="module">Its module.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="globals">Device addresses of the module's variables.</param>
    /// <exception cref="UnknownInstructionException">With the instruction.</exception>
    public static KernelCode Decode(PtxModule module, PtxKernel kernel, IReadOnlyDictionary<string, ulong> globals) =>
        new Decoder<TMonitor>(module, kernel, globals).Decode();

    KernelCode Decode()
    {
        int count = kernel.Instructions.Sum(instruction => (ControlFlow.EndOf(instruction) != BlockEnd.Next ? 0 : instruction.Guard is null ? 1 : 3) + Watched(instruction));
        var instructions = (Instruction*)NativeMemory.AllocZeroed((nuint)count + 1, (nuint)sizeof(Instruction));
        var codes = (BlockCode*)NativeMemory.AllocZeroed((nuint)blocks.Count, (nuint)sizeof(BlockCode));
        try
        {
            var next = instructions;
            for (int b = 0; b < blocks.Count; b++)
            {
                codes[b].First = next;
                for (int i = blocks[b].Start; i < blocks[b].End; i++) next = Guarded(kernel.Instructions[i], i, next);
                if (blocks[b].Last is { } last) next = CheckReads(last, blocks[b].LastIndex, next);
                codes[b].End = next;
                End(blocks[b], codes + b);
            }
            return new KernelCode(module, kernel, instructions, codes, blocks.Count, file);
        }
        catch
        {
            NativeMemory.Free(instructions);
            NativeMemory.Free(codes);
            throw;
        }
    }

    Instruction* Guarded(PtxInstruction ptx, int source, Instruction* at)
    {
        if (ptx.Guard is { } guard)
        {
            at->Run = &Templates.BeginGuard;
            (at->Operand[0], at->Option, at->Source) = (file[guard], ptx.GuardNegated ? -1 : 0, source);
            at++;
        }
        at = CheckReads(ptx, source, at);
        at->Source = source;
        at->Run = One(ptx, at);
        if (at->Run == null) throw new UnknownInstructionException(ptx, kernel.Name);
        at = NoteWrites(ptx, source, at + 1);
        if (ptx.Guard is not null)
        {
            at->Run = &Templates.EndGuard;
            at->Source = source;
            at++;
        }
        return at;
    }

    void End(CodeBlock block, BlockCode* code)
    {
        (code->Kind, code->Guard, code->Source, code->BarrierId, code->TargetCount) = (block.Kind, -1, block.LastIndex, -1, -1);
        var first = block.Start < kernel.Instructions.Count ? kernel.Instructions[block.Start] : null;
        code->Members = first is not null && ControlFlow.MembersOf(first) is { } members ? Slot(first, members, 'w') : -1;
        if (block.Last is not { } last) return;
        if (last.Guard is { } guard) (code->Guard, code->Negation) = (file[guard], last.GuardNegated ? uint.MaxValue : 0);
        if (block.Kind == BlockEnd.Branch) code->Target = block.Targets[0];
        if (block.Kind == BlockEnd.Switch)
        {
            code->Guard = Slot(last, last.Operands[0], 'w');
            code->TargetCount = block.Targets.Count;
            code->Targets = (int*)NativeMemory.Alloc((nuint)block.Targets.Count, sizeof(int));
            for (int i = 0; i < block.Targets.Count; i++) code->Targets[i] = block.Targets[i];
        }
        if (block.Kind is BlockEnd.Barrier or BlockEnd.Arrive)
        {
            if (block.Kind == BlockEnd.Arrive && (last.Guard is not null || last.Operands.Length != 2)) throw new UnknownInstructionException(last, kernel.Name);
            var operands = last.Has("red") ? Vote(last, code) : last.Operands;
            code->BarrierId = operands.Length > 0 ? Slot(last, operands[0], 'w') : file.Constant(0, 'w');
            if (operands.Length > 1) code->TargetCount = Slot(last, operands[1], 'w');
        }
    }

    // bar.red.operation.type d, barrier[, threads], [!]predicate: what is left is the barrier
    ReadOnlySpan<PtxOperand> Vote(PtxInstruction ptx, BlockCode* code)
    {
        code->Vote = ptx.Has("popc") ? BarrierVote.Count : ptx.Has("and") ? BarrierVote.All : BarrierVote.Any;
        code->Result = Slot(ptx, ptx.Operands[0], code->Vote == BarrierVote.Count ? 'w' : 'p');
        (code->Predicate, bool negated) = Predicate(ptx, ptx.Operands[^1]);
        code->PredicateNegation = negated ? uint.MaxValue : 0;
        return ptx.Operands.AsSpan(1..^1);
    }

    /// <summary>Fills an instruction's operands; its handler, or null where it is not known.</summary>
    Handler One(PtxInstruction ptx, Instruction* at) => ptx.Parts[0] switch
    {
        "mov" => Move(ptx, at),
        "cvta" => ConvertAddress(ptx, at),
        "isspacep" => IsSpace(ptx, at),
        "setp" => SetPredicate(ptx, at),
        "bfi" => Insert(ptx, at),
        "lop3" => Logic3(ptx, at),
        "set" => SetValue(ptx, at),
        "ld" or "ldu" => Load(ptx, at),
        "st" => Store(ptx, at),
        "atom" or "red" => Atomic(ptx, at),
        "cp" => AsyncCopy(ptx, at),
        "shfl" => Shuffle(ptx, at),
        "vote" => Vote(ptx, at),
        "match" => Match(ptx, at),
        "redux" => Reduce(ptx, at),
        "activemask" => Plain(ptx, at, new Operation("w", &WarpOps.ActiveMask)),
        "ldmatrix" => LoadMatrix(ptx, at),
        "mma" => MultiplyMatrix(ptx, at),
        "bar" when ptx.Has("warp") => &WarpOps.Sync<TMonitor>,
        "membar" or "fence" when KernelCode.IsDeviceFence(ptx) => &WarpOps.Fence<TMonitor>,
        "membar" or "fence" or "prefetch" or "prefetchu" or "nanosleep" or "pmevent" or "discard" or "applypriority" => &WordOps.Nothing,
        "trap" or "brkpt" => &WordOps.Trap,
        _ => Plain(ptx, at, OpcodeTable.Find(ptx)),
    };

    Handler Plain(PtxInstruction ptx, Instruction* at, Operation operation)
    {
        if (operation.Run == null || operation.Shape.Length != ptx.Operands.Length) return null;
        for (int i = 0; i < ptx.Operands.Length; i++) at->Operand[i] = Slot(ptx, ptx.Operands[i], operation.Shape[i]);
        return operation.Run;
    }

    /// <summary>The place of an operand that is a register, a constant, a special register or the address of a variable.</summary>
    int Slot(PtxInstruction ptx, PtxOperand operand, char kind)
    {
        int width = kind switch { 'q' => 64, 'p' => 0, _ => 32 };
        switch (operand)
        {
            case PtxRegisterOperand { Negated: false } register when register.Register.Width == width: return file[register.Register];
            case PtxImmediateOperand immediate when kind == 'h': return file.Constant((ushort)immediate.Bits, 'w');
            case PtxImmediateOperand immediate: return file.Constant(immediate.Bits, kind);
            case PtxSpecialOperand { Name: "%warpsize" or "WARP_SZ" } when width == 32: return file.Constant(Warp.Lanes, 'w');
            case PtxSpecialOperand special when width == 32 && SpecialRegisters.IsKnown(special.Name): return file.Special(special.Name);
            case PtxSymbolOperand { Name: "_" }: return file.Sink(width);
            case PtxSymbolOperand symbol when width != 0: return file.Constant(Address(ptx, symbol.Name), kind);
            case PtxAddressOperand { Symbol: { } name } address when width != 0: return file.Constant(Address(ptx, name) + (ulong)address.Offset, kind);
            default: throw new UnknownInstructionException(ptx, kernel.Name);
        }
    }

    /// <summary>A variable's address in its own space.</summary>
    ulong Address(PtxInstruction ptx, string name)
    {
        if (kernel.Shared.TryGetValue(name, out var shared)) return (ulong)shared.Offset;
        if (kernel.DynamicShared.Contains(name)) return (ulong)KernelCode.DynamicSharedOffset(kernel);
        if (kernel.Local.TryGetValue(name, out var local)) return (ulong)local.Offset;
        if (kernel.Parameters.Find(parameter => parameter.Name == name) is { } parameter) return (ulong)parameter.Offset;
        return globals.TryGetValue(name, out ulong address) ? address : throw new UnknownInstructionException(ptx, kernel.Name);
    }
}
