using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Numerics;
using System.Text;
using CommonCanvas.Data;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>Host memory for a batch of pictures; used again and again.</summary>
/// <param name="size">Pictures.</param>
/// <param name="resolution">Side in pixels.</param>
public sealed class PictureBatch(int size, int resolution)
{
    /// <summary>Pictures in a batch.</summary>
    public int Size => size;

    /// <summary>Numbers per picture.</summary>
    public int PictureSize { get; } = resolution * resolution * 3;

    /// <summary>Values in [-1, 1], NHWC.</summary>
    public float[] Pixels { get; } = new float[checked(size * resolution * resolution * 3)];

    /// <summary>Number of the first sample in the run's stream.</summary>
    public long Position { get; set; }
}

/// <summary>
/// Pictures as an endless shuffled stream with a held-out part, decoded and cropped on several threads as they are needed.
/// The names are listed at the start, no picture is opened before its turn; one that cannot be used is noted once and
/// another takes its place, always the same, so what a batch holds depends on the files alone. Crops stay in memory as far
/// as <see cref="CropMemory"/> allows, so that a small set is decoded only once.
/// </summary>
public sealed class PictureDataset
{
    readonly PictureSample[] samples;
    readonly PictureLoader loader;
    readonly SampleOrder order;
    readonly ulong seed;
    readonly bool flip;
    readonly SkipLog? skipLog;
    readonly ParallelOptions parallel;
    readonly ConcurrentDictionary<int, bool> unusable = new();
    readonly CropMemory crops = new();
    readonly int stride;

    /// <summary>Lists the source.</summary>
    /// <param name="source">Where the pictures are.</param>
    /// <param name="loader">How they are cropped.</param>
    /// <param name="seed">Seed of order and flips.</param>
    /// <param name="heldOut">Share set aside for the validation loss.</param>
    /// <param name="flip">Whether half of the pictures are mirrored.</param>
    /// <param name="skipLog">Takes what cannot be used, and knows what an earlier part of the run could not; null: nobody is told.</param>
    /// <param name="threads">Threads that decode; 0 for one on each core.</param>
    public PictureDataset(IPictureSource source, PictureLoader loader, ulong seed, double heldOut = 0, bool flip = false, SkipLog? skipLog = null, int threads = 0)
    {
        if (heldOut is < 0 or >= 1) throw new ArgumentException($"a share of {heldOut} is held out; it must be in [0, 1)");
        (this.loader, this.seed, this.flip, this.skipLog) = (loader, seed, flip, skipLog);
        samples = [.. source.Read()];
        if (samples.Length == 0) throw new InvalidDataException($"{source.Location}: has no pictures; PNG, JPEG, WebP and GIF are read");
        order = new SampleOrder(samples.Length, (long)(heldOut * samples.Length), seed);
        stride = Stride(samples.Length);
        foreach (long known in skipLog?.Indices ?? []) if (known < samples.Length) unusable[(int)known] = true;
        parallel = new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : Environment.ProcessorCount };
        Location = source.Location;
        var names = new XxHash64();
        foreach (var sample in samples) names.Append(Encoding.UTF8.GetBytes(sample.Key + "\n"));
        Identity = $"{TrainingCount} pictures, names {Convert.ToHexStringLower(names.GetCurrentHash())}";
    }

    /// <summary>Where the pictures are.</summary>
    public string Location { get; }

    /// <summary>Tells these pictures from others: how many are trained on, and a digest of all names in their order.</summary>
    public string Identity { get; }

    /// <summary>Side in pixels.</summary>
    public int Resolution => loader.Size;

    /// <summary>Pictures that are trained on, unusable ones included.</summary>
    public int TrainingCount => order.TrainingCount;

    /// <summary>Pictures set aside.</summary>
    public int HeldOutCount => order.HeldOutCount;

    /// <summary>Memory for a batch.</summary>
    /// <exception cref="ArgumentException">It is more than an array holds.</exception>
    public PictureBatch NewBatch(int size) => (long)size * loader.Size * loader.Size * 3 <= Array.MaxLength ? new(size, loader.Size)
        : throw new ArgumentException($"a batch of {size} pictures of {loader.Size}x{loader.Size} is more than an array holds; take a batch size of at most {Array.MaxLength / (loader.Size * loader.Size * 3)}");

    /// <summary>Loads the pictures from a place of the stream on.</summary>
    public void Fill(PictureBatch batch, long position)
    {
        batch.Position = position;
        // The orders of epochs are made here, on one thread; the threads below only read.
        var places = new int[batch.Size];
        for (int b = 0; b < places.Length; b++) places[b] = order.At(position + b);
        LoadAll(places.Length, b =>
        {
            var to = batch.Pixels.AsSpan(b * batch.PictureSize, batch.PictureSize);
            if (!LoadOrNext(places[b], to)) return false;
            if (flip && Philox.Uniform(new RandomKey(seed, RandomPurpose.Augment, (ulong)(position + b), 0)) < 0.5f) Mirror(to, loader.Size);
            return true;
        });
    }

    /// <summary>Loads held-out pictures.</summary>
    public void FillHeldOut(PictureBatch batch, int start, int count)
    {
        batch.Position = start;
        LoadAll(count, b => LoadOrNext(order.HeldOut(start + b), batch.Pixels.AsSpan(b * batch.PictureSize, batch.PictureSize), heldOut: true));
    }

    /// <summary>Key, licence and attribution of each sample that was used for the first places of the stream.</summary>
    public IEnumerable<Attribution> Attributions(long positions) => order.Seen(positions)
        .Select(i => Candidates(i, heldOut: false).FirstOrDefault(c => !unusable.ContainsKey(c), -1)).Where(i => i >= 0).Distinct().Order()
        .Select(i => new Attribution(samples[i].Key, samples[i].Licence ?? "", samples[i].Attribution ?? ""));

    // Threads that find nothing say so together, when all that was skipped has been counted.
    void LoadAll(int count, Func<int, bool> load)
    {
        int empty = 0;
        Parallel.For(0, count, parallel, b =>
        {
            if (!load(b)) Interlocked.Increment(ref empty);
        });
        if (empty > 0) throw new InvalidDataException($"{Location}: no picture can be used; {skipLog?.Summary() ?? "none can be decoded"}");
    }

    bool LoadOrNext(int first, Span<float> to, bool heldOut = false)
    {
        foreach (int i in Candidates(first, heldOut))
            if (Load(i, to)) return true;
        return false;
    }

    // A sample and its substitutes, on the same side of the division. Bad pictures often are neighbours (a folder of icons that
    // are all too small); by strides their substitutes are as many different pictures, where the next good one would stand for all.
    IEnumerable<int> Candidates(int first, bool heldOut)
    {
        yield return first;
        for (int tries = 1; tries < samples.Length; tries++)
        {
            int i = (int)((first + (long)tries * stride) % samples.Length);
            if (order.IsHeldOut(i) == heldOut) yield return i;
        }
    }

    // Near the golden ratio, which spreads best, and without a common divisor with the count, so that every sample is reached.
    static int Stride(int count)
    {
        int stride = Math.Max(1, (int)(count * 0.6180339887));
        while (BigInteger.GreatestCommonDivisor(stride, count) != 1) stride++;
        return stride;
    }

    bool Load(int i, Span<float> to)
    {
        if (unusable.ContainsKey(i)) return false;
        if (crops.TryGet(i, to)) return true;
        try
        {
            loader.Load(samples[i], to);
            crops.Add(i, to);
            return true;
        }
        catch (PictureException why)
        {
            if (unusable.TryAdd(i, true)) skipLog?.Add(i, samples[i].Key, why);
            return false;
        }
    }

    static void Mirror(Span<float> picture, int side)
    {
        for (int y = 0; y < side; y++)
            for (int left = 0, right = side - 1; left < right; left++, right--)
                for (int c = 0; c < 3; c++)
                    (picture[(y * side + left) * 3 + c], picture[(y * side + right) * 3 + c]) = (picture[(y * side + right) * 3 + c], picture[(y * side + left) * 3 + c]);
    }
}
