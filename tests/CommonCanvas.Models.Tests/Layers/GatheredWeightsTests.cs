using CommonCanvas.Tensors;

namespace CommonCanvas.Models.Tests;

/// <summary>Gradients of weights that a transformer leaves to its end.</summary>
public sealed class GatheredWeightsTests
{
    const int Batch = 2, Side = 4, Channels = 16, TextTokens = 3, TextWidth = 24;

    /// <summary>A device that asks for them together.</summary>
    sealed class GatheringOps : CpuOps, IOps
    {
        bool IOps.GathersWeights => true;
    }

    /// <summary>The reference computes each as before, so that all bits are the same: nothing that they are computed from was changed meanwhile.</summary>
    [Theory, InlineData(1), InlineData(2)]
    public void A_transformer_gives_the_same_gradients(int layers)
    {
        using IOps plain = new CpuOps(), gathering = new GatheringOps();
        using var timed = new TimedOps(gathering);
        var (expected, expectedInput) = Gradients(plain, layers);
        var (actual, actualInput) = Gradients(timed, layers);
        Assert.Equal(expected, actual);
        Assert.Equal(expectedInput, actualInput);
        Assert.Equal(2, timed.Rows.Single(row => row.Name == nameof(IOps.LinearBackwardWeights)).Calls);
        Assert.True(expected.Count(value => value != 0) > expected.Length / 2);
    }

    [Fact]
    public void Nothing_is_left_to_the_end_where_the_device_does_not_ask_for_it()
    {
        using var ops = new CpuOps();
        var weights = new GatheredWeights(ops);
        using var stretch = weights.Gather();
        Assert.False(weights.TryAdd(default, default, default));
    }

    [Fact]
    public void What_an_exception_left_is_dropped()
    {
        using IOps ops = new GatheringOps();
        var weights = new GatheredWeights(ops);
        Tensor dY = ops.Arena.Rent(DType.F32, 3, 4), dWeight = ops.Arena.Rent(DType.F32, 4, 5);
        dWeight.Span<float>().Fill(7);
        using (weights.Gather()) // left before it is complete, as by an exception
            Assert.True(weights.TryAdd(ops.Arena.Rent(DType.F32, 3, 5), dY, dWeight));
        Assert.Equal(2, ops.Arena.LiveBlocks);
        Assert.All(dWeight.Span<float>().ToArray(), value => Assert.Equal(7, value));
        Assert.False(weights.TryAdd(default, dY, dWeight));
        using var next = weights.Gather();
        next.Complete();
        Assert.Equal(2, ops.Arena.LiveBlocks);
    }

    [Fact]
    public void Stretches_do_not_nest()
    {
        using IOps ops = new GatheringOps();
        var weights = new GatheredWeights(ops);
        using var stretch = weights.Gather();
        Assert.Throws<InvalidOperationException>(() => weights.Gather().Complete());
    }

    // Of two passes, of which the second adds; the input's gradient of the second.
    static (float[] Weights, float[] Input) Gradients(IOps ops, int layers)
    {
        using ParameterSet parameters = new();
        parameters.BeginUnit("transformer");
        var transformer = new SpatialTransformer(new LayerContext(ops, true), parameters.Root, Channels, TextWidth, heads: 2, groups: 4, layers, linearProjection: true);
        parameters.Allocate(ops, DType.F32, training: true);
        parameters.Initialize(3);
        var random = new Random(4);
        Tensor x = Values(Batch, Side, Side, Channels), text = Values(Batch, TextTokens, TextWidth), dY = Values(Batch, Side, Side, Channels), dText = Values(Batch, TextTokens, TextWidth);
        float[] input = [];
        int before = ops.Arena.LiveBlocks;
        for (int pass = 0; pass < 2; pass++)
        {
            ops.Arena.Release(transformer.Forward(x, text));
            var dX = transformer.Backward(dY, dText);
            input = dX.Span<float>().ToArray();
            ops.Arena.Release(dX);
        }
        Assert.Equal(before, ops.Arena.LiveBlocks);
        foreach (var tensor in (Tensor[])[x, text, dY, dText]) ops.Arena.Release(tensor);
        return (parameters.Gradient.Span<float>().ToArray(), input);

        Tensor Values(params int[] shape)
        {
            var tensor = shape.Length == 3 ? ops.Arena.Rent(DType.F32, shape[0], shape[1], shape[2]) : ops.Arena.Rent(DType.F32, shape[0], shape[1], shape[2], shape[3]);
            foreach (ref float value in tensor.Span<float>()) value = random.NextSingle() * 2 - 1;
            return tensor;
        }
    }
}
