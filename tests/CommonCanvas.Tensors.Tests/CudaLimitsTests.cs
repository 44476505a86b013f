using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// Sizes beyond what kernels count: refused before anything is launched, by an error that names the operation and the remedy.
/// The tensors have no memory.
/// </summary>
[Trait("Category", "Kernels")]
public sealed class CudaLimitsTests
{
    const int Side = 1 << 16, Half = Side / 2;

    public CudaLimitsTests() => Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");

    static Tensor At(DType type, params int[] shape) =>
        new(1 << 20, type, shape[0], shape.Length > 1 ? shape[1] : -1, shape.Length > 2 ? shape[2] : -1, shape.Length > 3 ? shape[3] : -1);

    static readonly Tensor tall = At(DType.F16, Side, Half, 8), weight = At(DType.F16, 8, 8), image = At(DType.F16, 1, Side, Half, 8), taps = At(DType.F16, 8, 3, 3, 8);
    static readonly Tensor channels = At(DType.F16, 8), sums = At(DType.F32, 8), ofRows = At(DType.F32, Side, Half), ofGroups = At(DType.F32, 1, 2);

    static readonly Dictionary<string, Action<IOps>> operations = new()
    {
        ["LinearForward"] = ops => ops.LinearForward(tall, weight, default, default, tall),
        ["LinearBackward"] = ops => ops.LinearBackward(tall, weight, tall, default, tall, default, default),
        ["LinearBackwardWeights"] = ops => ops.LinearBackwardWeights([new(tall, tall, At(DType.F32, 8, 8))]),
        ["LinearGegluForward"] = ops => ops.LinearGegluForward(tall, weight, default, tall, At(DType.F16, Side, Half, 4)),
        ["LinearGegluBackward"] = ops => ops.LinearGegluBackward(tall, At(DType.F16, 8, 4), tall, tall),
        ["ConvForward"] = ops => ops.ConvForward(image, taps, default, default, default, new ConvGeometry(3, 2, 1, 1, 1, 1), At(DType.F16, 1, Half, Half / 2, 8)),
        ["ConvBackward"] = ops => ops.ConvBackward(image, taps, At(DType.F16, 1, Half, Half / 2, 8), new ConvGeometry(3, 2, 1, 1, 1, 1), image, default, default, default),
        ["GroupNormForward"] = ops => ops.GroupNormForward(image, channels, channels, 2, 1e-5f, false, image, ofGroups, ofGroups),
        ["GroupNormBackward"] = ops => ops.GroupNormBackward(image, channels, channels, ofGroups, ofGroups, image, 2, false, default, image, default, default),
        ["LayerNormForward"] = ops => ops.LayerNormForward(tall, channels, channels, 1e-5f, tall, ofRows, ofRows),
        ["LayerNormBackward"] = ops => ops.LayerNormBackward(tall, channels, ofRows, ofRows, tall, default, tall, sums, sums),
        ["ConcatForward"] = ops => ops.ConcatForward(tall, tall, At(DType.F16, Side, Half, 16)),
        ["ConcatBackward"] = ops => ops.ConcatBackward(At(DType.F16, Side, Half, 16), tall, tall),
        ["GegluForward"] = ops => ops.GegluForward(At(DType.F16, Side, Half, 6), At(DType.F16, Side, Half, 3)),
        ["GegluBackward"] = ops => ops.GegluBackward(At(DType.F16, Side, Half, 6), At(DType.F16, Side, Half, 3), At(DType.F16, Side, Half, 6)),
        ["UpsampleForward"] = ops => ops.UpsampleForward(At(DType.F16, Side, Half, 1, 8), At(DType.F16, Side, Half, 1, 8)),
        ["UpsampleBackward"] = ops => ops.UpsampleBackward(At(DType.F16, Side, Half, 1, 8), At(DType.F16, Side, Half, 1, 8)),
        ["Transpose"] = ops => ops.Transpose(At(DType.F16, Side, Side, Half), At(DType.F16, Side, Half, Side)),
        ["TimestepEmbedding"] = ops => ops.TimestepEmbedding(At(DType.F32, Half), false, 0, At(DType.F16, Half, Side)),
        ["PosteriorForward"] = ops => ops.PosteriorForward(At(DType.F16, 1, Side, Half, 2), default, At(DType.F16, 1, Side, Half, 1), default),
        ["PosteriorBackward"] = ops => ops.PosteriorBackward(At(DType.F16, 1, Side, Half, 2), default, At(DType.F16, 1, Side, Half, 1), 1, At(DType.F16, 1, Side, Half, 2)),
        ["EmbeddingForward"] = ops => ops.EmbeddingForward(At(DType.I32, Side, Half), weight, default, tall),
        ["EmbeddingBackward"] = ops => ops.EmbeddingBackward(At(DType.I32, Side, Half), tall, default, At(DType.F32, Half, 8)),
    };

    public static TheoryData<string> Operations => [.. operations.Keys];

    [Theory, MemberData(nameof(Operations))]
    public void What_kernels_cannot_count_is_refused_by_name(string operation)
    {
        using var lease = GpuDevices.Emulator();
        int live = lease.Ops.Arena.LiveBlocks;
        var error = Assert.Throws<ArgumentException>(() => operations[operation](lease.Ops));
        Assert.StartsWith($"{operation}: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("use a smaller microbatch", error.Message, StringComparison.Ordinal);
        Assert.Equal(live, lease.Ops.Arena.LiveBlocks);
    }

    [Fact]
    public void More_samples_than_a_grid_has_blocks_are_refused_with_the_remedy()
    {
        using var lease = GpuDevices.Emulator();
        Tensor samples = At(DType.F32, Side, 1), weights = At(DType.F32, Side);
        var error = Assert.Throws<CudaException>(() => lease.Ops.MseBackward(samples, samples, weights, 1, samples));
        Assert.Contains("MseBackward<<<(1, 65536), 256", error.Message, StringComparison.Ordinal);
        Assert.Contains("use a smaller microbatch", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Nothing is written anywhere, so no memory is taken.</summary>
    [Fact]
    public unsafe void An_upload_may_be_larger_than_a_span_of_bytes()
    {
        const int Count = int.MaxValue / sizeof(float) + 1;
        using var ops = CudaOps.Open(EmulatedDriver.Create(new EmulatedDeviceOptions { Counted = true, SampledBlocks = 1, MemoryBytes = 4L << 30 }), ptxOnly: true);
        void* zeros = NativeMemory.AllocZeroed(Count, sizeof(float));
        try
        {
            ops.Upload(new ReadOnlySpan<float>(zeros, Count), ops.Arena.Rent(DType.F32, Count));
            ops.Synchronize();
        }
        finally { NativeMemory.Free(zeros); }
    }
}
