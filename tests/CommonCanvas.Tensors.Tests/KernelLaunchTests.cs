using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// The launching side and the kernel files say the same: a block has the threads and the shared memory of the file's NEEDS line.
/// Of each launch two blocks are run; values do not matter.
/// </summary>
[Trait("Category", "Kernels")]
public sealed class KernelLaunchTests : IDisposable
{
    static readonly Lazy<Dictionary<string, KernelNeeds>> needs = new(() =>
        KernelSources.Files.SelectMany(file => KernelHead.Of(file).Kernels).ToDictionary(kernel => kernel.Key, kernel => kernel.Value, StringComparer.Ordinal));

    readonly CudaOps ops;
    readonly HashSet<string> launched = new(StringComparer.Ordinal);

    public KernelLaunchTests()
    {
        Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");
        ops = CudaOps.Open(EmulatedDriver.Create(new EmulatedDeviceOptions
        {
            Counted = true, SampledBlocks = 2, Threads = 2, MemoryBytes = 256L << 20, SharedMemoryPerBlock = 163 << 10, SharedMemoryPerMultiprocessor = 164 << 10,
        }), ptxOnly: true);
    }

    public void Dispose() => ops?.Dispose();

    [Theory, InlineData(DType.F32), InlineData(DType.F16)]
    public void Products_launch_what_their_files_need(DType type)
    {
        for (int tile = 0; tile < 5; tile++)
            foreach (int channels in new[] { 32, 33 })
            {
                ops.FixedPlan = (tile, 2);
                Tensor x = Rent(type, 64, channels), weight = Rent(type, channels, channels), dWeight = Rent(DType.F32, channels, channels), dBias = Rent(DType.F32, channels);
                ops.LinearForward(x, weight, default, default, x);
                ops.LinearBackward(x, weight, x, default, x, dWeight, dBias);
                Tensor image = Rent(type, 1, 8, 8, channels), taps = Rent(type, channels, 3, 3, channels), dTaps = Rent(DType.F32, channels, 3, 3, channels);
                ops.ConvForward(image, taps, default, default, default, ConvGeometry.Same3, image);
                ops.ConvBackward(image, taps, image, ConvGeometry.Same3, image, dTaps, dBias, default);
                LaunchesFit();
            }
        foreach (string file in new[] { "linear.cu", "conv.cu" })
            AllLaunched(file, kernel => type == DType.F16 ? kernel.Matrix : kernel.Name.Contains("Simt", StringComparison.Ordinal));
    }

    [Theory, InlineData(DType.F32), InlineData(DType.F16)]
    public void Attention_launches_what_its_files_need(DType type)
    {
        foreach (int size in new[] { 32, 48, 64, 80, 96, 128, 160, 192, 512 })
        {
            Tensor x = Rent(type, 1, 8, size), logSumExp = Rent(DType.F32, 1, 1, 8);
            ops.AttentionForward(x, x, x, 1, false, x, logSumExp);
            ops.AttentionBackward(x, x, x, x, logSumExp, x, 1, false, x, x, x);
            LaunchesFit();
        }
        string[] files = type == DType.F16 ? ["attention_forward.cu", "attention_backward.cu", "attention_delta.cu"] : ["attention_simt.cu", "attention_delta.cu"];
        foreach (string file in files) AllLaunched(file, _ => true);
    }

    [Theory, InlineData(DType.F32), InlineData(DType.F16)]
    public void Norms_launch_what_their_files_need(DType type)
    {
        foreach (int channels in new[] { 64, 36 })
        {
            Tensor x = Rent(type, 1, 4, 4, channels), gamma = Rent(type, channels), dGamma = Rent(DType.F32, channels), dBeta = Rent(DType.F32, channels);
            Tensor mean = Rent(DType.F32, 1, 4), rstd = Rent(DType.F32, 1, 4);
            ops.GroupNormForward(x, gamma, gamma, 4, 1e-5f, true, x, mean, rstd);
            ops.GroupNormBackward(x, gamma, gamma, mean, rstd, x, 4, true, default, x, dGamma, dBeta);
            LaunchesFit();
        }
        foreach (int channels in new[] { 35, 320, 640, 1280 })
        {
            const int Rows = 33;
            Tensor x = Rent(type, Rows, channels), gamma = Rent(type, channels), dGamma = Rent(DType.F32, channels), mean = Rent(DType.F32, Rows), rstd = Rent(DType.F32, Rows);
            ops.LayerNormForward(x, gamma, gamma, 1e-5f, x, mean, rstd);
            ops.LayerNormBackward(x, gamma, mean, rstd, x, default, x, dGamma, default);
            LaunchesFit();
        }
        foreach (string file in new[] { "groupnorm.cu", "groupnorm_backward.cu", "layernorm.cu" }) AllLaunched(file, _ => true);
    }

    // NEEDS is of the storage type that takes most: static shared memory may be less for the others, dynamic shared memory may not.
    void LaunchesFit()
    {
        ops.Synchronize();
        foreach (var launch in EmulatedDriver.TakeCounts().Where(launch => needs.Value.ContainsKey(launch.Kernel)))
        {
            var need = needs.Value[launch.Kernel];
            launched.Add(launch.Kernel);
            Assert.True(launch.Block.Count == need.Threads, $"{launch.Kernel} is launched with {launch.Block.Count} threads, NEEDS says {need.Threads}");
            Assert.True(need.Matrix ? launch.SharedBytes == need.SharedBytes : launch.SharedBytes <= need.SharedBytes,
                $"{launch.Kernel} is launched with {launch.SharedBytes} bytes of shared memory, NEEDS says {need.SharedBytes}");
        }
    }

    void AllLaunched(string file, Func<KernelNeeds, bool> expected) =>
        Assert.Empty(KernelHead.Of(file).Kernels.Values.Where(expected).Select(kernel => kernel.Name).Except(launched));

    Tensor Rent(DType type, params int[] shape)
    {
        var tensor = ops.Arena.Rent(type, shape[0], shape.Length > 1 ? shape[1] : -1, shape.Length > 2 ? shape[2] : -1, shape.Length > 3 ? shape[3] : -1);
        ops.Fill(0.5f, tensor);
        return tensor;
    }
}
