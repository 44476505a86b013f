using CommonCanvas.Tensors;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

/// <summary>The U-Net without reference files: slope, sizes, memory, operations, folders.</summary>
public sealed class UNetTests
{
    /// <summary>As small as a U-Net with every kind of block can be.</summary>
    internal static UNetConfig Mini { get; } = new()
    {
        SampleSize = 8, BlockOutChannels = [8, 16], DownAttention = [true, false], UpAttention = [false, true],
        LayersPerBlock = 1, Heads = [2, 4], CrossAttentionDim = 6, NormGroups = 4,
    };

    [Theory]
    [InlineData(4, 6, true, 1)]
    [InlineData(5, 3, false, 0)]
    public void BackwardIsTheSlopeOfForward(int height, int width, bool linear, int padding)
    {
        using var ops = new CpuOps();
        using var model = new UNet(Mini with { UseLinearProjection = linear, DownsamplePadding = padding, TransformerLayers = 2 }, ops, DType.F32, training: true);
        model.Parameters.Initialize(3);
        var run = new Step(ops, model, height, width, 3);
        run.Backward();
        Slope.Check(ops, model.Parameters, run.Loss, (run.Sample, run.DSample), (run.Text, run.DText));
    }

    public static TheoryData<string, DType> Devices => [.. Device.Cpus.SelectMany(name => new[] { (name, DType.F32), (name, DType.F16), (name, DType.BF16) })];

    [Theory]
    [MemberData(nameof(Devices))]
    public void WarmStepAllocatesNothing(string device, DType type)
    {
        using var lease = Device.Open(device);
        var ops = lease.Ops;
        using var model = new UNet(Mini, ops, type, training: true);
        model.Parameters.Initialize(1);
        int live = ops.Arena.LiveBlocks;
        using (var run = new Step(ops, model, 6, 4, 5))
        {
            int own = ops.Arena.LiveBlocks;
            run.Once();
            run.Once();
            Assert.Equal(own, ops.Arena.LiveBlocks);
            long blocks = ops.Arena.DeviceAllocations, bytes = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 3; i++) run.Once();
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - bytes, 0, 1024);
            Assert.Equal(blocks, ops.Arena.DeviceAllocations);
            Assert.Equal(own, ops.Arena.LiveBlocks);
        }
        Assert.Equal(live, ops.Arena.LiveBlocks);
    }

    [Fact]
    public void ForwardAloneKeepsNothing()
    {
        using var ops = new CpuOps();
        using var model = new UNet(Mini, ops, DType.F32, training: true);
        model.Parameters.Initialize(1);
        using var run = new Step(ops, model, 4, 4, 2);
        int own = ops.Arena.LiveBlocks;
        model.Training = false;
        run.Loss();
        Assert.Equal(own, ops.Arena.LiveBlocks);

        // A Forward without its Backward: the next step releases what it kept.
        model.Training = true;
        run.Loss();
        run.Once();
        Assert.Equal(own, ops.Arena.LiveBlocks);

        using var inference = new UNet(Mini, ops, DType.F16, training: false);
        Assert.Throws<InvalidOperationException>(() => inference.Training = true);
    }

    [Fact]
    public void CountsTheOperationsOfStableDiffusion2()
    {
        // The numbers of the paper's model: 865.9 M parameters; forward 181 GFLOP at 256 pixels and 804 at 512.
        using var ops = new CpuOps();
        using var model = new UNet(Mini, ops, DType.F32, training: false);
        Assert.InRange(UNet.ForwardFlops(UNetConfig.Sd2, 1, 32, 32, 77) / 1e9, 180, 182);
        Assert.InRange(UNet.ForwardFlops(UNetConfig.Sd2, 1, 64, 64, 77) / 1e9, 803, 805);
        Assert.Equal(3 * model.ForwardFlops(1, 8, 6, 5), model.ForwardFlops(3, 8, 6, 5));
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    public void SavesAndLoads(DType stored)
    {
        using var ops = new CpuOps();
        using var folder = new TempFolder();
        using var model = new UNet(Mini, ops, DType.F32, training: true);
        model.Parameters.Initialize(5);
        model.SaveFolder(folder["unet"], stored);
        using var again = UNet.FromFolder(folder["unet"], ops, DType.F32, training: false);
        Assert.Equal(model.Config, again.Config);
        foreach (var parameter in model.Parameters.All)
            Assert.Equal(model.Parameters.ToFile(parameter, model.Parameters.Master).Select(v => Rounding.Round(v, stored)),
                again.Parameters.ToFile(again.Parameters[parameter.Name], again.Parameters.Master));

        // What was loaded saves to the same bytes.
        again.SaveFolder(folder["again"], stored);
        Assert.Equal(File.ReadAllBytes(Path.Combine(folder["unet"], "diffusion_pytorch_model.safetensors")), File.ReadAllBytes(Path.Combine(folder["again"], "diffusion_pytorch_model.safetensors")));
    }

    /// <summary>Inputs, a mean squared error, and the step over them; owns its tensors.</summary>
    sealed class Step : IDisposable
    {
        readonly IOps ops;
        readonly UNet model;
        readonly Tensor times, target, weight, losses;

        public Step(IOps ops, UNet model, int height, int width, int tokens)
        {
            const int Batch = 2;
            (this.ops, this.model) = (ops, model);
            var type = model.Parameters.Type;
            Sample = Slope.Random(ops, type, 1, Batch, height, width, model.Config.InChannels);
            Text = Slope.Random(ops, type, 2, Batch, tokens, model.Config.CrossAttentionDim);
            target = Slope.Random(ops, type, 3, Batch, height, width, model.Config.OutChannels);
            times = Device.Upload(ops, [17, 801], [Batch]);
            weight = Device.Upload(ops, [1, 1], [Batch]);
            losses = ops.Arena.RentLike(weight);
        }

        public Tensor Sample { get; }
        public Tensor Text { get; }
        public Tensor DSample { get; private set; }
        public Tensor DText { get; private set; }

        public double Loss()
        {
            var y = model.Forward(Sample, times, Text);
            ops.MseForward(y, target, weight, losses);
            ops.Arena.Release(y);
            var values = losses.Span<float>();
            return (values[0] + values[1]) / 2.0;
        }

        public void Backward() => (DSample, DText) = Run(need: true);

        public void Once() => Run(need: false);

        (Tensor, Tensor) Run(bool need)
        {
            var y = model.Forward(Sample, times, Text);
            var dY = ops.Arena.RentLike(y);
            ops.MseBackward(y, target, weight, 0.5f, dY);
            (Tensor, Tensor) result = default;
            model.Parameters.ReceiveGradients(accumulate: false, () => result = model.Backward(dY, null, need, need));
            ops.Arena.Release(y);
            ops.Arena.Release(dY);
            return result;
        }

        public void Dispose()
        {
            foreach (var tensor in (ReadOnlySpan<Tensor>)[Sample, Text, target, times, weight, losses, DSample, DText]) ops.Arena.Release(tensor);
        }
    }
}
