using System.Buffers.Binary;

namespace CommonCanvas.Emulator.Ptx;

/// <summary>
/// Reads the PTX that NVRTC emits (ISA 7.x and 8.x): modules of kernels, functions and variables. Functions are put in where
/// kernels call them: <see cref="PtxInliner"/>.
/// </summary>
public sealed partial class PtxParser
{
    readonly List<PtxToken> tokens;
    readonly PtxModule module = new();
    readonly HashSet<string> externShared = [];
    int at;

    /// <summary>Most bytes of variables in a space, and of initial values: a short text must not ask for gigabytes.</summary>
    const int MaxBytes = 1 << 28;

    PtxParser(string text) => tokens = PtxLexer.Read(text);

    /// <summary>Parses a PTX text.</summary>
    /// <exception cref="PtxSyntaxException">With the line.</exception>
    public static PtxModule Parse(string text) => new PtxParser(text).Module();

    // The last token is the end, and stays the one at hand.
    PtxToken Now => tokens[Math.Min(at, tokens.Count - 1)];

    PtxModule Module()
    {
        int globalBytes = 0;
        while (Now.Kind != PtxTokenKind.End)
        {
            switch (Now.Text)
            {
                case ".version":
                    at++;
                    module.Version = Version.TryParse(Now.Text, out var version) ? version : throw Unexpected("a version");
                    at++;
                    break;
                case ".target": at++; module.Target = Take().Text; SkipLine(); break;
                case ".address_size": at += 2; break;
                case ".file": File(); break;
                case ".section": SkipBraces(); break;
                case ".visible" or ".weak" or ".extern" or ".common": at++; break;
                case ".entry": Entry(); break;
                case ".func": Function(); break;
                case ".global" or ".const":
                    at++;
                    var variable = Variable(ref globalBytes);
                    module.Globals[variable.Name] = variable;
                    break;
                case ".shared":
                    at++;
                    int unused = 0;
                    var shared = Variable(ref unused);
                    if (shared.Bytes == 0) externShared.Add(shared.Name);
                    else module.Shared[shared.Name] = shared;
                    break;
                default: throw Unexpected("a directive");
            }
        }
        foreach (var kernel in module.Kernels.Values)
        {
            PtxInliner.Expand(module, kernel);
            kernel.DynamicShared.UnionWith(externShared);
            PtxInliner.PlaceShared(module, kernel);
        }
        return module;
    }

    // .file 1 "name"[, size, time]
    void File()
    {
        at++;
        int number = (int)Take().Bits;
        module.Files[number] = Take().Text;
        while (Now.Is(',')) at += 2;
    }

    void Entry()
    {
        at++;
        var kernel = new PtxKernel(Word());
        if (Now.Is('('))
        {
            int bytes = 0;
            kernel.Parameters.AddRange(Parameters(ref bytes));
            kernel.ParameterBytes = bytes;
        }
        while (!Now.Is('{'))
        {
            string directive = Word();
            var numbers = new List<int>();
            while (Now.Kind == PtxTokenKind.Number || Now.Is(','))
            {
                if (Now.Kind == PtxTokenKind.Number) numbers.Add(Integer(1, 1 << 20));
                else at++;
            }
            if (directive is ".maxntid" or ".reqntid") kernel.MaxThreads = (int)Math.Min(int.MaxValue, numbers.Aggregate(1.0, (a, b) => a * b));
            else if (directive is not (".minnctapersm" or ".maxnreg" or ".pragma")) throw Unexpected("a directive of a kernel");
        }
        at++;
        new Body(this, kernel).Parse();
        if (!module.Kernels.TryAdd(kernel.Name, kernel)) throw Unexpected($"one kernel {kernel.Name}");
    }

    // .func [(.param result)] name [(.param, ...)] [.noreturn] { ... } or ;
    void Function()
    {
        at++;
        int unused = 0;
        var returns = Now.Is('(') ? Parameters(ref unused) : [];
        var function = new PtxKernel(Word());
        function.Returns.AddRange(returns);
        if (Now.Is('(')) function.Parameters.AddRange(Parameters(ref unused));
        while (!Now.Is('{') && !Now.Is(';')) { RequireMore(); at++; }
        at++;
        if (tokens[at - 1].Is(';')) return;
        new Body(this, function).Parse();
        if (!module.Functions.TryAdd(function.Name, function)) throw Unexpected($"one function {function.Name}");
    }

    // (.param .type name, ...)
    List<PtxVariable> Parameters(ref int bytes)
    {
        var parameters = new List<PtxVariable>();
        at++;
        while (!Now.Is(')'))
        {
            Expect(".param");
            parameters.Add(Declaration(ref bytes));
            if (Now.Is(',')) at++;
        }
        at++;
        return parameters;
    }

    // a declaration with an optional initial value, closed by a semicolon
    PtxVariable Variable(ref int spaceBytes)
    {
        var variable = Declaration(ref spaceBytes);
        if (Now.Is('='))
        {
            at++;
            variable = variable with { Initial = Initial(variable.Bytes) };
        }
        Expect(";");
        return variable;
    }

    // [.align n] .type name[size]
    PtxVariable Declaration(ref int spaceBytes)
    {
        int alignment = 0, vector = 1;
        elementBytes = 0;
        while (Now.Text.StartsWith('.'))
        {
            string word = Word();
            if (word == ".align") alignment = Integer(1, 1024);
            else if (word is ".v2") vector = 2;
            else if (word is ".v4") vector = 4;
            else if (word is ".ptr" or ".global") continue;
            else elementBytes = PtxTypes.Bytes(word[1..]);
        }
        if (elementBytes == 0) throw Unexpected("a type");
        string name = Word();
        long bytes = vector * elementBytes;
        while (Now.Is('['))
        {
            at++;
            bytes *= Now.Is(']') ? 0 : Integer(0, MaxBytes);
            if (bytes > MaxBytes) throw Unexpected($"an array of at most {MaxBytes} bytes before this");
            Expect("]");
        }
        if (alignment == 0) alignment = elementBytes * vector;
        long offset = (spaceBytes + alignment - 1) / alignment * alignment;
        if (offset + bytes > MaxBytes) throw Unexpected($"variables of at most {MaxBytes} bytes before this");
        spaceBytes = (int)(offset + bytes);
        return new PtxVariable(name, (int)offset, (int)bytes, alignment);
    }

    int elementBytes;

    byte[] Initial(int bytes)
    {
        var data = new byte[bytes];
        int element = elementBytes, position = 0, depth = 0;
        Span<byte> value = stackalloc byte[16];
        do
        {
            if (Now.Is('{')) { depth++; at++; }
            else if (Now.Is('}')) { depth--; at++; }
            else if (Now.Is(',')) at++;
            else
            {
                BinaryPrimitives.WriteUInt64LittleEndian(value, Literal().Bits);
                if (position + element > bytes) throw Unexpected("no more initial values than elements");
                value[..element].CopyTo(data.AsSpan(position));
                position += element;
            }
        } while (depth > 0);
        return data;
    }

    PtxImmediateOperand Literal()
    {
        bool negative = Now.Is('-');
        if (negative) at++;
        var token = Take();
        if (token.Kind != PtxTokenKind.Number) throw new PtxSyntaxException(token.Line, $"a number is expected, not '{token.Text}'");
        return new PtxImmediateOperand(negative ? (ulong)-(long)token.Bits : token.Bits, token.NumberKind);
    }

    int Integer(int least, int most)
    {
        if (Now.Kind != PtxTokenKind.Number || Now.NumberKind != 'i' || Now.Bits < (ulong)least || Now.Bits > (ulong)most) throw Unexpected($"a number from {least} to {most}");
        return (int)tokens[at++].Bits;
    }

    string Word()
    {
        if (Now.Kind != PtxTokenKind.Word) throw Unexpected("a name");
        return tokens[at++].Text;
    }

    PtxToken Take()
    {
        RequireMore();
        return tokens[at++];
    }

    void Expect(string text)
    {
        if (Now.Text != text) throw Unexpected($"'{text}'");
        at++;
    }

    void RequireMore()
    {
        if (Now.Kind == PtxTokenKind.End) throw new PtxSyntaxException(Now.Line, "the text ends too early");
    }

    void SkipLine()
    {
        int line = Now.Line == tokens[at - 1].Line ? Now.Line : -1;
        while (Now.Line == line && Now.Kind != PtxTokenKind.End) at++;
    }

    void SkipBraces()
    {
        while (!Now.Is('{')) { RequireMore(); at++; }
        int depth = 0;
        do
        {
            RequireMore();
            if (Now.Is('{')) depth++;
            if (Now.Is('}')) depth--;
            at++;
        } while (depth > 0);
    }

    PtxSyntaxException Unexpected(string expected) => new(Now.Line, $"{expected} is expected, not '{Now.Text}'");
}
