using CommonCanvas.Tensors;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

/// <summary>The autoencoder without reference files: slope, memory, folders old and new.</summary>
public sealed class AutoencoderKLTests
{
    static readonly AutoencoderConfig mini = new() { SampleSize = 8, BlockOutChannels = [4, 8], LayersPerBlock = 1, NormGroups = 2, LatentChannels = 2 };

    [Fact]
    public void BackwardIsTheSlopeOfForward()
    {
        using var ops = new CpuOps();
        using var model = new AutoencoderKL(mini, ops, DType.F32, training: true);
        model.Parameters.Initialize(3);
        using var run = new Step(ops, model);
        Tensor dImage = default;
        model.Parameters.ReceiveGradients(accumulate: false, () => dImage = run.Backward(need: true));
        Slope.Check(ops, model.Parameters, run.Loss);
        ops.Arena.Release(dImage);
    }

    /// <summary>
    /// A gradient that replaces the last, though that was not-a-number: the same bits as one that is added to zeros. What a pass
    /// does not touch is 0, and what it touches twice is the sum, here twice the same.
    /// </summary>
    [Fact]
    public void GradientsReplaceTheLastOrAreAdded()
    {
        using var ops = new CpuOps();
        using var model = new AutoencoderKL(mini, ops, DType.F32, training: true);
        var parameters = model.Parameters;
        parameters.Initialize(3);
        using var run = new Step(ops, model);
        void Pass() => run.Backward();
        float[] Gradient() => parameters.Gradient.Span<float>().ToArray();
        void Spoil()
        {
            foreach (var parameter in parameters.All) ops.Fill(float.NaN, parameter.Gradient);
        }

        Pass();
        float[] once = Gradient();
        parameters.ReceiveGradients(accumulate: true, Pass);
        float[] twice = Gradient();
        Assert.Equal(once.Select(v => 2 * v), twice);
        Spoil();
        parameters.ReceiveGradients(accumulate: false, Pass);
        Assert.Equal(once.Select(BitConverter.SingleToUInt32Bits), Gradient().Select(BitConverter.SingleToUInt32Bits));
        Spoil();
        parameters.ReceiveGradients(accumulate: false, Pass + (Action)Pass);
        Assert.Equal(twice, Gradient());

        Spoil();
        parameters.ReceiveGradients(accumulate: false, run.DecodeOnly);
        foreach (var parameter in parameters.All)
        {
            bool touched = parameter.Name.StartsWith("decoder.", StringComparison.Ordinal) || parameter.Name.StartsWith("post_quant_conv.", StringComparison.Ordinal);
            Assert.Equal(touched, parameter.Gradient.Span<float>().ContainsAnyExcept(0f));
            Assert.Equal(0, ops.CountNonFinite(parameter.Gradient));
        }
    }

    /// <summary>A pass that breaks off leaves no parameter waiting for a gradient to assign.</summary>
    [Fact]
    public void ABrokenPassLeavesGradientsToBeAdded()
    {
        using var ops = new CpuOps();
        using var model = new AutoencoderKL(mini, ops, DType.F32, training: true);
        model.Parameters.Initialize(3);
        using var run = new Step(ops, model);
        Assert.Throws<InvalidOperationException>(() => model.Parameters.ReceiveGradients(accumulate: false, () => throw new InvalidOperationException()));
        run.Backward();
        float[] once = model.Parameters.Gradient.Span<float>().ToArray();
        run.Backward();
        Assert.Equal(once.Select(v => 2 * v), model.Parameters.Gradient.Span<float>().ToArray());
    }

    [Fact]
    public void WarmStepAllocatesNothing()
    {
        using var ops = new CpuOps();
        using var model = new AutoencoderKL(mini, ops, DType.F32, training: true);
        model.Parameters.Initialize(1);
        int live = ops.Arena.LiveBlocks;
        using (var run = new Step(ops, model))
        {
            int own = ops.Arena.LiveBlocks;
            for (int i = 0; i < 2; i++) run.Backward();
            long blocks = ops.Arena.DeviceAllocations, bytes = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 3; i++) run.Backward();
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - bytes, 0, 1024);
            Assert.Equal(blocks, ops.Arena.DeviceAllocations);
            model.Training = false;
            run.Loss();
            Assert.Equal(own, ops.Arena.LiveBlocks);
        }
        Assert.Equal(live, ops.Arena.LiveBlocks);
    }

    [Fact]
    public void ReadsTheOldNamesOfTheAttention()
    {
        using var ops = new CpuOps();
        using var folder = new TempFolder();
        using var model = new AutoencoderKL(mini, ops, DType.F32, training: false);
        model.Parameters.Initialize(5);
        model.SaveFolder(folder["new"]);
        Directory.CreateDirectory(folder["old"]);
        File.Copy(Path.Combine(folder["new"], "config.json"), Path.Combine(folder["old"], "config.json"));
        (string New, string Old)[] names = [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")];
        SafetensorsWriter.Write(Path.Combine(folder["old"], "diffusion_pytorch_model.safetensors"), model.Parameters.All.Select(p =>
        {
            string name = p.Name;
            foreach (var (newer, older) in names) name = name.Replace($".{newer}.", $".{older}.", StringComparison.Ordinal);
            // The oldest files hold the attention's matrices as 1x1 convolutions.
            long[] shape = [.. p.FileShape.Select(d => (long)d)];
            if (name != p.Name && shape.Length == 2) shape = [.. shape, 1, 1];
            return SafetensorsItem.Floats(name, shape, model.Parameters.ToFile(p, model.Parameters.Master));
        }));
        using var again = AutoencoderKL.FromFolder(folder["old"], ops, DType.F32, training: false);
        Assert.Equal(model.Parameters.Master.Span<float>(), again.Parameters.Master.Span<float>());
        Assert.Equal(model.Config, again.Config);
    }

    /// <summary>Encode, sample, decode, squared error and divergence; owns its tensors.</summary>
    sealed class Step : IDisposable
    {
        const int Batch = 2;
        const float KlWeight = 0.01f;
        readonly IOps ops;
        readonly AutoencoderKL model;
        readonly Tensor image, noise, weight, losses, kl;

        public Step(IOps ops, AutoencoderKL model)
        {
            (this.ops, this.model) = (ops, model);
            image = Slope.Random(ops, DType.F32, 1, Batch, 6, 4, model.Config.InChannels);
            noise = Slope.Random(ops, DType.F32, 2, Batch, 3, 2, model.Config.LatentChannels);
            weight = Device.Upload(ops, [1, 1], [Batch]);
            (losses, kl) = (ops.Arena.RentLike(weight), ops.Arena.RentLike(weight));
        }

        public double Loss()
        {
            var (moments, decoded) = Forward();
            ops.Arena.Release(moments);
            ops.Arena.Release(decoded);
            Span<float> errors = losses.Span<float>(), divergences = kl.Span<float>();
            return (errors[0] + (double)errors[1] + KlWeight * ((double)divergences[0] + divergences[1])) / Batch;
        }

        /// <summary>The decoder's gradients alone.</summary>
        public void DecodeOnly()
        {
            var (moments, decoded) = Forward();
            var slope = ops.Arena.RentLike(decoded);
            ops.MseBackward(decoded, image, weight, 1f / Batch, slope);
            foreach (var tensor in new[] { model.DecodeBackward(slope), moments, decoded, slope }) ops.Arena.Release(tensor);
        }

        public Tensor Backward(bool need = false)
        {
            var arena = ops.Arena;
            var (moments, decoded) = Forward();
            var slope = arena.RentLike(decoded);
            ops.MseBackward(decoded, image, weight, 1f / Batch, slope);
            var dLatent = model.DecodeBackward(slope);
            var dMoments = arena.RentLike(moments);
            ops.PosteriorBackward(moments, noise, dLatent, KlWeight / Batch, dMoments);
            var dImage = model.EncodeBackward(dMoments, needImage: need);
            arena.Release(moments);
            arena.Release(decoded);
            arena.Release(slope);
            arena.Release(dLatent);
            arena.Release(dMoments);
            return dImage;
        }

        (Tensor Moments, Tensor Decoded) Forward()
        {
            var moments = model.Encode(image);
            var latent = ops.Arena.RentLike(noise);
            ops.PosteriorForward(moments, noise, latent, kl);
            var decoded = model.Decode(latent);
            ops.Arena.Release(latent);
            ops.MseForward(decoded, image, weight, losses);
            return (moments, decoded);
        }

        public void Dispose()
        {
            foreach (var tensor in (ReadOnlySpan<Tensor>)[image, noise, weight, losses, kl]) ops.Arena.Release(tensor);
        }
    }
}
