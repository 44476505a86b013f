using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>
/// The U-Net of latent diffusion: diffusers' UNet2DConditionModel as Stable Diffusion 1 and 2 configure it. Predicts the
/// noise (or velocity, or sample) in a latent from the latent, the timestep and the text's embeddings.
/// </summary>
public sealed partial class UNet : Model
{
    /// <summary>Base name of its weights' files.</summary>
    public const string FileName = "diffusion_pytorch_model";

    readonly Conv2d convIn, convOut;
    readonly TimeEmbedding time;
    readonly DownBlock[] down;
    readonly MidBlock mid;
    readonly UpBlock[] up;
    readonly GroupNorm normOut;
    readonly SkipStack skips, dSkips;
    Tensor activatedTime, text;

    /// <summary>Builds the model with weights of zero; see <see cref="FromFolder"/> and <see cref="ParameterSet.Initialize"/>.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="ops">The device.</param>
    /// <param name="type">Compute precision.</param>
    /// <param name="training">Whether Backward will be called.</param>
    public UNet(UNetConfig config, IOps ops, DType type, bool training) : this(config, new LayerContext(ops, training), type) { }

    UNet(UNetConfig config, LayerContext context, DType type) : base(context)
    {
        Config = config;
        var root = Parameters.Root;
        int levels = config.BlockOutChannels.Count;
        int[] channels = [.. config.BlockOutChannels];
        Parameters.BeginUnit("in");
        convIn = new(context, root["conv_in"], config.InChannels, channels[0], ConvGeometry.Same3);
        time = new(context, root["time_embedding"], config);
        down = new DownBlock[levels];
        for (int i = 0; i < levels; i++)
        {
            Parameters.BeginUnit($"down_blocks.{i}");
            down[i] = new(context, root["down_blocks"][i], config, i, channels[Math.Max(i - 1, 0)]);
        }
        Parameters.BeginUnit("mid_block");
        mid = new(context, root["mid_block"], config);
        up = new UpBlock[levels];
        for (int i = 0; i < levels; i++)
        {
            Parameters.BeginUnit($"up_blocks.{i}");
            up[i] = new(context, root["up_blocks"][i], config, i);
        }
        Parameters.BeginUnit("out");
        normOut = new(context, root["conv_norm_out"], channels[0], config.NormGroups, config.NormEps, silu: true);
        convOut = new(context, root["conv_out"], channels[0], config.OutChannels, ConvGeometry.Same3);
        Parameters.Allocate(Ops, type, context.Training);
        int skipCount = levels * (config.LayersPerBlock + 1);
        (skips, dSkips) = (new SkipStack(skipCount), new SkipStack(skipCount));
    }

    /// <summary>Its shape.</summary>
    public UNetConfig Config { get; }

    /// <summary>Reads config.json and weights of a diffusers folder.</summary>
    /// <exception cref="InvalidDataException">Unsupported settings, or weights that do not fit them.</exception>
    public static UNet FromFolder(string folder, IOps ops, DType type, bool training)
    {
        var model = new UNet(UNetConfig.Load(folder), ops, type, training);
        model.LoadOrDispose(folder);
        return model;
    }

    /// <inheritdoc/>
    protected override string ConfigJson => Config.ToJson();

    /// <inheritdoc/>
    protected override string WeightsName => FileName;

    /// <summary>
    /// The prediction [B, H, W, OutChannels] for sample [B, H, W, InChannels], timesteps F32[B] and text [B, T,
    /// CrossAttentionDim]; sample and text in compute precision. Any H and W that the downsampling leaves at least 1.
    /// </summary>
    public Tensor Forward(Tensor sample, Tensor timesteps, Tensor textEmbeddings)
    {
        using var forward = Ops.Range("forward");
        skips.Release(Arena);
        dSkips.Release(Arena);
        var t = time.Forward(timesteps, sample.Type);
        skips.Push(convIn.Forward(sample));
        for (int i = 0; i < down.Length; i++)
        {
            using var range = RangeOf(1 + i);
            down[i].Forward(t, textEmbeddings, skips);
        }
        Tensor h;
        using (RangeOf(1 + down.Length)) h = mid.Forward(skips.Top, t, textEmbeddings);
        for (int i = 0; i < up.Length; i++)
        {
            using var range = RangeOf(2 + down.Length + i);
            h = up[i].Forward(h, t, textEmbeddings, skips);
        }
        HandOn(ref activatedTime, t);
        Keep(ref text, textEmbeddings);
        var normed = normOut.Forward(h);
        Arena.Release(h);
        var y = convOut.Forward(normed);
        Arena.Release(normed);
        return y;
    }

    /// <summary>
    /// Adds to the gradients of all parameters. Returns the gradients of sample and text where they are needed.
    /// <paramref name="unitDone"/> is told the index of each unit when its gradients are complete.
    /// </summary>
    public (Tensor Sample, Tensor Text) Backward(Tensor dOutput, Action<int>? unitDone = null, bool needSample = false, bool needText = false)
    {
        using var backward = Ops.Range("backward");
        int unit = Parameters.Units.Count;
        var dTime = Arena.RentLike(activatedTime);
        Ops.Fill(0, dTime);
        var dText = needText ? Arena.RentLike(text) : default;
        if (needText) Ops.Fill(0, dText);

        var dNormed = convOut.Backward(dOutput);
        var d = normOut.Backward(dNormed);
        Arena.Release(dNormed);
        unitDone?.Invoke(--unit);
        for (int i = up.Length - 1; i >= 0; i--)
        {
            using (RangeOf(2 + down.Length + i)) d = up[i].Backward(d, dTime, dText, dSkips);
            unitDone?.Invoke(--unit);
        }
        Tensor dMid;
        using (RangeOf(1 + down.Length)) dMid = mid.Backward(d, dTime, dText);
        Arena.Release(d);
        d = dMid;
        unitDone?.Invoke(--unit);
        for (int i = down.Length - 1; i >= 0; i--)
        {
            using (RangeOf(1 + i)) d = down[i].Backward(d, dTime, dText, dSkips);
            unitDone?.Invoke(--unit);
        }
        AddInto(d, dSkips.Pop());
        var dSample = convIn.Backward(d, needSample);
        Arena.Release(d);
        time.Backward(dTime);
        Arena.Release(dTime);
        Arena.Drop(ref activatedTime);
        Arena.Drop(ref text);
        unitDone?.Invoke(0);
        return (dSample, dText);
    }

    OpsRange RangeOf(int unit) => Ops.Range(Parameters.Units[unit].Name);
}
