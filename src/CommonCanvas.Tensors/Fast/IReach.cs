using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// How a kernel reaches the vectors of a row. It is written once and compiled twice: for <see cref="Whole{TV, S}"/> vectors
/// without a call, and for the <see cref="Rest{TV, S}"/> at the row's end.
/// </summary>
/// <remarks>TRIED: both in one loop. Calls preserve no vector register, so all that the loop needs lay in memory: a gradient of LayerNorm took 2x to 4x.</remarks>
internal unsafe interface IReach<TV> where TV : struct
{
    TV Load(float* p);
    void Store(TV v, float* p);
}

/// <summary>A whole vector.</summary>
internal readonly unsafe struct Whole<TV, S> : IReach<TV> where TV : struct where S : struct, ILanes<TV>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TV Load(float* p) => S.Load(p);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(TV v, float* p) => S.Store(v, p);
}

/// <summary>The first <paramref name="count"/> lanes of a vector.</summary>
internal readonly unsafe struct Rest<TV, S>(nint count) : IReach<TV> where TV : struct where S : struct, ILanes<TV>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TV Load(float* p) => Part.Load<TV, S>(p, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(TV v, float* p) => Part.Store<TV, S>(v, p, count);
}
