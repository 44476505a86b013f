using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace CommonCanvas.Training.Tests;

public class PngWriterTests
{
    [Fact]
    public void Pixels_and_texts_read_back()
    {
        byte[] pixels = [.. Enumerable.Range(0, 5 * 3 * 3).Select(i => (byte)(i * 37))];
        byte[] png = PngWriter.Encode(pixels, 5, 3, [new("parameters", "a red circle, ü, seed 7")]);
        var chunks = Chunks(png);
        Assert.Equal(["IHDR", "iTXt", "IDAT", "IEND"], chunks.Select(c => c.Type));
        Assert.EndsWith("a red circle, ü, seed 7", Encoding.UTF8.GetString(chunks[1].Data));
        using var zlib = new ZLibStream(new MemoryStream(chunks[2].Data), CompressionMode.Decompress);
        var rows = new MemoryStream();
        zlib.CopyTo(rows);
        byte[] raw = rows.ToArray();
        Assert.Equal(3 * 16, raw.Length);
        var back = new byte[pixels.Length];
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < 15; x++) back[y * 15 + x] = (byte)(raw[y * 16 + 1 + x] + (y == 0 ? 0 : back[(y - 1) * 15 + x]));
        Assert.Equal(pixels, back);
    }

    [Fact]
    public void Grid_places_pictures_in_reading_order()
    {
        RgbPicture Plain(byte value) => new([.. Enumerable.Repeat(value, 2 * 2 * 3)], 2, 2);
        var grid = SampleGrid.Compose([Plain(10), Plain(20), Plain(30)], columns: 2, gap: 1);
        Assert.Equal((5, 5), (grid.Width, grid.Height));
        byte At(int x, int y) => grid.Pixels[(y * 5 + x) * 3];
        Assert.Equal((10, 255, 20, 30, 255), (At(0, 0), At(2, 0), At(3, 1), At(1, 4), At(4, 4)));
    }

    [Fact]
    public void Signed_values_are_rounded_and_clamped() =>
        Assert.Equal([0, 255, 128, 0, 255, 64], RgbPicture.FromSigned([-1, 1, 0.002f, -7, 9, -0.498f], 2, 1).Pixels);

    static List<(string Type, byte[] Data)> Chunks(byte[] png)
    {
        var chunks = new List<(string, byte[])>();
        for (int at = 8; at < png.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at));
            var body = png.AsSpan(at + 4, length + 4);
            Assert.Equal(System.IO.Hashing.Crc32.HashToUInt32(body), BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(at + 8 + length)));
            chunks.Add((Encoding.ASCII.GetString(body[..4]), body[4..].ToArray()));
            at += 12 + length;
        }
        return chunks;
    }
}
