using CommonCanvas.Tensors;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

/// <summary>The text encoder without reference files: folders of both layouts, the pooled place, bad ids.</summary>
public sealed class ClipTextModelTests
{
    static readonly ClipTextConfig mini = new()
    {
        VocabSize = 12, HiddenSize = 8, IntermediateSize = 12, Layers = 2, Heads = 2, MaxPositions = 6, BosTokenId = 10, EosTokenId = 11,
    };

    [Fact]
    public void ReadsBothLayoutsAndToleratesWhatOtherClassesAdd()
    {
        using var ops = new CpuOps();
        using var folder = new TempFolder();
        using var model = new ClipTextModel(mini, ops, DType.F32);
        model.Parameters.Initialize(5);
        model.SaveFolder(folder["old"]);
        using (var written = new SafetensorsFile(Path.Combine(folder["old"], "model.safetensors")))
            Assert.All(written.Names, name => Assert.StartsWith("text_model.", name, StringComparison.Ordinal));

        Directory.CreateDirectory(folder["new"]);
        File.Copy(Path.Combine(folder["old"], "config.json"), Path.Combine(folder["new"], "config.json"));
        SafetensorsWriter.Write(Path.Combine(folder["new"], "model.safetensors"), model.Parameters.All.Select(p =>
                SafetensorsItem.Floats(p.Name["text_model.".Length..], [.. p.FileShape.Select(d => (long)d)], model.Parameters.ToFile(p, model.Parameters.Master)))
            .Append(SafetensorsItem.Integers("embeddings.position_ids", [1, 6], [0, 1, 2, 3, 4, 5]))
            .Append(SafetensorsItem.Floats("text_projection.weight", [1, 1], [1])));
        using var again = ClipTextModel.FromFolder(folder["new"], ops, DType.F32);
        Assert.Equal(model.Parameters.Master.Span<float>(), again.Parameters.Master.Span<float>());
        Assert.Equal(model.Config, again.Config);
    }

    [Theory]
    [InlineData(11, 2)]
    [InlineData(2, 4)] // the early value: the place of the largest id
    [InlineData(7, 0)] // not in the text: the first token, as transformers' argmax over no match
    public void PoolsWhereTheTextEnds(int eos, int place)
    {
        using var ops = new CpuOps();
        using var model = new ClipTextModel((mini with { EosTokenId = eos }), ops, DType.F32);
        model.Parameters.Initialize(2);
        var ids = ops.Arena.Rent(DType.I32, 1, 5);
        ops.Upload<int>(eos == 2 ? [3, 2, 2, 5, 11] : [10, 4, 11, 11, 0], ids);
        var output = model.Forward(ids);
        int width = model.Config.HiddenSize;
        Assert.Equal(output.LastHiddenState.Span<float>().Slice(place * width, width), output.Pooled.Span<float>());
    }

    [Fact]
    public void RefusesTooManyTokensAndUnknownIds()
    {
        using var ops = new CpuOps();
        using var model = new ClipTextModel(mini, ops, DType.F32);
        var error = Assert.Throws<ArgumentException>(() => model.Forward(ops.Arena.Rent(DType.I32, 1, 7)));
        Assert.Contains("at most 6 tokens", error.Message, StringComparison.Ordinal);
        var ids = ops.Arena.Rent(DType.I32, 1, 2);
        ops.Upload<int>([3, 12], ids);
        Assert.Throws<ArgumentException>(() => model.Forward(ids));
    }
}
