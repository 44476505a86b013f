using CommonCanvas.Emulator.Roofline;

namespace CommonCanvas.Emulator.Tests.Roofline;

public class RooflineTests
{
    static readonly GpuLimits A100 = GpuLimits.Find("a100");

    /// <summary>Values of NVIDIA's occupancy calculator.</summary>
    [Theory]
    [InlineData("a100", 256, 32, 0, 8, "warps")]
    [InlineData("a100", 256, 128, 0, 2, "registers")]
    [InlineData("a100", 128, 168, 0, 3, "registers")]
    [InlineData("a100", 128, 255, 0, 2, "registers")]
    [InlineData("a100", 256, 40, 48 << 10, 3, "shared memory")]
    [InlineData("a100", 128, 40, 163 << 10, 1, "shared memory")]
    [InlineData("a100", 32, 16, 0, 32, "blocks")]
    [InlineData("a100", 1024, 65, 0, 0, "registers")]
    [InlineData("h100", 384, 168, 200 << 10, 1, "registers")]
    [InlineData("rtx4090", 256, 32, 0, 6, "warps")]
    [InlineData("rtx4090", 128, 32, 48 << 10, 2, "shared memory")]
    public void Occupancy_is_the_calculators(string gpu, int threads, int registers, int shared, int blocks, string limit) =>
        Assert.Equal((blocks, limit), (Occupancy.Of(GpuLimits.Find(gpu), threads, registers, shared).Blocks, Occupancy.Of(GpuLimits.Find(gpu), threads, registers, shared).Limit));

    /// <summary>TFLOP/s of the data sheets.</summary>
    [Theory]
    [InlineData("a100", 312, 19.5)]
    [InlineData("a6000", 154.8, 38.7)]
    [InlineData("l40s", 366, 91.6)]
    [InlineData("rtx4090", 165, 82.6)]
    public void Peaks_are_the_data_sheets(string gpu, double tensor, double fp32)
    {
        Assert.Equal(tensor, GpuLimits.Find(gpu).TensorTeraflops, tensor * 0.01);
        Assert.Equal(fp32, GpuLimits.Find(gpu).Fp32Teraflops, fp32 * 0.01);
    }

    [Fact]
    public void A_copy_takes_its_bytes_at_the_memorys_rate()
    {
        var copy = Work(blocks: 864) with { DramTraffic = 2e9, L2Traffic = 2e9, Instructions = 1e7 };
        var prediction = RooflineModel.Predict(copy, A100);
        Assert.Equal(Bound.Dram, prediction.Bound);
        Assert.Equal(2e9 / (2039e9 * 0.88) + 2e-6, prediction.Seconds, 1e-9);
    }

    /// <summary>109 blocks on 108 SMs take as long as 216.</summary>
    [Fact]
    public void One_block_too_many_costs_a_round()
    {
        KernelWork Product(int blocks) => Work(blocks) with { MatrixFlops = blocks * 1e9 };
        double full = RooflineModel.Predict(Product(108), A100).Seconds, over = RooflineModel.Predict(Product(109), A100).Seconds;
        Assert.Equal(over, RooflineModel.Predict(Product(216), A100).Seconds, 1e-9);
        Assert.Equal(2, (over - 2e-6) / (full - 2e-6), 1e-6);
    }

    [Fact]
    public void The_longest_part_bounds()
    {
        var work = Work(blocks: 1080);
        Assert.Equal(Bound.Launch, RooflineModel.Predict(work, A100).Bound);
        Assert.Equal(Bound.Special, RooflineModel.Predict(work with { Special = 1e9, Instructions = 2e9 }, A100).Bound);
        Assert.Equal(Bound.Issue, RooflineModel.Predict(work with { Special = 1e7, Instructions = 2e9 }, A100).Bound);
        Assert.Equal(Bound.Shared, RooflineModel.Predict(work with { SharedTraffic = 1e12, Instructions = 2e9 }, A100).Bound);
        Assert.Equal(Bound.Arithmetic, RooflineModel.Predict(work with { Arithmetic = 2e9, Instructions = 2e9 }, A100).Bound);
        Assert.Equal(Bound.L2, RooflineModel.Predict(work with { L2Traffic = 1e12, DramTraffic = 1e9 }, A100).Bound);
    }

    [Fact]
    public void A_kernel_that_does_not_fit_and_an_unknown_GPU_are_refused()
    {
        Assert.Contains("shared memory", Assert.Throws<ArgumentException>(() => RooflineModel.Predict(Work(1) with { SharedBytes = 200 << 10 }, A100)).Message);
        Assert.Contains("a100, h100, a6000, l40s, rtx4090", Assert.Throws<ArgumentException>(() => GpuLimits.Find("gtx")).Message);
    }

    static KernelWork Work(long blocks) => new() { Name = "k", Blocks = blocks, Threads = 256, Registers = 40, SharedBytes = 0 };
}
