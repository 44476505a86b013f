using CommonCanvas.Data;
using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

public sealed class AutoencoderStepTests : IDisposable
{
    readonly TempFolder folder = new();
    readonly CpuOps ops = new();

    public AutoencoderStepTests() => TinyPictures.Write(folder["pictures"], 12);

    public void Dispose()
    {
        ops.Dispose();
        folder.Dispose();
    }

    PictureDataset Data() => new(PictureSource.Open(folder["pictures"]), new PictureLoader(TinyPictures.Resolution), seed: 4, heldOut: 0.25);

    AutoencoderKL NewModel()
    {
        var model = new AutoencoderKL(TinyModels.Autoencoder, ops, DType.F32, training: true);
        model.Parameters.Initialize(7);
        return model;
    }

    (double Loss, float[] Gradient) OneStep(int microbatch, double klWeight)
    {
        using var model = NewModel();
        using var step = new AutoencoderStep(ops, model, Data(), batchSize: 3, microbatch, klWeight, seed: 1);
        double loss = step.Run(ops, 1);
        return (loss, model.Parameters.Gradient.Span<float>().ToArray());
    }

    [Fact]
    public void Microbatches_enter_with_their_share()
    {
        var (loss, gradient) = OneStep(3, 1e-3);
        var (other, split) = OneStep(2, 1e-3);
        Assert.Equal(loss, other, 1e-5);
        double largest = gradient.Max(Math.Abs);
        for (int i = 0; i < gradient.Length; i++)
            if (Math.Abs(gradient[i] - split[i]) > 1e-5 * largest) Assert.Fail($"element {i}: {split[i]}, not {gradient[i]}");
    }

    [Fact]
    public void The_kl_weight_adds_its_share_of_the_loss()
    {
        double none = OneStep(3, 0).Loss, some = OneStep(3, 1e-3).Loss, twice = OneStep(3, 2e-3).Loss;
        Assert.True(some > none);
        Assert.Equal(2 * (some - none), twice - none, 1e-6);
    }

    [Fact]
    public void Learns_validates_and_leaves_no_memory_behind()
    {
        using var model = NewModel();
        using var step = new AutoencoderStep(ops, model, Data(), batchSize: 3, microbatch: 3, klWeight: 1e-6, seed: 1);
        double? before = step.Validate();
        int blocks = ops.Arena.LiveBlocks;
        double first = step.Run(ops, 1);
        Assert.Equal(before, step.Validate());
        Assert.Equal(blocks, ops.Arena.LiveBlocks);
        var parameters = model.Parameters;
        using var optimizer = new Optimizer(ops, parameters.Master, parameters.Gradient, parameters.Compute, new OptimizerSettings { LearningRate = new LearningRateSchedule(3e-3) });
        for (int i = 0; i < 10; i++)
        {
            step.Repeat(ops, 1);
            optimizer.Norm(ops);
            optimizer.Update(i + 1);
        }
        Assert.True(step.Repeat(ops, 1) < first);
        Assert.NotEqual(before, step.Validate());
    }

    [Fact]
    public void A_resolution_that_does_not_divide_is_refused()
    {
        using var model = NewModel();
        var data = new PictureDataset(PictureSource.Open(folder["pictures"]), new PictureLoader(15), seed: 4);
        Assert.Contains("multiple of 2", Assert.Throws<ArgumentException>(() => new AutoencoderStep(ops, model, data, 1, 1, 0, 1)).Message);
    }
}
