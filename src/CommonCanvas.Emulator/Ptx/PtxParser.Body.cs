namespace CommonCanvas.Emulator.Ptx;

public sealed partial class PtxParser
{
    /// <summary>
    /// The statements between a kernel's braces. Inline assembly opens inner scopes whose register names may repeat and
    /// shadow outer ones; each such register becomes one of its own.
    /// </summary>
    sealed class Body(PtxParser parser, PtxKernel kernel)
    {
        const int MaxRegisters = 1 << 20;

        readonly List<Dictionary<string, PtxRegister>> scopes = [[]];
        readonly List<Dictionary<string, string>> passed = [[]];
        PtxLocation location;
        int scopeCount;

        public void Parse()
        {
            while (true)
            {
                var token = parser.Now;
                if (token.Is('{'))
                {
                    parser.at++;
                    scopes.Add([]);
                    passed.Add([]);
                    scopeCount++;
                }
                else if (token.Is('}'))
                {
                    parser.at++;
                    scopes.RemoveAt(scopes.Count - 1);
                    passed.RemoveAt(passed.Count - 1);
                    if (scopes.Count == 0) return;
                }
                else if (token.Is(';')) parser.at++;
                else if (token.Kind == PtxTokenKind.Word && parser.tokens[parser.at + 1].Is(':'))
                {
                    if (parser.tokens[Math.Min(parser.at + 2, parser.tokens.Count - 1)].Text == ".callprototype")
                    {
                        while (!parser.Now.Is(';')) parser.Take();
                        continue;
                    }
                    if (!kernel.Labels.TryAdd(token.Text, kernel.Instructions.Count)) throw parser.Unexpected("a label of its own");
                    parser.at += 2;
                    if (parser.Now.Text == ".branchtargets") BranchTargets(token.Text);
                }
                else if (token.Text.StartsWith('.')) Directive();
                else Instruction();
            }
        }

        // name: .branchtargets label, label;
        void BranchTargets(string name)
        {
            parser.at++;
            var targets = new List<string>();
            while (!parser.Now.Is(';'))
            {
                targets.Add(parser.Word());
                if (parser.Now.Is(',')) parser.at++;
            }
            kernel.Labels.Remove(name);
            kernel.BranchTables.Add(name, targets);
        }

        void Directive()
        {
            switch (parser.Word())
            {
                case ".reg": Registers(); break;
                case ".shared":
                    int shared = kernel.SharedBytes;
                    var variable = parser.Variable(ref shared);
                    kernel.SharedBytes = shared;
                    if (!kernel.Shared.TryAdd(variable.Name, variable)) throw parser.Unexpected($"one variable {variable.Name} before this");
                    break;
                case ".local":
                    int local = kernel.LocalBytes;
                    variable = parser.Variable(ref local);
                    kernel.LocalBytes = local;
                    if (!kernel.Local.TryAdd(variable.Name, variable)) throw parser.Unexpected($"one variable {variable.Name} before this");
                    break;
                case ".param":
                    // what is passed to a function, in a scope of its own around the call
                    local = kernel.LocalBytes;
                    variable = parser.Variable(ref local);
                    kernel.LocalBytes = local;
                    variable = variable with { Name = $"{variable.Name}#{kernel.Name}{kernel.Local.Count}" };
                    passed[^1][variable.Name[..variable.Name.IndexOf('#', StringComparison.Ordinal)]] = variable.Name;
                    kernel.Local.Add(variable.Name, variable);
                    break;
                case ".loc": Location(); break;
                case ".pragma": parser.at++; parser.Expect(";"); break;
                default:
                    parser.at--;
                    throw parser.Unexpected("a directive of a kernel's body");
            }
        }

        // .reg .f32 %f<12>, a, b;
        void Registers()
        {
            string type = parser.Word()[1..];
            if (type != "pred" && PtxTypes.Bytes(type) == 0) throw parser.Unexpected("a type of register");
            do
            {
                if (parser.Now.Is(',')) parser.at++;
                string name = parser.Word();
                if (!parser.Now.Is('<')) Declare(name, type);
                else
                {
                    parser.at++;
                    int count = parser.Integer(0, MaxRegisters);
                    parser.Expect(">");
                    for (int i = 0; i < count; i++) Declare(name + i, type);
                }
            } while (parser.Now.Is(','));
            parser.Expect(";");
        }

        void Declare(string name, string type)
        {
            if (kernel.Registers.Count == MaxRegisters) throw parser.Unexpected($"at most {MaxRegisters} registers before this");
            string unique = scopes.Count == 1 ? name : $"{name}#{scopeCount}";
            var register = new PtxRegister(unique, type, kernel.Registers.Count);
            kernel.Registers.Add(register);
            scopes[^1][name] = register;
        }

        // .loc file line column[, function_name label[+n], inlined_at file line column]
        void Location()
        {
            int file = (int)parser.Take().Bits, line = (int)parser.Take().Bits;
            parser.at++;
            location = new PtxLocation(file, line, 0, 0);
            if (!parser.Now.Is(',')) return;
            while (parser.Now.Text != "inlined_at") parser.Take();
            parser.at++;
            location = new PtxLocation(file, line, (int)parser.Take().Bits, (int)parser.Take().Bits);
            parser.at++;
        }

        void Instruction()
        {
            int line = parser.Now.Line;
            PtxRegister? guard = null;
            bool negated = false;
            if (parser.Now.Is('@'))
            {
                parser.at++;
                negated = parser.Now.Is('!');
                if (negated) parser.at++;
                guard = Find(parser.Word()) ?? throw parser.Unexpected("a declared predicate before this");
            }
            string opcode = parser.Word();
            var operands = new List<PtxOperand>();
            while (!parser.Now.Is(';'))
            {
                operands.Add(Operand());
                if (parser.Now.Is(',')) parser.at++;
                else if (!parser.Now.Is(';')) throw parser.Unexpected("',' or ';'");
            }
            parser.at++;
            kernel.Instructions.Add(new PtxInstruction
            {
                Opcode = opcode,
                Parts = opcode.Split('.', StringSplitOptions.RemoveEmptyEntries),
                Guard = guard,
                GuardNegated = negated,
                Operands = [.. operands],
                Location = location,
                PtxLine = line,
            });
        }

        PtxOperand Operand()
        {
            var token = parser.Now;
            if (token.Is('{')) return Vector();
            if (token.Is('[')) return Address();
            if (token.Is('(')) return List();
            if (token.Kind == PtxTokenKind.Number || token.Is('-')) return parser.Literal();
            bool negated = token.Is('!');
            if (negated) parser.at++;
            string name = parser.Word();
            if (Find(name) is not { } register)
            {
                if (name.StartsWith('%') || name == "WARP_SZ") return new PtxSpecialOperand(name);
                if (!parser.Now.Is('+')) return new PtxSymbolOperand(Renamed(name));
                parser.at++;
                return new PtxAddressOperand(null, Renamed(name), (long)parser.Literal().Bits);
            }
            if (!parser.Now.Is('|')) return new PtxRegisterOperand(register, negated);
            parser.at++;
            return new PtxPairOperand(register, Find(parser.Word()) ?? throw parser.Unexpected("a declared predicate before this"));
        }

        PtxVectorOperand Vector()
        {
            parser.at++;
            var elements = new List<PtxOperand>();
            while (!parser.Now.Is('}'))
            {
                if (parser.Now.Is('{')) throw parser.Unexpected("an element of a vector");
                elements.Add(Operand());
                if (parser.Now.Is(',')) parser.at++;
            }
            parser.at++;
            return new PtxVectorOperand([.. elements]);
        }

        // (name, name): arguments or results of a call
        PtxListOperand List()
        {
            parser.at++;
            var elements = new List<PtxOperand>();
            while (!parser.Now.Is(')'))
            {
                if (parser.Now.Is('(') || parser.Now.Is('{')) throw parser.Unexpected("an argument");
                elements.Add(Operand());
                if (parser.Now.Is(',')) parser.at++;
            }
            parser.at++;
            return new PtxListOperand([.. elements]);
        }

        // [register], [symbol], [register+offset], [register+-offset]
        PtxAddressOperand Address()
        {
            parser.at++;
            string name = parser.Word();
            var register = Find(name);
            long offset = 0;
            if (parser.Now.Is('+') || parser.Now.Is('-'))
            {
                if (parser.Now.Is('+')) parser.at++;
                offset = (long)parser.Literal().Bits;
            }
            parser.Expect("]");
            return new PtxAddressOperand(register, register is null ? Renamed(name) : null, offset);
        }

        string Renamed(string name)
        {
            for (int i = passed.Count - 1; i >= 0; i--)
                if (passed[i].TryGetValue(name, out string? unique)) return unique;
            return name;
        }

        PtxRegister? Find(string name)
        {
            for (int i = scopes.Count - 1; i >= 0; i--)
                if (scopes[i].TryGetValue(name, out var register)) return register;
            return null;
        }
    }
}
