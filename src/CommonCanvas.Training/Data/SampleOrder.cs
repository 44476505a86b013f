using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// Which sample of a data set stands at which place of a run's endless stream: a held-out part is set aside once, the
/// rest is shuffled anew in every epoch. Both come from counters alone, so any place can be named without walking there,
/// and a run that stops within an epoch goes on within it.
/// </summary>
public sealed class SampleOrder
{
    // The held-out part is the same for every seed, so that runs can be compared; its key's sample number keeps it apart from the epochs'.
    const ulong HeldOutKey = 1;

    readonly ulong seed;
    readonly int[] training, heldOut;
    int[] order = [];
    long orderOfEpoch = -1;

    /// <summary>Divides a data set.</summary>
    /// <param name="count">Samples in it.</param>
    /// <param name="heldOutCount">Samples to set aside.</param>
    /// <param name="seed">Seed of the epochs' orders.</param>
    public SampleOrder(long count, long heldOutCount, ulong seed)
    {
        if (count is < 1 or > int.MaxValue) throw new ArgumentException($"a data set of {count} samples; it must have 1 to {int.MaxValue}");
        if (heldOutCount < 0 || heldOutCount >= count) throw new ArgumentException($"{heldOutCount} of {count} samples held out; at least one must be left to train on");
        this.seed = seed;
        int[] all = Philox.Permutation(new RandomKey(0, RandomPurpose.Shuffle, HeldOutKey, 0), (int)count);
        heldOut = all[..(int)heldOutCount];
        training = all[(int)heldOutCount..];
        Array.Sort(heldOut);
        Array.Sort(training);
    }

    /// <summary>Samples that are trained on: the length of an epoch.</summary>
    public int TrainingCount => training.Length;

    /// <summary>Samples set aside.</summary>
    public int HeldOutCount => heldOut.Length;

    /// <summary>The sample set aside at place <paramref name="i"/>.</summary>
    public int HeldOut(int i) => heldOut[i];

    /// <summary>Whether a sample is set aside.</summary>
    public bool IsHeldOut(int sample) => Array.BinarySearch(heldOut, sample) >= 0;

    /// <summary>The sample at a place of the stream; calls walk forward mostly, one epoch's order is remembered.</summary>
    public int At(long position)
    {
        long epoch = position / training.Length;
        if (epoch != orderOfEpoch)
        {
            order = Philox.Permutation(new RandomKey(seed, RandomPurpose.Shuffle, 0, checked((uint)epoch)), training.Length);
            orderOfEpoch = epoch;
        }
        return training[order[(int)(position % training.Length)]];
    }

    /// <summary>The samples that lie in the first <paramref name="positions"/> places, ascending.</summary>
    public IEnumerable<int> Seen(long positions)
    {
        if (positions >= training.Length) return training;
        int[] first = Philox.Permutation(new RandomKey(seed, RandomPurpose.Shuffle, 0, 0), training.Length)[..(int)positions];
        Array.Sort(first);
        return first.Select(i => training[i]);
    }
}
