using System.Diagnostics;
using CommonCanvas.Models;
using CommonCanvas.Tensors;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Profiling;

/// <summary>
/// The training step that <c>profile</c> times: the U-Net's forward, mean squared error, backward and AdamW on fresh
/// random inputs, or the forward alone. On a GPU forward and backward are recorded and replayed, as training does it.
/// </summary>
public sealed class ProfiledStep : IDisposable
{
    /// <summary>Tokens of a text embedding, as CLIP's.</summary>
    public const int TextTokens = 77;

    readonly IOps ops;
    readonly UNet unet;
    readonly int batch, owned;
    readonly bool forwardOnly;
    readonly RecordedWork work;
    Tensor sample, noise, text, timesteps, moment1, moment2, scale, losses, weights;
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
        (this.ops, this.batch, this.forwardOnly) = (ops, batch, forwardOnly);
        unet = new UNet(config, ops, type, training: !forwardOnly);
        if (valuesMatter) unet.Parameters.Initialize(17);
        losses = ops.Arena.Rent(DType.F32, batch);
        weights = ops.Arena.Rent(DType.F32, batch);
        ops.Fill(1, weights);
        sample = ops.Arena.Rent(type, batch, latent, latent, config.InChannels);
        noise = ops.Arena.Rent(type, batch, latent, latent, config.OutChannels);
        text = ops.Arena.Rent(type, batch, TextTokens, config.CrossAttentionDim);
        timesteps = ops.Arena.Rent(DType.F32, batch);
        work = new RecordedWork(ops, (_, part) => Compute(part.Scale));
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
        work.Run(batch, new GradientPart(1f / batch, Accumulate: false));
        if (!forwardOnly)
        {
            var parameters = unet.Parameters;
            using var update = ops.Range("update");
            ops.AdamW(parameters.Master.Slice(0, owned), parameters.Gradient.Slice(0, owned), moment1, moment2, scale,
                new AdamWSettings(1e-4f, 0.9f, 0.999f, 1e-8f, 0.01f, step), parameters.Type == DType.F32 ? Tensor.None : parameters.Compute.Slice(0, owned));
        }
        ops.Synchronize();
        ops.EndStep();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;

        var values = new float[batch];
        ops.Download<float>(losses, values);
        Loss = values.Average();
        return seconds;
    }

    /// <summary>Records from now on, where the device can: the second step is recorded and replayed, as are those after it.</summary>
    /// <param name="note">Told why recording is given up.</param>
    /// <returns>Whether it can.</returns>
    public bool Record(Action<string> note) => work.Enable(note);

    void Compute(float scale)
    {
        var output = unet.Forward(sample, timesteps, text);
        ops.MseForward(output, noise, weights, losses);
        if (!forwardOnly)
        {
            var slope = ops.Arena.RentLike(output);
            ops.MseBackward(output, noise, weights, scale, slope);
            unet.Parameters.ReceiveGradients(accumulate: false, () => unet.Backward(slope));
            ops.Arena.Release(slope);
        }
        ops.Arena.Release(output);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        work.Dispose();
        foreach (var tensor in (ReadOnlySpan<Tensor>)[sample, noise, text, timesteps, moment1, moment2, scale, losses, weights]) ops.Arena.Release(tensor);
        unet.Dispose();
    }
}
