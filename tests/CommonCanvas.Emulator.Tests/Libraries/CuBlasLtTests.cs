using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Libraries;

namespace CommonCanvas.Emulator.Tests.Libraries;

/// <summary>cuBLASLt's call sites on the emulated library: all transposes, types and epilogues, and what is refused.</summary>
public sealed class CuBlasLtTests : IDisposable
{
    const int M = 5, N = 7, K = 11;
    readonly EmulatedGpu gpu = new();
    readonly CuBlasLt library;

    public CuBlasLtTests() => library = new CuBlasLt(gpu.Device, EmulatedCuBlasLt.Table, "emulated");

    public void Dispose()
    {
        library.Dispose();
        gpu.Dispose();
    }

    static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(-8, 9) / 8f)];
    }

    nint Upload(float[] values, CudaType type) => type switch
    {
        CudaType.F32 => gpu.Upload<float>(values),
        CudaType.F16 => gpu.Upload<Half>([.. values.Select(value => (Half)value)]),
        _ => gpu.Upload<ushort>([.. values.Select(value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16))]), // exact for these values
    };

    float[] Download(nint address, int count, CudaType type) => type switch
    {
        CudaType.F32 => gpu.Download<float>(address, count),
        CudaType.F16 => [.. gpu.Download<Half>(address, count).Select(value => (float)value)],
        _ => [.. gpu.Download<ushort>(address, count).Select(bits => BitConverter.UInt32BitsToSingle((uint)bits << 16))],
    };

    [Theory]
    [InlineData(false, false, CudaType.F32, CudaType.F32, false, 0f)]
    [InlineData(true, false, CudaType.F32, CudaType.F32, true, 1f)]
    [InlineData(false, true, CudaType.F16, CudaType.F32, false, 1f)]
    [InlineData(true, true, CudaType.F16, CudaType.F16, true, 0f)]
    [InlineData(true, false, CudaType.BF16, CudaType.BF16, true, 1f)]
    [InlineData(false, false, CudaType.BF16, CudaType.F32, false, 0.5f)]
    public void A_product_is_what_the_definition_says(bool transposeA, bool transposeB, CudaType operands, CudaType result, bool bias, float beta)
    {
        float[] a = Numbers(M * K, 1), b = Numbers(K * N, 2), c = Numbers(M * N, 3), offsets = Numbers(M, 4);
        nint onA = Upload(a, operands), onB = Upload(b, operands), onC = Upload(c, result), onBias = Upload(offsets, result), onD = gpu.Allocate(M * N * sizeof(float));
        using var product = new CuBlasLtProduct(library, new GemmShape(transposeA, transposeB, M, N, K, operands, result, bias, Alignment: 16));
        var proposals = product.Propose(8, 1 << 20);
        Assert.Equal(2, proposals.Length);
        foreach (var proposal in proposals)
        {
            nint workspace = gpu.Allocate(Math.Max(16, (long)proposal.WorkspaceBytes));
            product.Run(gpu.Stream, proposal.Algorithm, onA, onB, onC, onD, onBias, beta, workspace, (long)proposal.WorkspaceBytes);
            float[] d = Download(onD, M * N, result);
            for (int column = 0; column < N; column++)
                for (int row = 0; row < M; row++)
                {
                    float sum = beta * c[column * M + row] + (bias ? offsets[row] : 0);
                    for (int k = 0; k < K; k++) sum += a[transposeA ? row * K + k : k * M + row] * b[transposeB ? k * N + column : column * K + k];
                    // all sums are exact in fp32, and the results have few enough bits for fp16; bf16 rounds once
                    float expected = result == CudaType.BF16 ? RoundToBFloat16(sum) : sum;
                    Assert.Equal(expected, d[column * M + row]);
                }
        }
    }

    static float RoundToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }

    [Fact]
    public void A_product_waits_its_turn_in_the_stream()
    {
        nint a = gpu.Upload<float>([2]), b = gpu.Upload<float>([3]), d = gpu.Allocate(256);
        using var product = new CuBlasLtProduct(library, new GemmShape(false, false, 1, 1, 1, CudaType.F32, CudaType.F32, Bias: false, 16));
        var algorithm = product.Propose(1, 0).Single().Algorithm;
        gpu.Stream.Fill32(d, 0, 1);
        product.Run(gpu.Stream, algorithm, a, b, d, d, 0, beta: 1, 0, 0);
        gpu.Stream.Fill32(a, BitConverter.SingleToUInt32Bits(10), 1);
        product.Run(gpu.Stream, algorithm, a, b, d, d, 0, beta: 1, 0, 0);
        Assert.False(gpu.Stream.IsIdle);
        Assert.Equal(36, gpu.Download<float>(d, 1)[0]);
    }

    [Fact]
    public void A_refusal_names_the_call_the_code_and_the_shape()
    {
        nint memory = gpu.Allocate(4096);
        var shape = new GemmShape(true, false, M, N, K, CudaType.F16, CudaType.F16, Bias: false, 16);
        using var product = new CuBlasLtProduct(library, shape);
        var split = product.Propose(8, 1 << 20).Single(proposal => proposal.WorkspaceBytes > 0);

        var small = Assert.Throws<LibraryCallException>(() => product.Run(gpu.Stream, split.Algorithm, memory, memory, memory, memory, 0, 0, memory, 16));
        Assert.Equal($"cuBLASLt 12.0.0: cublasLtMatmul failed: InvalidValue (7); {shape}, 16 bytes of workspace", small.Message);
        Assert.Contains("16 bytes", EmulatedLibraries.TakeRefusal());

        var misaligned = Assert.Throws<LibraryCallException>(() => product.Run(gpu.Stream, split.Algorithm, memory + 2, memory, memory, memory, 0, 0, memory, 4096));
        Assert.Contains("InvalidValue", misaligned.Status);
        Assert.Contains("multiple of 16", EmulatedLibraries.TakeRefusal());

        Assert.Throws<LibraryCallException>(() => product.Run(gpu.Stream, default, memory, memory, memory, memory, 0, 0, memory, 4096));
        Assert.Throws<LibraryCallException>(() => product.Run(gpu.Stream, split.Algorithm, 16, memory, memory, memory, 0, 0, memory, 4096));
        Assert.Throws<LibraryCallException>(() => new CuBlasLtProduct(library, shape with { M = 0 }));
    }

    [Fact]
    public void Without_workspace_only_what_needs_none_is_proposed()
    {
        using var product = new CuBlasLtProduct(library, new GemmShape(false, false, M, N, K, CudaType.F16, CudaType.F32, Bias: false, 2));
        Assert.Equal(0, (long)product.Propose(8, 0).Single().WorkspaceBytes);
        using var mixed = new CuBlasLtProduct(library, new GemmShape(false, false, M, N, K, CudaType.F32, CudaType.F16, Bias: false, 2));
        Assert.Throws<LibraryCallException>(() => mixed.Run(gpu.Stream, default, 0, 0, 0, 0, 0, 0, 0, 0));
        Assert.Empty(mixed.Propose(8, 0));
    }
}
