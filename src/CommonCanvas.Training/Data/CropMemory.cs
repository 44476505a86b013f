using System.Collections.Concurrent;

namespace CommonCanvas.Training;

/// <summary>
/// Crops of pictures by sample, kept as the bytes that they were made from, up to a number of bytes in all: decoding a
/// large picture takes longer than a small model's step. Use from many threads.
/// </summary>
/// <param name="limit">Bytes in all.</param>
public sealed class CropMemory(long limit = CropMemory.DefaultLimit)
{
    /// <summary>256 MiB: 22,000 pictures of 64 x 64.</summary>
    public const long DefaultLimit = 256L << 20;

    readonly ConcurrentDictionary<int, byte[]> crops = new();
    long used;

    /// <summary>Keeps a crop while there is room.</summary>
    /// <param name="sample">Number of the sample.</param>
    /// <param name="values">The bytes p as (p - 127.5) / 127.5, as <see cref="Data.PictureCrop.Square"/> gives them.</param>
    public void Add(int sample, ReadOnlySpan<float> values)
    {
        if (Interlocked.Read(ref used) + values.Length > limit) return;
        var bytes = new byte[values.Length];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)MathF.Round(values[i] * 127.5f + 127.5f);
        if (crops.TryAdd(sample, bytes)) Interlocked.Add(ref used, bytes.Length);
    }

    /// <summary>Gives a kept crop, with the bits that it was kept with.</summary>
    public bool TryGet(int sample, Span<float> values)
    {
        if (!crops.TryGetValue(sample, out byte[]? bytes)) return false;
        for (int i = 0; i < bytes.Length; i++) values[i] = (bytes[i] - 127.5f) / 127.5f;
        return true;
    }
}
