using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>diffusers' Timesteps and TimestepEmbedding, and the SiLU that every residual block applies to the result.</summary>
sealed class TimeEmbedding : Layer
{
    readonly Linear linear1, linear2;
    readonly int channels;
    readonly bool flip;
    readonly float shift;
    Tensor hidden, embedded;

    public TimeEmbedding(LayerContext context, ParameterScope scope, UNetConfig config) : base(context)
    {
        (channels, flip, shift) = (config.BlockOutChannels[0], config.FlipSinToCos, config.FreqShift);
        linear1 = new(context, scope["linear_1"], channels, config.TimeEmbeddingDim);
        linear2 = new(context, scope["linear_2"], config.TimeEmbeddingDim, config.TimeEmbeddingDim);
    }

    /// <summary>SiLU(embedding) [B, 4 C] of timesteps F32[B].</summary>
    public Tensor Forward(Tensor timesteps, DType type)
    {
        var waves = Arena.Rent(type, timesteps[0], channels);
        Ops.TimestepEmbedding(timesteps, flip, shift, waves);
        var h = linear1.Forward(waves);
        Arena.Release(waves);
        var activated = Arena.RentLike(h);
        Ops.ActivationForward(h, Activation.Silu, activated);
        var e = linear2.Forward(activated);
        Arena.Release(activated);
        var y = Arena.RentLike(e);
        Ops.ActivationForward(e, Activation.Silu, y);
        HandOn(ref hidden, h);
        HandOn(ref embedded, e);
        return y;
    }

    public void Backward(Tensor dY)
    {
        var d = Arena.RentLike(dY);
        Ops.ActivationBackward(embedded, Activation.Silu, dY, d);
        var dActivated = linear2.Backward(d);
        Ops.ActivationBackward(hidden, Activation.Silu, dActivated, d);
        linear1.Backward(d, needInput: false);
        Arena.Release(dActivated);
        Arena.Release(d);
        Arena.Drop(ref hidden);
        Arena.Drop(ref embedded);
    }
}
