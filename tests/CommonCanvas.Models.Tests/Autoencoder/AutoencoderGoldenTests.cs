using CommonCanvas.Tensors;

namespace CommonCanvas.Models.Tests;

/// <summary>The whole autoencoder against diffusers: moments, picture, loss and, in fp32, all gradients.</summary>
[Trait("Category", "Golden")]
public sealed class AutoencoderGoldenTests
{
    // The loss of the reference: mean squared error plus this times kl.
    const float KlWeight = 1e-3f;

    public static TheoryData<string, string, DType> Cases => Device.Cases("vae*", "case*.safetensors");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Agrees(string path, string device, DType type)
    {
        using var lease = Device.Open(device);
        var ops = lease.Ops;
        var arena = ops.Arena;
        using var golden = new GoldenCase(Device.PathOf(path), ops, type);
        using var model = AutoencoderKL.FromFolder(Path.Combine(Path.GetDirectoryName(Device.PathOf(path))!, "model"), ops, type, training: type == DType.F32);
        int live = arena.LiveBlocks;

        var image = golden.Upload("image");
        var noise = golden.Upload("noise");
        int batch = image[0];
        var moments = model.Encode(image);
        int channels = model.Config.LatentChannels;
        var mean = arena.Rent(type, batch, moments[1], moments[2], channels);
        var logvar = arena.RentLike(mean);
        ops.ConcatBackward(moments, mean, logvar);
        golden.Compare("mean", mean);
        golden.Compare("logvar", logvar);

        var latent = arena.RentLike(mean);
        var kl = arena.Rent(DType.F32, batch);
        ops.PosteriorForward(moments, noise, latent, kl);
        var decoded = model.Decode(latent);
        golden.Compare("decoded", decoded);
        if (type == DType.F32)
        {
            golden.Compare("latent", latent);
            Backward(ops, model, golden, image, noise, moments, kl, decoded);
        }
        foreach (var tensor in new[] { image, noise, moments, mean, logvar, latent, kl, decoded }) arena.Release(tensor);
        Assert.Equal(live, arena.LiveBlocks);
        golden.Finish();
    }

    static void Backward(IOps ops, AutoencoderKL model, GoldenCase golden, Tensor image, Tensor noise, Tensor moments, Tensor kl, Tensor decoded)
    {
        var arena = ops.Arena;
        int batch = image[0];
        var weight = arena.Rent(DType.F32, batch);
        ops.Fill(1, weight);
        var errors = arena.RentLike(weight);
        ops.MseForward(decoded, image, weight, errors);
        float divergence = Device.Download(ops, kl).Average();
        golden.Compare("kl", [divergence]);
        golden.Compare("loss", [Device.Download(ops, errors).Average() + KlWeight * divergence]);

        var done = new List<int>();
        var dDecoded = arena.RentLike(decoded);
        ops.MseBackward(decoded, image, weight, 1f / batch, dDecoded);
        var dLatent = model.DecodeBackward(dDecoded, done.Add);
        var dMoments = arena.RentLike(moments);
        ops.PosteriorBackward(moments, noise, dLatent, KlWeight / batch, dMoments);
        var dImage = model.EncodeBackward(dMoments, done.Add, needImage: true);
        Assert.Equal(Enumerable.Range(0, model.Parameters.Units.Count).Reverse(), done);
        golden.Compare("grad_image", dImage);
        golden.CompareGradients(model.Parameters);
        foreach (var tensor in new[] { weight, errors, dDecoded, dLatent, dMoments, dImage }) arena.Release(tensor);
    }
}
