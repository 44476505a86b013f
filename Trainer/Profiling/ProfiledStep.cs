using System.Diagnostics;
using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Trainer.Profiling;

/// <summary>
/// The training step that <c>profile</c> times: the U-Net's forward, mean squared error, backward and AdamW on fresh
/// random inputs, or the forward alone.
/// </summary>
public sealed class ProfiledStep : IDisposable
{
    /// <summary>Tokens of a text embedding, as CLIP's.</summary>
    public const int TextTokens = 77;

    readonly IOps ops;
    readonly UNet unet;
    readonly int latent, batch, owned;
    readonly bool forwardOnly;
    readonly DType type;
    Tensor moment1, moment2, scale, losses, weights;
    int step;

    /// <summary>Builds a U-Net with random weights.</summary>
    /// <param name="ops">The device.</param>
    /// <param name="config">Its shape.</param>
    /// <param name="type">Element type of weights and activations.</param>
    /// <param name="latent">Height and width of the latents.</param>
    /// <param name="batch">Samples of a step.</param>
    /// <param name="forwardOnly">Whether backward and AdamW are left out.</param>
    /// <param name="valuesMatter">Whether weights are drawn; where a step is only counted they need not be.</param>
    /// <param name="ranks">Devices that share the update, each its part of the parameters; what they send is left out.</param>
    public ProfiledStep(IOps ops, UNetConfig config, DType type, int latent, int batch, bool forwardOnly, bool valuesMatter = true, int ranks = 1)
    {
        (this.ops, this.type, this.latent, this.batch, this.forwardOnly) = (ops, type, latent, batch, forwardOnly);
        unet = new UNet(config, ops, type, training: !forwardOnly);
        if (valuesMatter) unet.Parameters.Initialize(17);
        losses = ops.Arena.Rent(DType.F32, batch);
        weights = ops.Arena.Rent(DType.F32, batch);
        ops.Fill(1, weights);
        if (forwardOnly) return;
        owned = unet.Parameters.Master[0] / ranks;
        moment1 = ops.Arena.Rent(DType.F32, owned);
        moment2 = ops.Arena.Rent(DType.F32, owned);
        scale = ops.Arena.Rent(DType.F32, 1);
        ops.Fill(0, moment1);
        ops.Fill(0, moment2);
        ops.Fill(1, scale);
    }

    /// <summary>Number of weights.</summary>
    public long Parameters => unet.Parameters.Trainable;

    /// <summary>The last step's loss.</summary>
    public double Loss { get; private set; }

    /// <summary>Runs a step.</summary>
    /// <returns>Its seconds, without the drawing of its inputs.</returns>
    public double Run()
    {
        step++;
        var arena = ops.Arena;
        int channels = unet.Config.InChannels;
        var sample = arena.Rent(type, batch, latent, latent, channels);
        var noise = arena.Rent(type, batch, latent, latent, unet.Config.OutChannels);
        var text = arena.Rent(type, batch, TextTokens, unet.Config.CrossAttentionDim);
        var timesteps = arena.Rent(DType.F32, batch);
        var keys = new RandomKey[batch];
        void Normal(RandomPurpose purpose, Tensor tensor)
        {
            for (int b = 0; b < batch; b++) keys[b] = new RandomKey(17, purpose, (ulong)b, (uint)step);
            ops.RandomNormal(keys, tensor);
        }
        Normal(RandomPurpose.Posterior, sample);
        Normal(RandomPurpose.Noise, noise);
        Normal(RandomPurpose.Validation, text);
        var times = new float[batch];
        for (int b = 0; b < batch; b++) times[b] = Philox.Integer(new RandomKey(17, RandomPurpose.Timestep, (ulong)b, (uint)step), 1000);
        ops.Upload<float>(times, timesteps);
        ops.Synchronize();

        long start = Stopwatch.GetTimestamp();
        ops.BeginStep();
        var output = unet.Forward(sample, timesteps, text);
        ops.MseForward(output, noise, weights, losses);
        if (!forwardOnly)
        {
            unet.Parameters.ZeroGradients();
            var slope = arena.RentLike(output);
            ops.MseBackward(output, noise, weights, 1f / batch, slope);
            unet.Backward(slope);
            arena.Release(slope);
            var parameters = unet.Parameters;
            using var update = ops.Range("update");
            ops.AdamW(parameters.Master.Slice(0, owned), parameters.Gradient.Slice(0, owned), moment1, moment2, scale,
                new AdamWSettings(1e-4f, 0.9f, 0.999f, 1e-8f, 0.01f, step), parameters.Type == DType.F32 ? Tensor.None : parameters.Compute.Slice(0, owned));
        }
        ops.Synchronize();
        ops.EndStep();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;

        foreach (var tensor in (ReadOnlySpan<Tensor>)[output, sample, noise, text, timesteps]) arena.Release(tensor);
        var values = new float[batch];
        ops.Download<float>(losses, values);
        Loss = values.Average();
        return seconds;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in (ReadOnlySpan<Tensor>)[moment1, moment2, scale, losses, weights]) ops.Arena.Release(tensor);
        unet.Dispose();
    }
}
