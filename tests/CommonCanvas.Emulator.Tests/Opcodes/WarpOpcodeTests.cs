namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Instructions between lanes, atomics, matrix instructions and approximations, from CUDA C++ by NVRTC.</summary>
public class WarpOpcodeTests
{
    const int Lanes = 32;

    /// <summary>Runs <c>Body(const unsigned* in, unsigned* out)</c> by one warp.</summary>
    static uint[] Run(string body, uint[] input, int outputs)
    {
        using var gpu = new EmulatedGpu();
        using var module = gpu.Compile($"extern \"C\" __global__ void Body(const unsigned* in, unsigned* out) {{ int l = threadIdx.x; {body} }}");
        nint from = gpu.Upload<uint>(input), to = gpu.Upload<uint>(new uint[outputs]);
        module["Body"].Launch(gpu.Stream, 1, Lanes, 0, [from, to]);
        return gpu.Download<uint>(to, outputs);
    }

    [Theory]
    [InlineData("__shfl_up_sync(~0u, in[l], 3, 8)", 0), InlineData("__shfl_down_sync(~0u, in[l], 5, 16)", 1)]
    [InlineData("__shfl_xor_sync(~0u, in[l], 9)", 2), InlineData("__shfl_sync(~0u, in[l], l * 7, 4)", 3)]
    public void Shuffles(string expression, int kind)
    {
        var input = Enumerable.Range(0, Lanes).Select(l => (uint)(l * l + 1)).ToArray();
        int Source(int l) => kind switch
        {
            0 => l % 8 >= 3 ? l - 3 : l,
            1 => l % 16 + 5 < 16 ? l + 5 : l,
            2 => l ^ 9,
            _ => l / 4 * 4 + l * 7 % 4,
        };
        Assert.Equal(Enumerable.Range(0, Lanes).Select(l => input[Source(l)]), Run($"out[l] = {expression};", input, Lanes));
    }

    /// <summary>Every mode with segments and clamps, against the pseudo code of the PTX ISA; lanes outside of their segment keep their value.</summary>
    [Theory]
    [InlineData("up"), InlineData("down"), InlineData("bfly"), InlineData("idx")]
    [Proves("shfl.sync.up.b32 w|pwwww", "shfl.sync.down.b32 w|pwwww", "shfl.sync.bfly.b32 w|pwwww", "shfl.sync.idx.b32 w|pwwww", "shfl.sync.bfly.b32 wwwww")]
    public void Shuffles_of_segments(string mode)
    {
        int[] distances = [0, 1, 2, 5, 8, 16, 31, 33], clamps = [0x1f, 0, 0x181f, 0x1007, 0x1c03, 0x1f1f, 0x1800];
        var cases = (from b in distances from c in clamps select (b, c)).ToArray();
        string text = string.Concat(cases.Select((one, i) => $"asm volatile(\"{{ .reg .pred p; shfl.sync.{mode}.b32 %0|p, %2, {one.b}, {one.c}, -1; selp.u32 %1, 1, 0, p; }}\" : \"=r\"(d), \"=r\"(p) : \"r\"(in[l])); out[{64 * i} + l] = d; out[{64 * i + 32} + l] = p;\n"))
            + "asm volatile(\"shfl.sync.bfly.b32 %0, %1, 3, 31, -1;\" : \"=r\"(d) : \"r\"(in[l])); " + $"out[{64 * cases.Length} + l] = d;";
        var input = Enumerable.Range(0, Lanes).Select(l => (uint)(l * l + 1)).ToArray();
        var output = Run("unsigned d, p; " + text, input, 64 * cases.Length + 32);
        for (int i = 0; i < cases.Length; i++)
            for (int lane = 0; lane < Lanes; lane++)
            {
                int b = cases[i].b & 31, clamp = cases[i].c & 31, segment = cases[i].c >> 8 & 31, most = (lane & segment) | (clamp & ~segment), least = lane & segment;
                int source = mode switch { "up" => lane - b, "down" => lane + b, "bfly" => lane ^ b, _ => least | (b & ~segment) };
                bool inside = mode == "up" ? source >= most : source <= most;
                Assert.Equal((input[inside ? source : lane], inside ? 1u : 0), (output[64 * i + lane], output[64 * i + 32 + lane]));
            }
        Assert.Equal(Enumerable.Range(0, Lanes).Select(l => input[l ^ 3]), output[(64 * cases.Length)..]);
    }

    [Fact]
    [Proves("vote.sync.all.pred ppw", "vote.sync.any.pred ppw", "vote.sync.uni.pred ppw", "vote.sync.ballot.b32 wpw", "vote.sync.any.pred p!pw", "activemask.b32 w",
        "match.any.sync.b32 www", "match.all.sync.b32 w|pww", "redux.sync.add.u32 www", "redux.sync.add.s32 www", "redux.sync.max.u32 www", "redux.sync.or.b32 www")]
    public void Votes_matches_and_reductions()
    {
        var votes = Run("""
            unsigned a, b, c, d;
            asm volatile("{ .reg .pred p, q; setp.gt.u32 p, %4, 3; vote.sync.all.pred q, p, -1; selp.u32 %0, 1, 0, q; vote.sync.any.pred q, p, -1; selp.u32 %1, 1, 0, q;"
                "vote.sync.uni.pred q, p, -1; selp.u32 %2, 1, 0, q; vote.sync.any.pred q, !p, -1; selp.u32 %3, 1, 0, q; }" : "=r"(a), "=r"(b), "=r"(c), "=r"(d) : "r"(in[l]));
            out[l] = a + 2 * b + 4 * c + 8 * d;
            asm volatile("{ .reg .pred p, q; setp.gt.u32 p, %1, 9; vote.sync.uni.pred q, p, -1; selp.u32 %0, 1, 0, q; }" : "=r"(a) : "r"(in[l]));
            out[32 + l] = a;
            """, [.. Enumerable.Range(0, Lanes).Select(l => (uint)(l % 5))], 64);
        Assert.Equal(Enumerable.Repeat(2u + 8, Lanes).Concat(Enumerable.Repeat(1u, Lanes)), votes);
        var input = Enumerable.Range(0, Lanes).Select(l => (uint)(l % 5)).ToArray();
        uint Mask(Func<int, bool> holds) => Enumerable.Range(0, Lanes).Aggregate(0u, (mask, l) => holds(l) ? mask | 1u << l : mask);
        var output = Run("""
            out[l] = __ballot_sync(~0u, in[l] > 2);
            out[32 + l] = __any_sync(~0u, in[l] > 4) + 2 * __all_sync(~0u, in[l] < 5) + 4 * __any_sync(~0u, in[l] == 4);
            out[64 + l] = __match_any_sync(~0u, in[l]);
            int same; out[96 + l] = __match_all_sync(~0u, 7, &same); out[96 + l] += same;
            out[128 + l] = __reduce_add_sync(~0u, in[l]) + 1000 * __reduce_max_sync(~0u, in[l]) + 10000 * __reduce_or_sync(~0u, in[l]);
            if (l >= 8) out[160 + l] = __activemask();
            """, input, 192);
        for (int l = 0; l < Lanes; l++)
        {
            Assert.Equal(Mask(other => input[other] > 2), output[l]);
            Assert.Equal(6u, output[32 + l]);
            Assert.Equal(Mask(other => input[other] == input[l]), output[64 + l]);
            Assert.Equal(0u, output[96 + l]); // all lanes, plus one for the predicate
            Assert.Equal((uint)input.Sum(v => v) + 4000 + 70000, output[128 + l]);
            Assert.Equal(l >= 8 ? 0xffffff00u : 0, output[160 + l]);
        }
    }

    [Fact]
    public void Atomics_return_the_old_value_and_keep_the_new_one()
    {
        var input = Enumerable.Range(0, Lanes).Select(l => (uint)(l * 2654435761)).ToArray();
        var output = Run("""
            out[16 + l] = atomicAdd(out, 1u);
            atomicMin((int*)out + 1, (int)in[l]); atomicMax((int*)out + 2, (int)in[l]); atomicMax(out + 3, in[l]); atomicOr(out + 4, in[l]); atomicXor(out + 5, in[l]);
            atomicAdd((float*)out + 6, 0.5f); atomicInc(out + 7, 20u); atomicCAS(out + 8, 0u, l + 100u);
            atomicAdd((unsigned long long*)(out + 10), 0x100000001ull); atomicExch(out + 12, 5u);
            asm volatile("red.global.add.noftz.f16x2 [%0], %1;" :: "l"(out + 13), "r"(0x40003c00) : "memory");
            __shared__ unsigned s; if (l == 0) s = 0; __syncthreads(); atomicAdd(&s, l); __syncthreads(); out[14] = s;
            """, input, 48);
        Assert.Equal(Enumerable.Range(0, Lanes).Select(l => (uint)l), output[16..48]);
        uint or = input.Aggregate((a, b) => a | b), xor = input.Aggregate((a, b) => a ^ b);
        Assert.Equal([32u, (uint)Math.Min(0, input.Min(v => (int)v)), (uint)Math.Max(0, input.Max(v => (int)v)), input.Max(), or, xor], output[..6]);
        Assert.Equal([BitConverter.SingleToUInt32Bits(16), 11u, 100u, 0u, 32u, 32u, 5u], output[6..13]);
        // 32 times 1 and 32 times 2
        Assert.Equal([(uint)BitConverter.HalfToUInt16Bits((Half)64) << 16 | BitConverter.HalfToUInt16Bits((Half)32), 496u], output[13..15]);
    }

    [Theory]
    [InlineData("m16n8k16", "f16", 16), InlineData("m16n8k8", "f16", 8), InlineData("m16n8k16", "bf16", 16), InlineData("m16n8k8", "bf16", 8)]
    [InlineData("m16n8k8", "tf32", 8), InlineData("m16n8k4", "tf32", 4)]
    [Proves("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {wwww}{wwww}{ww}{wwww}", "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {wwww}{ww}{w}{wwww}",
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {wwww}{wwww}{ww}{wwww}", "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {wwww}{ww}{w}{wwww}",
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {wwww}{wwww}{ww}{wwww}", "mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 {wwww}{ww}{w}{wwww}")]
    public void Matrix_products(string shape, string type, int depth)
    {
        // small integers, which every format and every order of summation holds exactly
        var random = new Random(depth);
        int[,] a = new int[16, depth], b = new int[depth, 8], c = new int[16, 8];
        foreach (var (matrix, rows, columns) in ((int[,], int, int)[])[(a, 16, depth), (b, depth, 8), (c, 16, 8)])
            for (int r = 0; r < rows; r++)
                for (int k = 0; k < columns; k++) matrix[r, k] = random.Next(-8, 9);
        bool words = type == "tf32";
        uint Bits(int v) => type switch
        {
            "f16" => BitConverter.HalfToUInt16Bits((Half)v), "bf16" => BitConverter.SingleToUInt32Bits(v) >> 16, _ => BitConverter.SingleToUInt32Bits(v),
        };
        int registersOfB = words ? depth / 4 : depth / 8, perLane = 3 * registersOfB + 4;
        var input = new uint[Lanes * perLane];
        // PTX ISA, "Matrix Fragments for mma": group = lane / 4, thread in group = lane % 4
        for (int lane = 0; lane < Lanes; lane++)
        {
            int g = lane / 4, t = lane % 4;
            for (int r = 0; r < 2 * registersOfB; r++)
            {
                int row = g + 8 * (r % 2), k = words ? t + 4 * (r / 2) : 2 * t + 8 * (r / 2);
                input[lane * perLane + r] = words ? Bits(a[row, k]) : Bits(a[row, k]) | Bits(a[row, k + 1]) << 16;
            }
            for (int r = 0; r < registersOfB; r++)
            {
                int k = words ? t + 4 * r : 2 * t + 8 * r;
                input[lane * perLane + 2 * registersOfB + r] = words ? Bits(b[k, g]) : Bits(b[k, g]) | Bits(b[k + 1, g]) << 16;
            }
            for (int r = 0; r < 4; r++)
                input[lane * perLane + 3 * registersOfB + r] = BitConverter.SingleToUInt32Bits(c[g + 8 * (r / 2), 2 * t + r % 2]);
        }
        string Registers(int first, int count) => "{" + string.Join(",", Enumerable.Range(first, count).Select(r => $"%{r}")) + "}";
        string source = $"const unsigned* p = in + l * {perLane}; float d[4] = {{ __uint_as_float(p[{perLane - 4}]), __uint_as_float(p[{perLane - 3}]), __uint_as_float(p[{perLane - 2}]), __uint_as_float(p[{perLane - 1}]) }};"
            + $"asm volatile(\"mma.sync.aligned.{shape}.row.col.f32.{type}.{type}.f32 {{%0,%1,%2,%3}}, {Registers(4, 2 * registersOfB)}, {Registers(4 + 2 * registersOfB, registersOfB)}, {{%0,%1,%2,%3}};\""
            + " : \"+f\"(d[0]), \"+f\"(d[1]), \"+f\"(d[2]), \"+f\"(d[3]) : " + string.Join(", ", Enumerable.Range(0, 3 * registersOfB).Select(r => $"\"r\"(p[{r}])")) + ");"
            + "for (int k = 0; k < 4; k++) out[4 * l + k] = __float_as_uint(d[k]);";
        var output = Run(source, input, 4 * Lanes);
        for (int lane = 0; lane < Lanes; lane++)
            for (int r = 0; r < 4; r++)
            {
                int row = lane / 4 + 8 * (r / 2), column = 2 * (lane % 4) + r % 2;
                int expected = c[row, column] + Enumerable.Range(0, depth).Sum(k => a[row, k] * b[k, column]);
                Assert.Equal(expected, BitConverter.UInt32BitsToSingle(output[4 * lane + r]));
            }
    }

    [Theory]
    [InlineData(1, false), InlineData(2, false), InlineData(4, false), InlineData(1, true), InlineData(2, true), InlineData(4, true)]
    [Proves("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {w}[w]", "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {ww}[w]", "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {wwww}[w]",
        "ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {w}[w]", "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {ww}[w]", "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {wwww}[w]")]
    public void Matrix_loads(int count, bool transposed)
    {
        string registers = string.Join(",", Enumerable.Range(0, count).Select(r => $"%{r}"));
        var output = Run($$"""
            __shared__ __align__(16) unsigned short s[4 * 64];
            for (int k = l; k < 256; k += 32) s[k] = k;
            __syncthreads();
            unsigned r[4] = {0, 0, 0, 0}, address = (unsigned)__cvta_generic_to_shared(s + 8 * (l ^ 5));
            asm volatile("ldmatrix.sync.aligned.m8n8.x{{count}}{{(transposed ? ".trans" : "")}}.shared.b16 {{{registers}}}, [%{{count}}];"
                : {{string.Join(", ", Enumerable.Range(0, count).Select(r => $"\"=r\"(r[{r}])"))}} : "r"(address) : "memory");
            for (int k = 0; k < {{count}}; k++) out[{{count}} * l + k] = r[k];
            """, [0], count * Lanes);
        for (int lane = 0; lane < Lanes; lane++)
            for (int matrix = 0; matrix < count; matrix++)
            {
                int Element(int row, int column) => 8 * ((8 * matrix + row) ^ 5) + column;
                int g = lane / 4, t = 2 * (lane % 4);
                var (low, high) = transposed ? (Element(t, g), Element(t + 1, g)) : (Element(g, t), Element(g, t + 1));
                Assert.Equal((uint)(low | high << 16), output[count * lane + matrix]);
            }
    }

    /// <summary>The bounds that the PTX ISA gives for the approximations, and its special cases.</summary>
    [Fact]
    [Proves("ex2.approx.f32 ww", "ex2.approx.ftz.f32 ww", "lg2.approx.f32 ww", "rcp.approx.f32 ww", "rcp.approx.ftz.f32 ww", "rsqrt.approx.f32 ww", "sqrt.approx.f32 ww",
        "tanh.approx.f32 ww", "sin.approx.f32 ww", "cos.approx.f32 ww", "div.approx.f32 www", "div.full.f32 www")]
    public void Approximations_keep_their_bounds()
    {
        var random = new Random(3);
        var operands = Enumerable.Range(0, 2000).Select(_ => (ulong)BitConverter.SingleToUInt32Bits((float)(random.NextDouble() * 60 - 30))).ToArray();
        using var gpu = new EmulatedGpu();
        (string Opcode, Func<double, double> Of, double Relative, double Absolute)[] functions =
        [
            ("ex2.approx.f32", v => Math.Pow(2, v), Math.Pow(2, -22), 0), ("ex2.approx.ftz.f32", v => Math.Pow(2, v), Math.Pow(2, -22), 0),
            ("lg2.approx.f32", v => Math.Log2(v), 2e-7, Math.Pow(2, -22)), ("rcp.approx.f32", v => 1 / v, Math.Pow(2, -23), 0),
            ("rcp.approx.ftz.f32", v => 1 / v, Math.Pow(2, -23), 0),
            ("rsqrt.approx.f32", v => 1 / Math.Sqrt(v), Math.Pow(2, -22), 0), ("sqrt.approx.f32", Math.Sqrt, Math.Pow(2, -22), 0),
            ("tanh.approx.f32", Math.Tanh, Math.Pow(2, -11), 0), ("sin.approx.f32", Math.Sin, 0, Math.Pow(2, -20)), ("cos.approx.f32", Math.Cos, 0, Math.Pow(2, -20)),
        ];
        foreach (var (opcode, of, relative, absolute) in functions)
        {
            var results = OpcodeBench.Run(gpu, new OpcodeForm(opcode, "ww", _ => 0), [.. operands.Select(o => (ulong[])[o])]);
            for (int i = 0; i < operands.Length; i++)
            {
                double x = BitConverter.UInt32BitsToSingle((uint)operands[i]), expected = of(x), actual = BitConverter.UInt32BitsToSingle((uint)results[i]);
                Assert.True(double.IsNaN(expected) ? double.IsNaN(actual) : Math.Abs(actual - expected) <= relative * Math.Abs(expected) + absolute, $"{opcode} of {x}: {actual}, not {expected}");
            }
        }
        // divisors of 2^-126 to 2^126 are promised 2 units in the last place
        foreach (string opcode in (string[])["div.approx.f32", "div.full.f32"])
        {
            var quotients = OpcodeBench.Run(gpu, new OpcodeForm(opcode, "www", _ => 0), [.. operands.Zip(operands.Reverse(), (a, b) => (ulong[])[a, b])]);
            for (int i = 0; i < operands.Length; i++)
            {
                double expected = (double)BitConverter.UInt32BitsToSingle((uint)operands[i]) / BitConverter.UInt32BitsToSingle((uint)operands[^(i + 1)]);
                Assert.True(Math.Abs(BitConverter.UInt32BitsToSingle((uint)quotients[i]) - expected) <= Math.Pow(2, -22) * Math.Abs(expected), $"{opcode}: quotient {i}");
            }
        }
        OpcodeForm Special(string opcode) => new(opcode, "ww", _ => 0);
        uint One(string opcode, uint operand) => (uint)OpcodeBench.Run(gpu, Special(opcode), [[operand]])[0];
        const uint Infinity = 0x7f800000, NaN = 0x7fffffff, Negative = 0xff800000;
        Assert.Equal([0u, Infinity, NaN, 0x3f800000u, 0u], [One("ex2.approx.f32", Negative), One("ex2.approx.f32", Infinity), One("ex2.approx.f32", NaN), One("ex2.approx.f32", 0), One("ex2.approx.ftz.f32", 0xc3000000)]);
        Assert.Equal([Negative, Infinity, NaN, Infinity, 0u], [One("lg2.approx.f32", 0), One("lg2.approx.f32", Infinity), One("lg2.approx.f32", 0xbf800000), One("rcp.approx.f32", 0), One("rcp.approx.f32", Infinity)]);
        Assert.Equal([Infinity, NaN, 0u], [One("rsqrt.approx.f32", 0), One("rsqrt.approx.f32", 0xbf800000), One("rsqrt.approx.f32", Infinity)]);
    }
}
