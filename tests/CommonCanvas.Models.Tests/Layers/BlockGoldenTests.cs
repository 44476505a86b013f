using System.Text.Json;
using CommonCanvas.Tensors;

namespace CommonCanvas.Models.Tests;

/// <summary>The parts of the U-Net and the autoencoder alone, against PyTorch: output and all gradients.</summary>
[Trait("Category", "Golden")]
public sealed class BlockGoldenTests
{
    public static TheoryData<string, string, DType> Cases => Device.Cases("blocks", "*.safetensors");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Agrees(string path, string device, DType type)
    {
        using var lease = Device.Open(device);
        var ops = lease.Ops;
        using var golden = new GoldenCase(Device.PathOf(path), ops, type);
        using var json = JsonDocument.Parse(File.ReadAllText(Path.ChangeExtension(Device.PathOf(path), ".json")));
        using var block = new Block(json.RootElement, golden);
        golden.SetWeights(block.Parameters);
        int live = ops.Arena.LiveBlocks;

        var x = golden.Upload("input0");
        var other = golden.Has("input1") ? golden.Upload("input1") : Tensor.None;
        var y = block.Forward(x, other);
        golden.Compare("output", y);
        var dY = golden.Upload("grad_output", golden.LossScale);
        var (dX, dOther) = block.Backward(dY);
        golden.Compare("grad_input0", dX, golden.LossScale);
        if (!dOther.IsNone) golden.Compare("grad_input1", dOther, golden.LossScale);
        golden.CompareGradients(block.Parameters);

        foreach (var tensor in new[] { x, other, y, dY, dX, dOther }) ops.Arena.Release(tensor);
        Assert.Equal(live, ops.Arena.LiveBlocks);
        golden.Finish();
    }

    /// <summary>The layer that a case's kind names, with its parameters.</summary>
    sealed class Block : IDisposable
    {
        readonly IOps ops;
        readonly ResBlock? resBlock;
        readonly SpatialTransformer? transformer;
        readonly Downsample? downsample;
        readonly Upsample? upsample;
        Tensor time, activatedTime;

        public Block(JsonElement settings, GoldenCase golden)
        {
            ops = golden.Ops;
            var context = new LayerContext(ops, true);
            var root = Parameters.Root;
            Parameters.BeginUnit("block");
            int channels = golden.Shape("input0")[1];
            switch (settings.GetProperty("kind").GetString())
            {
                case "resblock":
                    resBlock = new(context, root, channels, golden.Shape("output")[1], golden.Shape("input1")[1],
                        settings.GetProperty("groups").GetInt32(), settings.GetProperty("eps").GetSingle());
                    break;
                case "transformer":
                    int layers = golden.Names.Count(n => n.StartsWith("weight.transformer_blocks.", StringComparison.Ordinal) && n.EndsWith(".norm1.weight", StringComparison.Ordinal));
                    transformer = new(context, root, channels, golden.Shape("input1")[2], settings.GetProperty("heads").GetInt32(),
                        settings.GetProperty("groups").GetInt32(), layers, settings.GetProperty("linear_projection").GetBoolean());
                    break;
                case "downsample":
                    downsample = new(context, root, channels, settings.GetProperty("padding").GetInt32());
                    break;
                case "upsample":
                    upsample = new(context, root, channels);
                    break;
                case var kind: throw new NotSupportedException($"blocks of kind '{kind}'");
            }
            Parameters.Allocate(ops, golden.Type, training: true);
        }

        public ParameterSet Parameters { get; } = new();

        public Tensor Forward(Tensor x, Tensor other)
        {
            if (transformer is not null)
            {
                time = other;
                return transformer.Forward(x, other);
            }
            if (downsample is not null) return downsample.Forward(x);
            if (upsample is not null) return upsample.Forward(x);
            // The block takes SiLU of the time embedding, which the U-Net computes once for all.
            time = other;
            activatedTime = ops.Arena.RentLike(other);
            ops.ActivationForward(other, Activation.Silu, activatedTime);
            return resBlock!.Forward(x, activatedTime);
        }

        public (Tensor X, Tensor Other) Backward(Tensor dY)
        {
            if (downsample is not null) return (downsample.Backward(dY), default);
            if (upsample is not null) return (upsample.Backward(dY), default);
            var dOther = ops.Arena.RentLike(time);
            ops.Fill(0, dOther);
            if (transformer is not null) return (transformer.Backward(dY, dOther), dOther);
            var dX = resBlock!.Backward(dY, dOther);
            ops.ActivationBackward(time, Activation.Silu, dOther, dOther);
            ops.Arena.Release(activatedTime);
            return (dX, dOther);
        }

        public void Dispose() => Parameters.Dispose();
    }
}
