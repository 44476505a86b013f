using System.IO.Hashing;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using CommonCanvas.Data;

namespace CommonCanvas.Training;

/// <summary>
/// A cache of latents and text embeddings (MDS shards with mosaicml's columns) as an endless shuffled stream with a
/// held-out part. Stored are fp16 numbers in C order, latents channel by channel; they are turned to NHWC on the way in.
/// </summary>
public sealed class LatentDataset : IDisposable
{
    /// <summary>Name of the file beside the shards that holds the empty caption's embedding.</summary>
    public const string EmptyCaptionFile = "empty_caption.f16";

    /// <summary>The column of text embeddings.</summary>
    public const string TextColumn = "caption_latents";

    /// <summary>How shards are read unless the constructor is told otherwise: in random order, so that unpacked ones which memory cannot hold go to a temporary file.</summary>
    public static readonly MdsReaderOptions Reading = new() { SpoolBytes = long.MaxValue };

    readonly MdsReader reader;
    readonly SampleOrder order;
    readonly string column;
    float[]? emptyText;

    /// <summary>Opens a cache.</summary>
    /// <param name="folder">Folder of shards.</param>
    /// <param name="resolution">Which <c>latents_RESOLUTION</c> column to train on.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <param name="heldOut">Share set aside for the validation loss.</param>
    /// <param name="reading">How its shards are read; null: as <see cref="Reading"/> says.</param>
    public LatentDataset(string folder, int resolution, ulong seed, double heldOut = 0, MdsReaderOptions? reading = null)
    {
        Folder = folder;
        reader = new MdsReader(folder, reading ?? Reading);
        try
        {
            column = $"latents_{resolution}";
            if (heldOut is < 0 or >= 1) throw new ArgumentException($"a share of {heldOut} is held out; it must be in [0, 1)");
            if (reader.Count == 0) throw new InvalidDataException($"{folder}: holds no samples; precompute again, and see its skipped.jsonl");
            order = new SampleOrder(reader.Count, (long)(heldOut * reader.Count), seed);
            string index = Path.Combine(folder, "index.json");
            Fingerprint = reader.Metadata is null ? null : CacheFingerprint.FromJson(reader.Metadata, index);
            if (Fingerprint is not null && Fingerprint.Resolution != resolution)
                throw new InvalidDataException($"{folder}: made at resolution {Fingerprint.Resolution}, not {resolution}; precompute again or train at {Fingerprint.Resolution}");
            Measure(resolution);
            Identity = $"{reader.Count} samples, index {Convert.ToHexStringLower(XxHash64.Hash(File.ReadAllBytes(index)))}";
            string empty = Path.Combine(folder, EmptyCaptionFile);
            if (File.Exists(empty))
            {
                emptyText = new float[TextSize];
                Widen(File.ReadAllBytes(empty), emptyText, empty);
            }
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>Where the shards lie.</summary>
    public string Folder { get; }

    /// <summary>Tells this cache from another: its size and a digest of its index, which has the digests of its shards.</summary>
    public string Identity { get; }

    /// <summary>What the cache was made with; null where another program made it.</summary>
    public CacheFingerprint? Fingerprint { get; }

    /// <summary>Whether posteriors are stored and not samples of them.</summary>
    public bool HoldsMoments { get; private set; }

    /// <summary>Channels of a latent.</summary>
    public int LatentChannels { get; private set; }

    /// <summary>Channels as stored: twice as many for posteriors.</summary>
    public int StoredChannels => HoldsMoments ? 2 * LatentChannels : LatentChannels;

    /// <summary>Rows of a latent.</summary>
    public int LatentHeight { get; private set; }

    /// <summary>Columns of a latent.</summary>
    public int LatentWidth => LatentHeight;

    /// <summary>Numbers per latent as stored.</summary>
    public int LatentSize => StoredChannels * LatentHeight * LatentWidth;

    /// <summary>Tokens of a text.</summary>
    public int TextTokens { get; private set; }

    /// <summary>Numbers per token.</summary>
    public int TextWidth { get; private set; }

    /// <summary>Numbers per text.</summary>
    public int TextSize => TextTokens * TextWidth;

    /// <summary>Samples that are trained on.</summary>
    public int TrainingCount => order.TrainingCount;

    /// <summary>Samples set aside.</summary>
    public int HeldOutCount => order.HeldOutCount;

    /// <summary>The empty caption's embedding, which replaces dropped captions.</summary>
    /// <exception cref="InvalidDataException">The cache has none.</exception>
    public ReadOnlySpan<float> EmptyText => emptyText
        ?? throw new InvalidDataException($"{Folder}: has no {EmptyCaptionFile}, the empty caption's embedding; set caption_dropout to 0 or precompute again");

    /// <summary>Memory for a batch.</summary>
    /// <exception cref="ArgumentException">It is more than an array holds.</exception>
    public LatentBatch NewBatch(int size) => (long)size * Math.Max(LatentSize, TextSize) <= Array.MaxLength ? new(size, LatentSize, TextSize)
        : throw new ArgumentException($"a batch of {size} samples of {LatentSize} and {TextSize} numbers is more than an array holds; take a batch size of at most {Array.MaxLength / Math.Max(LatentSize, TextSize)}");

    /// <summary>Reads the samples from a place of the stream on. Samples without a latent at this resolution are replaced by the next that has one.</summary>
    public void Fill(LatentBatch batch, long position)
    {
        int count = batch.Text.Length / TextSize;
        batch.Position = position;
        for (int b = 0; b < count; b++)
        {
            int tries = 0;
            while (!Read(order.At(position + b + tries), batch, b))
                if (++tries > order.TrainingCount) throw new InvalidDataException($"{Folder}: no sample has anything in column {column}");
        }
    }

    /// <summary>Reads held-out samples.</summary>
    public void FillHeldOut(LatentBatch batch, int start, int count)
    {
        batch.Position = start;
        for (int b = 0; b < count; b++)
        {
            int at = start + b, tries = 0;
            while (!Read(order.HeldOut((at + tries) % order.HeldOutCount), batch, b))
                if (++tries > order.HeldOutCount) throw new InvalidDataException($"{Folder}: no held-out sample has anything in column {column}");
        }
    }

    /// <summary>Key, licence and attribution of each sample among the first places of the stream.</summary>
    public IEnumerable<Attribution> Attributions(long positions)
    {
        foreach (int i in order.Seen(positions))
        {
            var sample = reader.Read(i);
            string Text(string name) => sample.Has(name) ? sample.Text(name) : "";
            yield return new Attribution(Text("key"), Text("licence"), Text("attribution"));
        }
    }

    bool Read(int index, LatentBatch batch, int b)
    {
        var sample = reader.Read(index, ref batch.Stored);
        var latent = sample.Bytes(column).Span;
        if (latent.Length == 0) return false;
        if (latent.Length != LatentSize * 2)
            throw new InvalidDataException($"{Folder}: sample {index} has {latent.Length} bytes in column {column}, the first one {LatentSize * 2}");
        float[] planes = batch.Planes;
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(latent), planes);
        var to = batch.LatentOf(b);
        int pixels = LatentHeight * LatentWidth, channels = StoredChannels;
        for (int c = 0; c < channels; c++)
        {
            var plane = planes.AsSpan(c * pixels, pixels);
            for (int p = 0; p < plane.Length; p++) to[p * channels + c] = plane[p];
        }
        RequireFinite(to, $"{Folder}, sample {index}, column {column}");
        Widen(sample.Bytes(TextColumn).Span, batch.TextOf(b), $"{Folder}, sample {index}, column {TextColumn}");
        return true;
    }

    // A cache of this program says its sizes; another's are read off the first sample, by mosaicml's conventions: 8 pixels to a latent, 77 tokens, samples.
    void Measure(int resolution)
    {
        var (latents, text) = FirstSample();
        if (Fingerprint is { } made)
        {
            (HoldsMoments, LatentChannels, LatentHeight) = (made.Moments, made.LatentChannels, made.LatentSide);
            (TextTokens, TextWidth) = (made.TextTokens, made.TextWidth);
        }
        else
        {
            (LatentHeight, TextTokens) = (resolution / 8, 77);
            (LatentChannels, TextWidth) = (latents / Math.Max(1, LatentHeight * LatentWidth), text / TextTokens);
        }
        if (latents == 0 || text == 0 || latents != (long)StoredChannels * LatentHeight * LatentWidth || text != (long)TextTokens * TextWidth)
            throw new InvalidDataException($"{Folder}: columns {column} and {TextColumn} hold {latents} and {text} numbers a sample, not latents of {LatentHeight}x{LatentWidth} and embeddings of {TextTokens} tokens");
    }

    // Numbers in the latent and the text of the first sample that has a latent.
    (int Latents, int Text) FirstSample()
    {
        for (long i = 0; i < reader.Count; i++)
        {
            var sample = reader.Read(i);
            if (sample.Bytes(column).Length > 0) return (sample.Bytes(column).Length / 2, sample.Bytes(TextColumn).Length / 2);
        }
        return (0, 0);
    }

    static void Widen(ReadOnlySpan<byte> bytes, Span<float> to, string where)
    {
        if (bytes.Length != to.Length * 2) throw new InvalidDataException($"{where}: holds {bytes.Length} bytes; {to.Length * 2} are needed; precompute again");
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), to);
        RequireFinite(to, where);
    }

    // Named here; in the model it would be a layer's fault.
    static void RequireFinite(ReadOnlySpan<float> values, string where)
    {
        float largest = TensorPrimitives.MaxMagnitude(values); // not a number where one is none
        if (!float.IsFinite(largest)) throw new InvalidDataException($"{where}: holds {largest}; the model that made it is damaged, or overflowed: precompute again with a sound one");
    }

    /// <inheritdoc/>
    public void Dispose() => reader.Dispose();
}
