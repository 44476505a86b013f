namespace CommonCanvas.Tensors;

/// <summary>The arguments of attention as fp32 addresses, and each thread's working memory.</summary>
internal unsafe struct AttentionJob
{
    public float* Q, K, V, Y, DY, DQ, DK, DV;
    public float* LogSumExp;
    public nint Batch, Heads, Queries, Keys, Size; // Size: values of a head
    public float Scale, ScaleRest; // 1 / sqrt(Size) = Scale + ScaleRest, for exp makes an error of the product grow
    public bool Causal;
    public float* Zeros;
    public byte* Threads;
    public nint Apart;

    /// <summary>Values from one token to the next.</summary>
    public readonly nint Stride => Heads * Size;

    /// <summary>Where a head of a sample starts in q, y and their gradients.</summary>
    public readonly nint QueryStart(nint unit) => unit / Heads * Queries * Stride + unit % Heads * Size;

    /// <summary>Where a head of a sample starts in k, v and their gradients.</summary>
    public readonly nint KeyStart(nint unit) => unit / Heads * Keys * Stride + unit % Heads * Size;
}
