using System.Reflection;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>
/// Every form of instruction in the PTX of our kernels has an oracle. Compiles for compute capability 8.0;
/// <c>COMMONCANVAS_ALL_ARCHITECTURES=1</c> adds the others from 7.0 to 9.0.
/// </summary>
[Trait("Category", "Kernels")]
public class KernelFormsTests
{
    static readonly string[] Proven =
    [
        .. IntegerOpcodeTests.Forms.Concat(FloatOpcodeTests.Forms).Concat(DoubleOpcodeTests.Forms).Concat(HalfOpcodeTests.Forms).Concat(ConversionOpcodeTests.Forms).Concat(SelectionOpcodeTests.Forms).Select(form => form.Name),
        .. MemoryOpcodeTests.Proven, .. AtomicOpcodeTests.Proven, .. CopyOpcodeTests.Proven, .. MatrixOpcodeTests.Proven, .. ControlOpcodeTests.Proven,
        .. typeof(KernelFormsTests).Assembly.GetTypes().SelectMany(type => type.GetMethods()).SelectMany(method => method.GetCustomAttribute<ProvesAttribute>()?.Forms ?? []),
    ];

    public static TheoryData<int> Architectures => Environment.GetEnvironmentVariable("COMMONCANVAS_ALL_ARCHITECTURES") == "1" ? [70, 75, 80, 86, 89, 90] : [80];

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Every_form_in_our_kernels_has_an_oracle(int architecture)
    {
        var compiler = EmulatedGpu.Compiler;
        Assert.SkipWhen(!compiler.Architectures.Contains(architecture), $"NVRTC {compiler.Version} does not compile for sm_{architecture}");
        var cache = new KernelCache(compiler, KernelCache.DefaultFolder);
        var used = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string file in KernelSources.Files)
            foreach (string storage in (string[])["F32", "F16", "BF16"])
            {
                var program = cache.Get(KernelSources.Read(file), file, KernelSources.Headers, KernelLibrary.Options($"compute_{architecture}", $"STORAGE_{storage}"));
                foreach (var kernel in PtxParser.Parse(program.Ptx).Kernels.Values)
                    foreach (var instruction in kernel.Instructions)
                        used.TryAdd(OpcodeForms.Of(instruction), $"{file}, {storage}, {kernel.Name}, PTX line {instruction.PtxLine}: {instruction}");
            }
        Assert.True(used.Count > 100, $"only {used.Count} forms: the kernels were not read");
        Assert.Equal("", string.Join('\n', OpcodeForms.Missing(used.Keys, Proven).Select(form => $"{form}, as in {used[form]}")));
    }

    [Fact]
    public void A_form_without_an_oracle_is_named() => Assert.Equal(["add.s16 hww", "add.s32 w#q", "frob.u32 w"],
        OpcodeForms.Missing(["add.s32 www", "add.s32 w#w", "add.s16 hww", "add.s32 w#q", "frob.u32 w"], Proven));
}
