using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Vectors of which only the first lanes exist in memory: the ends of rows.</summary>
internal static unsafe class Part
{
    /// <summary>The first <paramref name="count"/> lanes; the others are zero.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static TV Load<TV, S>(float* p, nint count) where TV : struct where S : struct, ILanes<TV>
    {
        float* lanes = stackalloc float[16];
        for (nint i = 0; i < count; i++) lanes[i] = p[i];
        for (nint i = count; i < S.Width; i++) lanes[i] = 0;
        return S.Load(lanes);
    }

    /// <summary>Stores the first <paramref name="count"/> lanes.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Store<TV, S>(TV v, float* p, nint count) where TV : struct where S : struct, ILanes<TV>
    {
        float* lanes = stackalloc float[16];
        S.Store(v, lanes);
        for (nint i = 0; i < count; i++) p[i] = lanes[i];
    }
}
