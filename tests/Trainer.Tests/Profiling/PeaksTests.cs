using System.Diagnostics;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Profiling;

namespace CommonCanvas.Trainer.Tests.Profiling;

public sealed class PeaksTests
{
    /// <summary>A rate is what was done by how long it took at best, so the clock around all of it gives a floor; memory goes back.</summary>
    [Theory, InlineData(DType.F32), InlineData(DType.F16)]
    public void A_device_is_measured_by_a_product_and_a_sum(DType type)
    {
        const int Side = 96, Elements = 1 << 16, Launches = 20;
        using var device = OpsFactory.Create("cpu", 1);
        long start = Stopwatch.GetTimestamp();
        var peaks = Peaks.Measure(device, type, Side, Elements);
        double all = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Assert.True(peaks.Gigaflops > 2e-9 * Side * Side * Side * Launches / all);
        Assert.True(peaks.Gigabytes > 1e-9 * 12 * Elements * Launches / all);
        Assert.Equal($"{(type == DType.F32 ? "f32" : "f16")} in a product of 96 x 96 matrices", peaks.Arithmetic);
        Assert.Equal(0, device.Arena.LiveBlocks);
    }
}
