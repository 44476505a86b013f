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

    // Values from one token to the next in q, in k and v, in y and dY, in dQ, in dK and dV.
    public nint QueryPitch, KeyPitch, ResultPitch, QuerySlopePitch, KeySlopePitch;

    /// <summary>Where a head of a sample starts in a tensor of queries.</summary>
    public readonly nint QueryStart(nint unit, nint pitch) => unit / Heads * Queries * pitch + unit % Heads * Size;

    /// <summary>Where a head of a sample starts in a tensor of keys.</summary>
    public readonly nint KeyStart(nint unit, nint pitch) => unit / Heads * Keys * pitch + unit % Heads * Size;
}
