using CommonCanvas.Tensors;

namespace CommonCanvas.Models.Tests;

/// <summary>CLIP's text encoder against transformers: last and penultimate hidden state, pooled output.</summary>
[Trait("Category", "Golden")]
public sealed class ClipTextGoldenTests
{
    public static TheoryData<string, string, DType> Cases => Device.Cases("clip-text*", "case*.safetensors");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Agrees(string path, string device, DType type)
    {
        using var lease = Device.Open(device);
        var ops = lease.Ops;
        using var golden = new GoldenCase(Device.PathOf(path), ops, type);
        using var model = ClipTextModel.FromFolder(Path.Combine(Path.GetDirectoryName(Device.PathOf(path))!, "model"), ops, type);
        int live = ops.Arena.LiveBlocks;
        int[] shape = golden.Shape("input_ids");
        var ids = ops.Arena.Rent(DType.I32, shape[0], shape[1]);
        ops.Upload<int>([.. golden.Integers("input_ids").Select(id => (int)id)], ids);

        var output = model.Forward(ids);
        golden.Compare("last_hidden_state", output.LastHiddenState);
        golden.Compare("penultimate", output.Penultimate);
        golden.Compare("pooler_output", output.Pooled);

        foreach (var tensor in new[] { ids, output.LastHiddenState, output.Penultimate, output.Pooled }) ops.Arena.Release(tensor);
        Assert.Equal(live, ops.Arena.LiveBlocks);
        golden.Finish();
    }
}
