using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>The tensors that the way down leaves for the way up; a fixed array, as a step allocates nothing.</summary>
sealed class SkipStack(int capacity)
{
    readonly Tensor[] tensors = new Tensor[capacity];

    public int Count { get; private set; }

    public Tensor Top => tensors[Count - 1];

    public void Push(Tensor tensor) => tensors[Count++] = tensor;

    public Tensor Pop()
    {
        var tensor = tensors[--Count];
        tensors[Count] = default;
        return tensor;
    }

    /// <summary>Gives back what an interrupted Forward or Backward left.</summary>
    public void Release(Arena arena)
    {
        while (Count > 0) arena.Release(Pop());
    }
}

/// <summary>One resolution on the way down: residual blocks, each followed by a transformer where there are any, then the downsampler.</summary>
sealed class DownBlock : Layer
{
    readonly ResBlock[] resnets;
    readonly SpatialTransformer?[] attentions;
    readonly Downsample? downsampler;

    public DownBlock(LayerContext context, ParameterScope scope, UNetConfig config, int index, int inputs) : base(context)
    {
        int channels = config.BlockOutChannels[index];
        resnets = new ResBlock[config.LayersPerBlock];
        attentions = new SpatialTransformer?[config.LayersPerBlock];
        for (int i = 0; i < resnets.Length; i++)
        {
            resnets[i] = new(context, scope["resnets"][i], i == 0 ? inputs : channels, channels, config.TimeEmbeddingDim, config.NormGroups, config.NormEps);
            if (config.DownAttention[index])
                attentions[i] = new(context, scope["attentions"][i], channels, config.CrossAttentionDim, config.Heads[index],
                    config.NormGroups, config.TransformerLayers, config.UseLinearProjection);
        }
        if (index < config.BlockOutChannels.Count - 1) downsampler = new(context, scope["downsamplers.0"], channels, config.DownsamplePadding);
    }

    /// <summary>Reads the top of the stack and pushes every result; the stack owns them all.</summary>
    public void Forward(Tensor time, Tensor text, SkipStack skips)
    {
        for (int i = 0; i < resnets.Length; i++)
        {
            var h = resnets[i].Forward(skips.Top, time);
            if (attentions[i] is { } attention)
            {
                var attended = attention.Forward(h, text);
                Arena.Release(h);
                h = attended;
            }
            skips.Push(h);
        }
        if (downsampler is not null) skips.Push(downsampler.Forward(skips.Top));
    }

    /// <summary>
    /// dX comes in as the gradient of the last result, without its part as a skip; each result's part as a skip is on the
    /// stack. Returns the gradient of the block's input, without that input's part as a skip.
    /// </summary>
    public Tensor Backward(Tensor dX, Tensor dTime, Tensor dText, SkipStack dSkips)
    {
        if (downsampler is not null)
        {
            AddInto(dX, dSkips.Pop());
            var d = downsampler.Backward(dX);
            Arena.Release(dX);
            dX = d;
        }
        for (int i = resnets.Length - 1; i >= 0; i--)
        {
            AddInto(dX, dSkips.Pop());
            if (attentions[i] is { } attention)
            {
                var dAttended = attention.Backward(dX, dText);
                Arena.Release(dX);
                dX = dAttended;
            }
            var d = resnets[i].Backward(dX, dTime);
            Arena.Release(dX);
            dX = d;
        }
        return dX;
    }
}

/// <summary>The coarsest resolution: residual block, transformer, residual block.</summary>
sealed class MidBlock : Layer
{
    readonly ResBlock first, last;
    readonly SpatialTransformer attention;

    public MidBlock(LayerContext context, ParameterScope scope, UNetConfig config) : base(context)
    {
        int channels = config.BlockOutChannels[^1];
        first = new(context, scope["resnets.0"], channels, channels, config.TimeEmbeddingDim, config.NormGroups, config.NormEps);
        attention = new(context, scope["attentions.0"], channels, config.CrossAttentionDim, config.Heads[^1],
            config.NormGroups, config.TransformerLayers, config.UseLinearProjection);
        last = new(context, scope["resnets.1"], channels, channels, config.TimeEmbeddingDim, config.NormGroups, config.NormEps);
    }

    public Tensor Forward(Tensor x, Tensor time, Tensor text)
    {
        var h = first.Forward(x, time);
        var attended = attention.Forward(h, text);
        Arena.Release(h);
        var y = last.Forward(attended, time);
        Arena.Release(attended);
        return y;
    }

    public Tensor Backward(Tensor dY, Tensor dTime, Tensor dText)
    {
        var dAttended = last.Backward(dY, dTime);
        var dH = attention.Backward(dAttended, dText);
        Arena.Release(dAttended);
        var dX = first.Backward(dH, dTime);
        Arena.Release(dH);
        return dX;
    }
}

/// <summary>One resolution on the way up: skips joined to residual blocks, transformers, then the upsampler.</summary>
sealed class UpBlock : Layer
{
    readonly ResBlock[] resnets;
    readonly SpatialTransformer?[] attentions;
    readonly Upsample? upsampler;
    readonly int[] widths;

    public UpBlock(LayerContext context, ParameterScope scope, UNetConfig config, int index) : base(context)
    {
        int levels = config.BlockOutChannels.Count, level = levels - 1 - index;
        int channels = config.BlockOutChannels[level];
        int before = config.BlockOutChannels[Math.Min(level + 1, levels - 1)], below = config.BlockOutChannels[Math.Max(level - 1, 0)];
        int count = config.LayersPerBlock + 1;
        resnets = new ResBlock[count];
        attentions = new SpatialTransformer?[count];
        widths = new int[count];
        for (int i = 0; i < count; i++)
        {
            widths[i] = i == 0 ? before : channels;
            int skip = i == count - 1 ? below : channels;
            resnets[i] = new(context, scope["resnets"][i], widths[i] + skip, channels, config.TimeEmbeddingDim, config.NormGroups, config.NormEps);
            if (config.UpAttention[index])
                attentions[i] = new(context, scope["attentions"][i], channels, config.CrossAttentionDim, config.Heads[level],
                    config.NormGroups, config.TransformerLayers, config.UseLinearProjection);
        }
        if (index < levels - 1) upsampler = new(context, scope["upsamplers.0"], channels);
    }

    /// <summary>Takes over x and the skips that it pops.</summary>
    public Tensor Forward(Tensor x, Tensor time, Tensor text, SkipStack skips)
    {
        for (int i = 0; i < resnets.Length; i++)
        {
            var skip = skips.Pop();
            var joined = Arena.Rent(x.Type, x[0], x[1], x[2], x.Channels + skip.Channels);
            Ops.ConcatForward(x, skip, joined);
            Arena.Release(x);
            Arena.Release(skip);
            x = resnets[i].Forward(joined, time);
            Arena.Release(joined);
            if (attentions[i] is { } attention)
            {
                var attended = attention.Forward(x, text);
                Arena.Release(x);
                x = attended;
            }
        }
        if (upsampler is null) return x;
        // the size of the next skip: twice this, except where a side is odd
        var larger = upsampler.Forward(x, skips.Top[1], skips.Top[2]);
        Arena.Release(x);
        return larger;
    }

    /// <summary>Takes over dY; pushes the gradients of the skips.</summary>
    public Tensor Backward(Tensor dY, Tensor dTime, Tensor dText, SkipStack dSkips)
    {
        if (upsampler is not null)
        {
            var d = upsampler.Backward(dY);
            Arena.Release(dY);
            dY = d;
        }
        for (int i = resnets.Length - 1; i >= 0; i--)
        {
            if (attentions[i] is { } attention)
            {
                var d = attention.Backward(dY, dText);
                Arena.Release(dY);
                dY = d;
            }
            var dJoined = resnets[i].Backward(dY, dTime);
            Arena.Release(dY);
            dY = Arena.Rent(dJoined.Type, dJoined[0], dJoined[1], dJoined[2], widths[i]);
            var dSkip = Arena.Rent(dJoined.Type, dJoined[0], dJoined[1], dJoined[2], dJoined.Channels - widths[i]);
            Ops.ConcatBackward(dJoined, dY, dSkip);
            Arena.Release(dJoined);
            dSkips.Push(dSkip);
        }
        return dY;
    }
}
