using CommonCanvas.Tensors;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

/// <summary>What a profiler's timeline says of a step.</summary>
[Collection("Nvtx")]
public sealed class UNetRangesTests
{
    [Fact]
    public void A_profile_shows_passes_blocks_and_layers_by_name()
    {
        using var ops = new RangedOps(new CpuOps(), FakeProfiler.Attach()!);
        using var model = new UNet(UNetTests.Mini, ops, DType.F32, training: true);
        model.Parameters.Initialize(1);
        Tensor sample = ops.Arena.Rent(DType.F32, 1, 4, 4, 4), times = ops.Arena.Rent(DType.F32, 1), text = ops.Arena.Rent(DType.F32, 1, 5, 6);
        foreach (var tensor in new[] { sample, times, text }) ops.Fill(1, tensor);
        FakeProfiler.Events.Clear();
        var y = model.Forward(sample, times, text);
        model.Backward(y);
        foreach (var tensor in new[] { sample, times, text, y }) ops.Arena.Release(tensor);
        Assert.Equal(0, FakeProfiler.Open);
        string[] paths = [.. Paths(FakeProfiler.Events)];
        string[] blocks = ["down_blocks.0", "down_blocks.1", "mid_block", "up_blocks.0", "up_blocks.1"];
        Assert.Equal([.. blocks.Select(name => $"forward/{name}"), .. blocks.Reverse().Select(name => $"backward/{name}")], paths.Where(path => blocks.Contains(path.Split('/')[^1])));
        Assert.Contains("forward/conv_in ConvForward", paths);
        Assert.Contains("forward/down_blocks.0/down_blocks.0.resnets.0.conv1 ConvForward", paths);
        Assert.Contains("backward/mid_block/mid_block.attentions.0.norm GroupNormBackward", paths);
        Assert.Contains("backward/up_blocks.1/up_blocks.1.resnets.0.conv1 ConvBackward", paths);
        Assert.Contains("backward/time_embedding.linear_1 LinearBackward", paths);
    }

    // Each range with those around it.
    static IEnumerable<string> Paths(IEnumerable<string> events)
    {
        var open = new Stack<string>();
        foreach (string name in events)
        {
            if (name == "/")
            {
                open.Pop();
                continue;
            }
            open.Push(name);
            yield return string.Join('/', open.Reverse());
        }
    }
}
