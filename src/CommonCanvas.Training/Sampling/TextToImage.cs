using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>What pictures to make.</summary>
public sealed record SampleRequest
{
    /// <summary>One picture is made for each.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>What guidance leads away from.</summary>
    public string Negative { get; init; } = "";

    /// <summary>One of <see cref="SamplerFactory.Names"/>.</summary>
    public string Sampler { get; init; } = "ddim";

    /// <summary>Sampling steps.</summary>
    public int Steps { get; init; } = 50;

    /// <summary>Classifier-free guidance (Ho and Salimans); 1 or less is none and takes half the time.</summary>
    public double Guidance { get; init; } = 7.5;

    /// <summary>Decides the starting noise: picture i of a seed starts the same whatever else is asked for.</summary>
    public ulong Seed { get; init; }

    /// <summary>Pixels across.</summary>
    public required int Width { get; init; }

    /// <summary>Pixels down.</summary>
    public required int Height { get; init; }

    /// <summary>Starting noise of unit deviation, [pictures, channels, height, width], in place of the seed's; null for the seed's.</summary>
    public float[]? Latents { get; init; }

    /// <summary>Pictures that go through the U-Net at once.</summary>
    public int BatchSize { get; init; } = 16;
}

/// <summary>Pictures with the latents that they were decoded from.</summary>
/// <param name="Pictures">One for each prompt.</param>
/// <param name="Latents">Final latents as the U-Net knows them (scaled), [pictures, channels, height, width].</param>
/// <param name="LatentShape">Their shape.</param>
public sealed record SampleResult(IReadOnlyList<RgbPicture> Pictures, float[] Latents, long[] LatentShape);

/// <summary>
/// Stable Diffusion's way from texts to pictures: text encoder, sampler with classifier-free guidance around the U-Net,
/// autoencoder's decoder. The parts stay their owners'.
/// </summary>
public sealed class TextToImage(IOps ops, UNet unet, AutoencoderKL autoencoder, ClipTextModel textEncoder, ITokenizer tokenizer, SchedulerConfig scheduler)
{
    /// <summary>Pictures that are decoded at once: decoding takes far more memory than the U-Net.</summary>
    const int DecodeAtOnce = 4;

    /// <summary>The name of the sampler that the model's scheduler configuration asks for.</summary>
    public string DefaultSampler => SamplerFactory.NameFor(scheduler.ClassName);

    /// <summary>Makes the pictures.</summary>
    /// <param name="request">What to make.</param>
    /// <param name="evaluated">Told after each evaluation of the U-Net how many are done, and how many there are.</param>
    /// <param name="stop">Checked between evaluations.</param>
    /// <exception cref="ArgumentException">A size, sampler or latent that does not fit the model.</exception>
    public SampleResult Generate(SampleRequest request, Action<int, int>? evaluated = null, CancellationToken stop = default)
    {
        int shrink = autoencoder.Config.Downscale, channels = unet.Config.InChannels, total = request.Prompts.Count;
        if (total == 0) throw new ArgumentException("there is no prompt to make a picture for");
        if (request.Width <= 0 || request.Height <= 0 || request.Width % shrink != 0 || request.Height % shrink != 0)
            throw new ArgumentException($"pictures of {request.Width}x{request.Height} cannot be made: width and height must be multiples of {shrink}");
        if (request.Steps < 1 || request.Steps > scheduler.NumTrainTimesteps) throw new ArgumentException($"{request.Steps} steps: must be from 1 to {scheduler.NumTrainTimesteps}");
        int h = request.Height / shrink, w = request.Width / shrink, size = channels * h * w;
        if (request.Latents is { } given && given.Length != (long)total * size)
            throw new ArgumentException($"the given latents hold {given.Length} numbers; {total} pictures of {request.Width}x{request.Height} need [{total}, {channels}, {h}, {w}], {(long)total * size}");

        var latents = new float[(long)total * size];
        int batches = (total + request.BatchSize - 1) / request.BatchSize, done = 0;
        int evaluations = batches * SamplerFactory.Create(request.Sampler, scheduler, request.Steps).Timesteps.Count;
        var pictures = new List<RgbPicture>(total);
        for (int start = 0; start < total; start += request.BatchSize)
        {
            int count = Math.Min(request.BatchSize, total - start);
            var sample = Start(request, start, count, channels, h, w);
            Denoise(request, sample, start, count, h, w, () => evaluated?.Invoke(++done, evaluations), stop);
            for (int b = 0; b < count; b++) ToPlanes(sample.AsSpan(b * size, size), latents.AsSpan((start + b) * size, size), channels);
            for (int b = 0; b < count; b += DecodeAtOnce)
            {
                stop.ThrowIfCancellationRequested();
                int some = Math.Min(DecodeAtOnce, count - b);
                pictures.AddRange(Decode(sample.AsSpan(b * size, some * size), some, h, w));
            }
        }
        return new SampleResult(pictures, latents, [total, channels, h, w]);
    }

    /// <summary>Decodes scaled latents (NHWC) into pictures.</summary>
    public IReadOnlyList<RgbPicture> Decode(ReadOnlySpan<float> latents, int count, int height, int width)
    {
        var unscaled = new float[latents.Length];
        float factor = 1 / autoencoder.Config.ScalingFactor;
        for (int i = 0; i < unscaled.Length; i++) unscaled[i] = latents[i] * factor;
        ops.BeginStep();
        var latent = ops.UploadAs(unscaled, autoencoder.Parameters.Type, count, height, width, autoencoder.Config.LatentChannels);
        var image = autoencoder.Decode(latent);
        ops.Arena.Release(latent);
        int side = autoencoder.Config.Downscale;
        var values = ToHost(image);
        ops.EndStep();
        int size = values.Length / count;
        return [.. Enumerable.Range(0, count).Select(b => RgbPicture.FromSigned(values.AsSpan(b * size, size), width * side, height * side))];
    }

    // The starting noise, NHWC, at the sampler's deviation.
    static float[] Start(SampleRequest request, int start, int count, int channels, int h, int w)
    {
        int size = channels * h * w;
        var sample = new float[count * size];
        for (int b = 0; b < count; b++)
        {
            var to = sample.AsSpan(b * size, size);
            if (request.Latents is { } given) FromPlanes(given.AsSpan((start + b) * size, size), to, channels);
            else Philox.Normal(new RandomKey(request.Seed, RandomPurpose.SamplerStart, (ulong)(start + b), 0), to);
        }
        return sample;
    }

    void Denoise(SampleRequest request, float[] sample, int start, int count, int h, int w, Action evaluated, CancellationToken stop)
    {
        var sampler = SamplerFactory.Create(request.Sampler, scheduler, request.Steps);
        for (int i = 0; i < sample.Length; i++) sample[i] *= sampler.InitialNoiseSigma;
        bool guided = request.Guidance > 1;
        var texts = request.Prompts.Skip(start).Take(count);
        var text = EncodeText(guided ? [.. Enumerable.Repeat(request.Negative, count), .. texts] : [.. texts]);
        int rows = guided ? 2 * count : count, channels = unet.Config.InChannels, size = sample.Length / count;
        var scaled = new float[rows * size];
        var output = new float[sample.Length];
        var noise = new float[sample.Length];
        var times = new float[rows];
        for (int i = 0; i < sampler.Timesteps.Count; i++)
        {
            stop.ThrowIfCancellationRequested();
            sampler.ScaleModelInput(sample, i, scaled.AsSpan(0, sample.Length));
            if (guided) scaled.AsSpan(0, sample.Length).CopyTo(scaled.AsSpan(sample.Length));
            Array.Fill(times, sampler.Timesteps[i]);
            ops.BeginStep();
            Tensor x = ops.UploadAs(scaled, unet.Parameters.Type, rows, h, w, channels), t = ops.UploadAs(times, DType.F32, rows);
            var predicted = unet.Forward(x, t, text);
            ops.Arena.Release(x);
            ops.Arena.Release(t);
            var both = ToHost(predicted);
            ops.EndStep();
            for (int j = 0; j < output.Length; j++)
                output[j] = guided ? both[j] + (float)request.Guidance * (both[sample.Length + j] - both[j]) : both[j];
            if (sampler.NeedsNoise(i))
                for (int b = 0; b < count; b++)
                    Philox.Normal(new RandomKey(request.Seed, RandomPurpose.SamplerStep, (ulong)(start + b), (uint)i), noise.AsSpan(b * size, size));
            sampler.Step(output, i, sample, noise);
            evaluated();
        }
        ops.Arena.Release(text);
    }

    // The last hidden state of each text, in the U-Net's type.
    Tensor EncodeText(string[] texts)
    {
        var hidden = CaptionEncoder.LastHiddenState(ops, textEncoder, tokenizer, texts);
        if (hidden.Type == unet.Parameters.Type) return hidden;
        var cast = ops.Arena.RentLike(hidden, unet.Parameters.Type);
        ops.Cast(hidden, cast);
        ops.Arena.Release(hidden);
        return cast;
    }

    // Takes the tensor over.
    float[] ToHost(Tensor tensor)
    {
        var values = ops.DownloadFloats(tensor);
        ops.Arena.Release(tensor);
        return values;
    }

    static void ToPlanes(ReadOnlySpan<float> pixels, Span<float> planes, int channels)
    {
        int count = pixels.Length / channels;
        for (int p = 0; p < count; p++)
            for (int c = 0; c < channels; c++) planes[c * count + p] = pixels[p * channels + c];
    }

    static void FromPlanes(ReadOnlySpan<float> planes, Span<float> pixels, int channels)
    {
        int count = pixels.Length / channels;
        for (int p = 0; p < count; p++)
            for (int c = 0; c < channels; c++) pixels[p * channels + c] = planes[c * count + p];
    }
}
