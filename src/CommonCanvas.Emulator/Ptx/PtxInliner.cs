namespace CommonCanvas.Emulator.Ptx;

/// <summary>
/// Puts functions in where kernels call them, each time with registers, local variables and labels of its own, so that a call's
/// lanes may come and go apart like those of any other code. What is passed lies in local memory. A function that calls itself
/// is refused, for there is no stack; so is a call by address, when the code is decoded.
/// </summary>
internal sealed class PtxInliner
{
    const int MaxInstructions = 1 << 20;

    readonly PtxModule module;
    readonly PtxKernel target;
    readonly List<PtxInstruction> instructions = [];
    readonly Dictionary<string, int> labels = [];
    readonly Dictionary<string, List<string>> tables = [];
    int calls;

    PtxInliner(PtxModule module, PtxKernel target) => (this.module, this.target) = (module, target);

    /// <summary>Replaces a kernel's calls.</summary>
    /// <exception cref="PtxSyntaxException">A recursive call, or one whose arguments do not fit.</exception>
    public static void Expand(PtxModule module, PtxKernel kernel)
    {
        if (!kernel.Instructions.Exists(IsCall)) return;
        var inliner = new PtxInliner(module, kernel);
        inliner.Emit(kernel, new Frame { Chain = [kernel.Name] });
        kernel.Instructions.Clear();
        kernel.Instructions.AddRange(inliner.instructions);
        Replace(kernel.Labels, inliner.labels);
        Replace(kernel.BranchTables, inliner.tables);
    }

    /// <summary>Gives the module's shared variables that a kernel names a place in its shared memory.</summary>
    public static void PlaceShared(PtxModule module, PtxKernel kernel)
    {
        if (module.Shared.Count == 0) return;
        foreach (string name in kernel.Instructions.SelectMany(instruction => instruction.Operands).SelectMany(Names).Distinct())
            if (module.Shared.TryGetValue(name, out var variable) && !kernel.Shared.ContainsKey(name))
            {
                int offset = (kernel.SharedBytes + variable.Alignment - 1) / variable.Alignment * variable.Alignment;
                kernel.Shared.Add(name, variable with { Offset = offset });
                kernel.SharedBytes = offset + variable.Bytes;
            }
    }

    static IEnumerable<string> Names(PtxOperand operand) => operand switch
    {
        PtxSymbolOperand symbol => [symbol.Name],
        PtxAddressOperand { Symbol: { } name } => [name],
        PtxVectorOperand vector => vector.Elements.SelectMany(Names),
        _ => [],
    };

    static bool IsCall(PtxInstruction instruction) => instruction.Parts[0] == "call";

    static void Replace<T>(Dictionary<string, T> to, Dictionary<string, T> from)
    {
        to.Clear();
        foreach (var (name, value) in from) to.Add(name, value);
    }

    /// <summary>What the names of a function's text stand for in one of its calls; a kernel's own stay.</summary>
    sealed class Frame
    {
        public required string[] Chain { get; init; }
        public string Suffix { get; init; } = "";
        public string? End { get; init; }
        public PtxLocation Call { get; init; }
        public Dictionary<PtxRegister, PtxRegister> Registers { get; } = [];
        public Dictionary<string, string> Symbols { get; } = [];
    }

    void Emit(PtxKernel from, Frame frame)
    {
        var labelsAt = from.Labels.ToLookup(label => label.Value, label => label.Key);
        foreach (string label in from.Labels.Keys.Concat(from.BranchTables.Keys)) frame.Symbols[label] = label + frame.Suffix;
        foreach (var (name, targets) in from.BranchTables) tables.Add(frame.Symbols[name], [.. targets.Select(label => label + frame.Suffix)]);
        for (int i = 0; i <= from.Instructions.Count; i++)
        {
            foreach (string label in labelsAt[i]) labels.Add(frame.Symbols[label], instructions.Count);
            if (i == from.Instructions.Count) break;
            var instruction = from.Instructions[i];
            if (IsCall(instruction) && Callee(instruction) is { } function) Call(instruction, function, frame);
            else if (frame.End is { } end && instruction.Parts[0] == "ret") Add(instruction, frame, "bra", [new PtxSymbolOperand(end)]);
            else Add(instruction, frame, instruction.Opcode, [.. instruction.Operands.Select(operand => Mapped(operand, frame))]);
        }
    }

    // call[.uni] [(results),] name[, (arguments)]
    PtxKernel? Callee(PtxInstruction call) =>
        call.Operands.OfType<PtxSymbolOperand>().FirstOrDefault() is { } symbol && module.Functions.TryGetValue(symbol.Name, out var function) ? function : null;

    void Call(PtxInstruction call, PtxKernel function, Frame frame)
    {
        if (frame.Chain.Contains(function.Name))
            throw new PtxSyntaxException(call.PtxLine, $"{function.Name} is called recursively, for which the emulator has no stack: write the recursion as a loop");
        var lists = call.Operands.OfType<PtxListOperand>().ToArray();
        PtxOperand[] results = function.Returns.Count > 0 && lists.Length > 0 ? lists[0].Elements : [], arguments = lists.Length > 0 && function.Parameters.Count > 0 ? lists[^1].Elements : [];
        if (results.Length != function.Returns.Count || arguments.Length != function.Parameters.Count || results.Concat(arguments).Any(operand => operand is not PtxSymbolOperand))
            throw new PtxSyntaxException(call.PtxLine, $"{call} passes other than the {function.Parameters.Count} arguments and {function.Returns.Count} results of {function.Name} as parameters");
        string suffix = $"#{++calls}", end = $"end of {function.Name}{suffix}";
        var inner = new Frame { Chain = [.. frame.Chain, function.Name], Suffix = suffix, End = end, Call = call.Location };
        foreach (var (parameter, passed) in function.Returns.Concat(function.Parameters).Zip(results.Concat(arguments)))
            inner.Symbols[parameter.Name] = ((PtxSymbolOperand)Mapped(passed, frame)).Name;
        foreach (var variable in function.Local.Values)
        {
            int offset = (target.LocalBytes + variable.Alignment - 1) / variable.Alignment * variable.Alignment;
            inner.Symbols[variable.Name] = variable.Name + suffix;
            target.Local.Add(variable.Name + suffix, variable with { Name = variable.Name + suffix, Offset = offset });
            target.LocalBytes = offset + variable.Bytes;
        }
        foreach (var (name, variable) in function.Shared) module.Shared.TryAdd(name, variable);
        if (call.Guard is not null) instructions.Add(Copy(call, frame, "bra", [new PtxSymbolOperand(end)], negate: true));
        Emit(function, inner);
        labels.Add(end, instructions.Count);
    }

    void Add(PtxInstruction instruction, Frame frame, string opcode, PtxOperand[] operands)
    {
        if (instructions.Count == MaxInstructions) throw new PtxSyntaxException(instruction.PtxLine, $"{target.Name} has more than {MaxInstructions} instructions with the functions that it calls");
        instructions.Add(Copy(instruction, frame, opcode, operands, negate: false));
    }

    PtxInstruction Copy(PtxInstruction instruction, Frame frame, string opcode, PtxOperand[] operands, bool negate) => new()
    {
        Opcode = opcode,
        Parts = opcode.Split('.', StringSplitOptions.RemoveEmptyEntries),
        Guard = instruction.Guard is { } guard ? Mapped(guard, frame) : null,
        GuardNegated = instruction.GuardNegated != negate,
        Operands = operands,
        Location = frame.Call.File != 0 && instruction.Location.CallerFile == 0
            ? instruction.Location with { CallerFile = frame.Call.File, CallerLine = frame.Call.Line } : instruction.Location,
        PtxLine = instruction.PtxLine,
    };

    PtxRegister Mapped(PtxRegister register, Frame frame)
    {
        if (frame.End is null) return register;
        if (frame.Registers.TryGetValue(register, out var mapped)) return mapped;
        mapped = new PtxRegister(register.Name + frame.Suffix, register.Type, target.Registers.Count);
        target.Registers.Add(mapped);
        return frame.Registers[register] = mapped;
    }

    string Mapped(string name, Frame frame) => frame.Symbols.GetValueOrDefault(name, name);

    PtxOperand Mapped(PtxOperand operand, Frame frame) => operand switch
    {
        PtxRegisterOperand register => register with { Register = Mapped(register.Register, frame) },
        PtxPairOperand pair => new PtxPairOperand(Mapped(pair.First, frame), Mapped(pair.Second, frame)),
        PtxSymbolOperand symbol => new PtxSymbolOperand(Mapped(symbol.Name, frame)),
        PtxAddressOperand { Base: { } register } address => address with { Base = Mapped(register, frame) },
        PtxAddressOperand { Symbol: { } name } address => address with { Symbol = Mapped(name, frame) },
        PtxVectorOperand vector => new PtxVectorOperand([.. vector.Elements.Select(element => Mapped(element, frame))]),
        PtxListOperand list => new PtxListOperand([.. list.Elements.Select(element => Mapped(element, frame))]),
        _ => operand,
    };
}
