namespace CommonCanvas.Emulator.Execution;

/// <summary>A permutation of 0 .. count-1 that a seed picks; seed 0 is the identity. It takes no memory, so a grid may have any size.</summary>
internal readonly struct Permutation
{
    readonly long count, factor, offset;

    /// <summary>The permutation i -> (factor i + offset) mod count, with a factor that has no divisor in common with the count.</summary>
    public Permutation(ulong seed, long count)
    {
        (this.count, factor, offset) = (Math.Max(count, 1), 1, 0);
        if (seed == 0 || count < 2) return;
        offset = (long)(Mix(ref seed) % (ulong)count);
        // index * factor stays below 2^63, also for the largest grid
        long most = Math.Min(count, long.MaxValue / count);
        do factor = 1 + (long)(Mix(ref seed) % (ulong)most);
        while (Divisor(factor, count) != 1);
    }

    /// <summary>Where <paramref name="index"/> goes.</summary>
    public long this[long index] => (long)(((ulong)(index * factor % count) + (ulong)offset) % (ulong)count);

    /// <summary>The next of a sequence of well mixed numbers (splitmix64).</summary>
    public static ulong Mix(ref ulong state)
    {
        ulong z = state += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    static long Divisor(long a, long b)
    {
        while (b != 0) (a, b) = (b, a % b);
        return a;
    }
}
