using CommonCanvas.Tensors;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

/// <summary>The flat buffer: layout, initial values, precisions, files and their errors.</summary>
public sealed class ParameterSetTests
{
    static UNetConfig Config => UNetTests.Mini;

    [Fact]
    public void UnitsAreAlignedAndCoverTheParameters()
    {
        using var ops = new CpuOps();
        using var model = new UNet(Config, ops, DType.F32, training: true);
        var parameters = model.Parameters;
        long end = 0;
        foreach (var unit in parameters.Units)
        {
            Assert.Equal(end, unit.Offset);
            Assert.Equal(0, unit.Count % ParameterSet.Alignment);
            end += unit.Count;
        }
        Assert.Equal(end, parameters.Count);
        Assert.Equal(["in", "down_blocks.0", "down_blocks.1", "mid_block", "up_blocks.0", "up_blocks.1", "out"], parameters.Units.Select(u => u.Name));
        foreach (var parameter in parameters.All)
        {
            var unit = parameters.Units[parameter.Unit];
            Assert.InRange(parameter.Offset, unit.Offset, unit.Offset + unit.Count - parameter.Count);
        }
        foreach (var (first, second) in parameters.All.Zip(parameters.All.Skip(1))) Assert.True(second.Offset >= first.Offset + first.Count);
        Assert.Equal(parameters.All.Sum(p => p.Count), parameters.Trainable);
    }

    /// <summary>Refused before any memory is taken.</summary>
    [Fact]
    public void MoreWeightsThanAFlatBufferHoldsAreRefusedByNumber()
    {
        using var ops = new CpuOps();
        using var parameters = new ParameterSet();
        parameters.BeginUnit("all");
        for (int i = 0; i < 2; i++) parameters.Root[i].Matrix(1 << 16, 1 << 14);
        var error = Assert.Throws<ArgumentException>(() => parameters.Allocate(ops, DType.BF16, training: true));
        Assert.Contains("a model of 2147483648 weights", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, ops.Arena.Reserved);
    }

    [Fact]
    public void StartsAsPyTorchDoesAndLeavesThePaddingZero()
    {
        using var ops = new CpuOps();
        using var model = new UNet(Config, ops, DType.F32, training: true);
        var parameters = model.Parameters;
        parameters.Initialize(7);
        float[] first = parameters.Master.Span<float>().ToArray();
        var used = new bool[parameters.Count];
        foreach (var parameter in parameters.All)
        {
            var values = first.AsSpan((int)parameter.Offset, (int)parameter.Count);
            used.AsSpan((int)parameter.Offset, (int)parameter.Count).Fill(true);
            if (parameter.Name.Contains("norm", StringComparison.Ordinal))
            {
                float expected = parameter.Name.EndsWith(".weight", StringComparison.Ordinal) ? 1 : 0;
                Assert.True(values.IndexOfAnyExcept(expected) < 0, parameter.Name);
                continue;
            }
            double bound = 1 / Math.Sqrt(parameter.FanIn), square = 0;
            foreach (float value in values)
            {
                Assert.InRange(value, -bound, bound);
                square += value * value;
            }
            // Uniform: mean square bound^2 / 3; loose enough for few values.
            if (values.Length >= 500) Assert.InRange(square / values.Length / (bound * bound), 0.29, 0.38);
        }
        Assert.All(used.Zip(first), pair => Assert.True(pair.First || pair.Second == 0));

        parameters.Initialize(7);
        Assert.Equal(first, parameters.Master.Span<float>());
        parameters.Initialize(8);
        Assert.NotEqual(first, parameters.Master.Span<float>().ToArray());
    }

    [Theory]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    public void ReducedWeightsAreTheRoundedMasters(DType type)
    {
        using var ops = new CpuOps();
        using var model = new UNet(Config, ops, type, training: true);
        var parameters = model.Parameters;
        parameters.Initialize(7);
        var compute = ops.Arena.RentLike(parameters.Master);
        ops.Cast(parameters.Compute, compute);
        Assert.Equal(parameters.Master.Span<float>().ToArray().Select(v => Rounding.Round(v, type)), compute.Span<float>().ToArray());
        ops.Arena.Release(compute);

        // The same seed gives an inference model the same weights, without masters.
        using var inference = new UNet(Config, ops, type, training: false);
        inference.Parameters.Initialize(7);
        Assert.True(inference.Parameters.Master.IsNone);
        Assert.Equal(parameters.Compute.Span<ushort>(), inference.Parameters.Compute.Span<ushort>());
    }

    [Fact]
    public void KernelsAreOihwInFilesAndOhwiInMemory()
    {
        using var ops = new CpuOps();
        using var model = new UNet(Config, ops, DType.F32, training: true);
        var parameter = model.Parameters["conv_in.weight"];
        Assert.Equal([8, 3, 3, 4], parameter.Shape);
        Assert.Equal([8, 4, 3, 3], parameter.FileShape);
        float[] file = [.. Enumerable.Range(0, (int)parameter.Count).Select(i => (float)i)];
        model.Parameters.Assign(parameter, file);
        for (int o = 0; o < 8; o++)
            for (int i = 0; i < 4; i++)
                for (int k = 0; k < 9; k++) Assert.Equal(file[(o * 4 + i) * 9 + k], parameter.Value.Span<float>()[(o * 9 + k) * 4 + i]);
        Assert.Equal(file, model.Parameters.ToFile(parameter, model.Parameters.Master));
    }

    [Fact]
    public void ListsEverythingThatDoesNotFit()
    {
        using var ops = new CpuOps();
        using var folder = new TempFolder();
        using var model = new UNet(Config, ops, DType.F32, training: true);
        model.Parameters.Initialize(1);
        model.SaveFolder(folder.Path);
        string file = folder["diffusion_pytorch_model.safetensors"];
        SafetensorsWriter.Write(file, model.Parameters.All.Where(p => p.Name is not ("conv_in.bias" or "conv_out.bias")).Select(p =>
                SafetensorsItem.Floats(p.Name, p.Name == "conv_in.weight" ? [8, 3, 3, 4] : [.. p.FileShape.Select(d => (long)d)], model.Parameters.ToFile(p, model.Parameters.Master)))
            .Append(SafetensorsItem.Floats("conv_in.lora", [1], [0])));
        float[] before = model.Parameters.Master.Span<float>().ToArray();
        int live = ops.Arena.LiveBlocks;
        foreach (var load in new Action[] { () => model.LoadWeights(folder.Path), () => UNet.FromFolder(folder.Path, ops, DType.F32, training: false) })
        {
            string message = Assert.Throws<InvalidDataException>(load).Message;
            Assert.Contains(file, message, StringComparison.Ordinal);
            Assert.Contains("missing: conv_in.bias [8]", message, StringComparison.Ordinal);
            Assert.Contains("missing: conv_out.bias [4]", message, StringComparison.Ordinal);
            Assert.Contains("shape: conv_in.weight is [8, 3, 3, 4], must be [8, 4, 3, 3]", message, StringComparison.Ordinal);
            Assert.Contains("not of this model: conv_in.lora", message, StringComparison.Ordinal);
        }
        Assert.Equal(before, model.Parameters.Master.Span<float>());
        Assert.Equal(live, ops.Arena.LiveBlocks);
    }

    /// <summary>The message of a file of another model can still be read.</summary>
    [Fact]
    public void ListsTheFirstFewWhereNothingFits()
    {
        using var ops = new CpuOps();
        using var folder = new TempFolder();
        using var model = new UNet(Config, ops, DType.F32, training: true);
        model.SaveFolder(folder.Path);
        SafetensorsWriter.Write(folder["diffusion_pytorch_model.safetensors"], Enumerable.Range(0, 300).Select(i => SafetensorsItem.Floats($"other.{i}", [1], [0])));
        string[] lines = Assert.Throws<InvalidDataException>(() => model.LoadWeights(folder.Path)).Message.Split('\n');
        Assert.Equal(1 + 5 + 5, lines.Length);
        Assert.Contains($"  missing: {model.Parameters.All.Count - 4} more", lines);
        Assert.Contains("  not of this model: 296 more", lines);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void AWeightThatIsNotFiniteNamesItsTensorAndFile(float value)
    {
        using var ops = new CpuOps();
        using var folder = new TempFolder();
        using var model = new UNet(Config, ops, DType.F32, training: true);
        model.Parameters["conv_in.bias"].Slice(model.Parameters.Master).Span<float>()[3] = value;
        model.SaveFolder(folder.Path);
        string message = Assert.Throws<InvalidDataException>(() => UNet.FromFolder(folder.Path, ops, DType.F32, training: false)).Message;
        Assert.Contains(folder["diffusion_pytorch_model.safetensors"], message, StringComparison.Ordinal);
        Assert.Contains($"conv_in.bias holds {value}", message, StringComparison.Ordinal);
    }
}
