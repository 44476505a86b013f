using System.Globalization;

namespace CommonCanvas.Data;

/// <summary>
/// Pictures in MDS shards, as mosaicml/diffusion prepares them: the file's bytes in the column <c>jpg</c>, <c>jpeg</c>,
/// <c>png</c>, <c>webp</c> or <c>image</c>, the caption in <c>text</c> or <c>caption</c>, licence and attribution in
/// columns named as in other metadata. The column <c>key</c>, where there is one, names the sample; else its number does.
/// </summary>
/// <param name="folder">A folder with <c>index.json</c>.</param>
/// <param name="licence">Licence of samples that name none, or null.</param>
public sealed class MdsPictureReader(string folder, string? licence = null) : IPictureSource
{
    static readonly string[] PictureColumns = ["jpg", "jpeg", "png", "webp", "image"];

    /// <inheritdoc/>
    public string Location => folder;

    /// <inheritdoc/>
    public IEnumerable<PictureSample> Read(long start = 0)
    {
        using var reader = new MdsReader(folder);
        for (long i = start; i < reader.Count; i++) yield return Sample(i, reader.Read(i));
    }

    /// <inheritdoc/>
    public long Count()
    {
        using var reader = new MdsReader(folder);
        return reader.Count;
    }

    PictureSample Sample(long number, MdsSample sample)
    {
        var texts = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (MdsColumn column in sample.Columns)
            if (column.Encoding.Text == "str") texts[column.Name] = sample.Text(column.Name);
        string key = texts.TryGetValue("key", out string? named) && named.Length > 0 ? named : number.ToString(CultureInfo.InvariantCulture);
        MdsColumn? picture = sample.Columns.FirstOrDefault(c => PictureColumns.Contains(c.Name) && c.Encoding.Text is "bytes" or "jpeg" or "png");
        if (picture is null) return new PictureSample(key, SkipReason.NoPicture, $"the shards have no column {string.Join(", ", PictureColumns)} with a picture file's bytes");
        SampleFields fields = SampleFields.From(texts);
        ReadOnlyMemory<byte> bytes = sample.Bytes(picture.Name);
        return new PictureSample(key, fields.Caption, fields.Licence ?? licence, fields.Attribution, () => bytes.ToArray());
    }
}
