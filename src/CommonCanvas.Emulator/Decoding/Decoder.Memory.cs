using System.Numerics;
using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Operations;
using CommonCanvas.Emulator.Ptx;
using unsafe Handler = delegate*<CommonCanvas.Emulator.Execution.Warp*, CommonCanvas.Emulator.Execution.Instruction*, void>;

namespace CommonCanvas.Emulator.Decoding;

internal sealed unsafe partial class Decoder<TMonitor>
{
    /// <summary>Modifiers of loads and stores that change caching or ordering only; threads here run one after another.</summary>
    static readonly HashSet<string> NoEffect =
    [
        "nc", "ca", "cg", "cs", "lu", "cv", "wb", "wt", "volatile", "relaxed", "acquire", "release", "acq_rel", "weak", "cta", "gpu", "sys", "cluster",
        "L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last", "L1::no_allocate", "L2::64B", "L2::128B", "L2::256B",
        "noftz", "aligned", "sync", "shared::cta",
    ];

    // ld.space[.cache][.v2|.v4].type: what is left when space, vector and type are gone must have no effect
    (string Space, int Count)? Access(PtxInstruction ptx)
    {
        string space = "generic";
        int count = 1;
        foreach (string part in ptx.Parts.AsSpan(1, ptx.Parts.Length - 2))
        {
            if (part is "global" or "shared" or "local" or "param" or "const") space = part;
            else if (part is "v2" or "v4") count = part[1] - '0';
            else if (!NoEffect.Contains(part)) return null;
        }
        return (space, count);
    }

    Handler Load(PtxInstruction ptx, Instruction* at)
    {
        if (Access(ptx) is not var (space, count)) return null;
        int width = Elements(ptx, ptx.Operands[0], count, at);
        if (width == 0) return null;
        var address = (PtxAddressOperand)ptx.Operands[1];
        if (IsPassed(address)) space = "local";
        if (space == "param" && address.Base is null)
        {
            at->Immediate = (long)Address(ptx, address.Symbol!) + address.Offset;
            return Parameter(ptx.Type, width);
        }
        space = SetAddress(ptx, at, address, space);
        return space switch
        {
            "global" or "const" => Load<GlobalSpace>(ptx.Type, width),
            "shared" => Load<SharedSpace>(ptx.Type, width),
            "shared64" => Load<SharedSpace64>(ptx.Type, width),
            "local" => Load<LocalSpace>(ptx.Type, width),
            "param" => Load<ParameterSpace>(ptx.Type, width),
            _ => Load<GenericSpace>(ptx.Type, width),
        };
    }

    Handler Store(PtxInstruction ptx, Instruction* at)
    {
        if (Access(ptx) is not var (space, count)) return null;
        int width = Elements(ptx, ptx.Operands[1], count, at);
        if (width == 0) return null;
        var address = (PtxAddressOperand)ptx.Operands[0];
        return SetAddress(ptx, at, address, IsPassed(address) ? "local" : space) switch
        {
            "global" => Store<GlobalSpace>(ptx.Type, width),
            "shared" => Store<SharedSpace>(ptx.Type, width),
            "shared64" => Store<SharedSpace64>(ptx.Type, width),
            "local" => Store<LocalSpace>(ptx.Type, width),
            "generic" => Store<GenericSpace>(ptx.Type, width),
            _ => null,
        };
    }

    // what is passed to a function lies in local memory
    bool IsPassed(PtxAddressOperand address) => address.Symbol is { } name && kernel.Local.ContainsKey(name);

    /// <summary>Fills the operands of an access; the width of its registers, 0 where they do not fit.</summary>
    int Elements(PtxInstruction ptx, PtxOperand operand, int count, Instruction* at)
    {
        PtxOperand[] elements = operand is PtxVectorOperand vector ? vector.Elements : [operand];
        if (elements.Length != count) return 0;
        bool wide = PtxTypes.Bytes(ptx.Type) == 8 || elements.Any(e => e is PtxRegisterOperand { Register.Width: 64 });
        at->Count = count;
        for (int i = 0; i < count; i++) at->Operand[i] = Slot(ptx, elements[i], wide ? 'q' : 'w');
        return wide ? 64 : 32;
    }

    /// <summary>Fills the address; the space, which for shared memory tells the width of the address.</summary>
    string SetAddress(PtxInstruction ptx, Instruction* at, PtxAddressOperand address, string space)
    {
        at->Immediate = address.Offset;
        if (address.Base is not { } register)
        {
            at->Operand[Instruction.Address] = file.Constant(Address(ptx, address.Symbol!), 'q');
            return space == "shared" ? "shared64" : space;
        }
        if (register.Width == 0 || (register.Width == 32 && space != "shared")) throw new UnknownInstructionException(ptx, kernel.Name);
        at->Operand[Instruction.Address] = file[register];
        return space == "shared" && register.Width == 64 ? "shared64" : space;
    }

    static Handler Load<TSpace>(string type, int width) where TSpace : struct, ISpace => (type, width) switch
    {
        ("u8" or "b8", 32) => &MemoryOps.Load<TMonitor, TSpace, byte, uint>,
        ("s8", 32) => &MemoryOps.Load<TMonitor, TSpace, sbyte, uint>,
        ("u16" or "b16" or "f16" or "bf16", 32) => &MemoryOps.Load<TMonitor, TSpace, ushort, uint>,
        ("s16", 32) => &MemoryOps.Load<TMonitor, TSpace, short, uint>,
        ("u32" or "b32" or "s32" or "f32" or "f16x2" or "bf16x2", 32) => &MemoryOps.Load<TMonitor, TSpace, uint, uint>,
        ("u8" or "b8", 64) => &MemoryOps.Load<TMonitor, TSpace, byte, ulong>,
        ("s8", 64) => &MemoryOps.Load<TMonitor, TSpace, sbyte, ulong>,
        ("u16" or "b16", 64) => &MemoryOps.Load<TMonitor, TSpace, ushort, ulong>,
        ("s16", 64) => &MemoryOps.Load<TMonitor, TSpace, short, ulong>,
        ("u32" or "b32", 64) => &MemoryOps.Load<TMonitor, TSpace, uint, ulong>,
        ("s32", 64) => &MemoryOps.Load<TMonitor, TSpace, int, ulong>,
        ("u64" or "b64" or "s64" or "f64", 64) => &MemoryOps.Load<TMonitor, TSpace, ulong, ulong>,
        _ => null,
    };

    static Handler Store<TSpace>(string type, int width) where TSpace : struct, ISpace => (PtxTypes.Bytes(type), width) switch
    {
        (1, 32) => &MemoryOps.Store<TMonitor, TSpace, byte, uint>,
        (2, 32) => &MemoryOps.Store<TMonitor, TSpace, ushort, uint>,
        (4, 32) => &MemoryOps.Store<TMonitor, TSpace, uint, uint>,
        (1, 64) => &MemoryOps.Store<TMonitor, TSpace, byte, ulong>,
        (2, 64) => &MemoryOps.Store<TMonitor, TSpace, ushort, ulong>,
        (4, 64) => &MemoryOps.Store<TMonitor, TSpace, uint, ulong>,
        (8, 64) => &MemoryOps.Store<TMonitor, TSpace, ulong, ulong>,
        _ => null,
    };

    static Handler Parameter(string type, int width) => (type, width) switch
    {
        ("s8", 32) => &MemoryOps.LoadParameter<sbyte, uint>,
        ("s16", 32) => &MemoryOps.LoadParameter<short, uint>,
        ("s8", 64) => &MemoryOps.LoadParameter<sbyte, ulong>,
        ("s16", 64) => &MemoryOps.LoadParameter<short, ulong>,
        ("s32", 64) => &MemoryOps.LoadParameter<int, ulong>,
        _ => (PtxTypes.Bytes(type), width) switch
        {
            (1, 32) => &MemoryOps.LoadParameter<byte, uint>,
            (2, 32) => &MemoryOps.LoadParameter<ushort, uint>,
            (4, 32) => &MemoryOps.LoadParameter<uint, uint>,
            (1, 64) => &MemoryOps.LoadParameter<byte, ulong>,
            (2, 64) => &MemoryOps.LoadParameter<ushort, ulong>,
            (4, 64) => &MemoryOps.LoadParameter<uint, ulong>,
            (8, 64) => &MemoryOps.LoadParameter<ulong, ulong>,
            _ => null,
        },
    };

    // cp.async.cg.shared.global [to], [from], bytes[, size]; cp.async.commit_group; cp.async.wait_group n; cp.async.wait_all
    Handler AsyncCopy(PtxInstruction ptx, Instruction* at)
    {
        if (ptx.Parts[1] != "async" || ptx.Parts.Length < 3) return null;
        switch (ptx.Parts[2])
        {
            case "commit_group": return &AsyncCopyOps.Commit<TMonitor>;
            case "wait_all":
                at->Immediate = -1;
                return &AsyncCopyOps.Wait<TMonitor>;
            case "wait_group" when ptx.Operands is [PtxImmediateOperand groups]:
                at->Immediate = (long)groups.Bits;
                return &AsyncCopyOps.Wait<TMonitor>;
        }
        if (ptx.Parts[2] is not ("ca" or "cg") || !ptx.Has("shared") || !ptx.Has("global")) return null;
        foreach (string part in ptx.Parts.AsSpan(3))
            if (part is not ("shared" or "global") && !NoEffect.Contains(part)) return null;
        if (ptx.Operands is not [PtxAddressOperand { Base: { } to } destination, PtxAddressOperand source, PtxImmediateOperand bytes, ..]) return null;
        if (bytes.Bits is not (4 or 8 or 16) || (bytes.Bits != 16 && ptx.Parts[2] == "cg")) return null;
        at->Count = (int)bytes.Bits;
        (at->Operand[0], at->Immediate, at->Option) = (file[to], destination.Offset, checked((int)source.Offset));
        at->Operand[1] = source.Base is { Width: 64 } from ? file[from] : file.Constant(Address(ptx, source.Symbol ?? ""), 'q');
        at->Operand[2] = ptx.Operands.Length > 3 ? Slot(ptx, ptx.Operands[3], 'w') : file.Constant(bytes.Bits, 'w');
        return to.Width == 64 ? &AsyncCopyOps.Copy<TMonitor, SharedSpace64> : &AsyncCopyOps.Copy<TMonitor, SharedSpace>;
    }

    Handler Atomic(PtxInstruction ptx, Instruction* at)
    {
        bool returns = ptx.Parts[0] == "atom";
        string? operation = null, space = "generic";
        foreach (string part in ptx.Parts.AsSpan(1, ptx.Parts.Length - 2))
        {
            if (part is "global" or "shared") space = part;
            else if (!NoEffect.Contains(part))
            {
                if (operation is not null) return null;
                operation = part;
            }
        }
        var operands = ptx.Operands.AsSpan(returns ? 1 : 0);
        if (operation is null || operands.Length < 2 || operands[0] is not PtxAddressOperand address) return null;
        char kind = PtxTypes.Bytes(ptx.Type) switch { 8 => 'q', 2 => 'h', _ => 'w' };
        at->Operand[0] = returns ? Slot(ptx, ptx.Operands[0], kind) : -1;
        at->Operand[1] = Slot(ptx, operands[1], kind);
        at->Operand[2] = operands.Length > 2 ? Slot(ptx, operands[2], kind) : at->Operand[1];
        return SetAddress(ptx, at, address, space) switch
        {
            "global" => AtomicHandlers<TMonitor, GlobalSpace>.Find(operation, ptx.Type, flush: true),
            "shared" => AtomicHandlers<TMonitor, SharedSpace>.Find(operation, ptx.Type, flush: false),
            "shared64" => AtomicHandlers<TMonitor, SharedSpace64>.Find(operation, ptx.Type, flush: false),
            _ => AtomicHandlers<TMonitor, GenericSpace>.Find(operation, ptx.Type, flush: true),
        };
    }
}

/// <summary>The handlers of atomic operations.</summary>
internal static unsafe class AtomicHandlers<TMonitor, TSpace> where TMonitor : struct, IMonitor where TSpace : struct, ISpace
{
    /// <summary>The handler, or null.</summary>
    public static Handler Find(string operation, string type, bool flush) => type switch
    {
        "u32" or "s32" or "b32" => Integer<uint>(operation) is var run && run != null ? run : (operation, type) switch
        {
            ("min", "u32") => Run<uint, AtomicMinimum<uint, uint>>(),
            ("max", "u32") => Run<uint, AtomicMaximum<uint, uint>>(),
            ("min", "s32") => Run<uint, AtomicMinimum<uint, int>>(),
            ("max", "s32") => Run<uint, AtomicMaximum<uint, int>>(),
            ("inc", "u32") => Run<uint, AtomicIncrement>(),
            ("dec", "u32") => Run<uint, AtomicDecrement>(),
            _ => null,
        },
        "u64" or "s64" or "b64" => Integer<ulong>(operation) is var run && run != null ? run : (operation, type) switch
        {
            ("min", "u64") => Run<ulong, AtomicMinimum<ulong, ulong>>(),
            ("max", "u64") => Run<ulong, AtomicMaximum<ulong, ulong>>(),
            ("min", "s64") => Run<ulong, AtomicMinimum<ulong, long>>(),
            ("max", "s64") => Run<ulong, AtomicMaximum<ulong, long>>(),
            _ => null,
        },
        "b16" => operation switch
        {
            "cas" => Run<ushort, AtomicCompareExchange<ushort>>(),
            "exch" => Run<ushort, AtomicExchange<ushort>>(),
            _ => null,
        },
        _ => operation != "add" ? null : type switch
        {
            "f32" => flush ? Run<uint, AtomicAddSingleFlushed>() : Run<uint, AtomicAddSingle>(),
            "f64" => Run<ulong, AtomicAddDouble>(),
            "f16x2" => Run<uint, AtomicAddPacked<FloatF16>>(),
            "bf16x2" => Run<uint, AtomicAddPacked<FloatBF16>>(),
            "f16" => Run<ushort, AtomicAddHalf<FloatF16>>(),
            "bf16" => Run<ushort, AtomicAddHalf<FloatBF16>>(),
            _ => null,
        },
    };

    static Handler Integer<T>(string operation) where T : unmanaged, IBinaryInteger<T> => operation switch
    {
        "add" => Run<T, AtomicAdd<T>>(),
        "and" => Run<T, AtomicAnd<T>>(),
        "or" => Run<T, AtomicOr<T>>(),
        "xor" => Run<T, AtomicXor<T>>(),
        "exch" => Run<T, AtomicExchange<T>>(),
        "cas" => Run<T, AtomicCompareExchange<T>>(),
        _ => null,
    };

    static Handler Run<T, TOp>() where T : unmanaged where TOp : struct, IAtomic<T> => &AtomicOps.Update<TMonitor, TSpace, T, TOp>;
}
