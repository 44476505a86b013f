using System.Buffers.Binary;
using CommonCanvas.Training.Events;

namespace CommonCanvas.Training.Tests;

public class TensorBoardWriterTests
{
    // Check values of CRC-32C: RFC 3720, appendix B.4, and the usual "123456789".
    [Fact]
    public void Crc_matches_published_values()
    {
        Assert.Equal(0xE3069283u, TfRecord.Crc32C("123456789"u8));
        Assert.Equal(0x8A9136AAu, TfRecord.Crc32C(new byte[32]));
        Assert.Equal(0x46DD794Eu, TfRecord.Crc32C([.. Enumerable.Range(0, 32).Select(i => (byte)i)]));
    }

    [Fact]
    public void Records_read_back_with_valid_sums()
    {
        using var folder = new TempFolder();
        using (var writer = new TensorBoardWriter(folder.Path, firstStep: 41))
        {
            writer.Scalars(41, [new("loss", 0.25), new("lr", 1e-4)]);
            writer.Image(41, "samples", [1, 2, 3], 8, 4);
        }
        var events = Read(Assert.Single(Directory.GetFiles(folder.Path)));
        Assert.Equal("brain.Event:2", events[0].FileVersion);
        Assert.Equal(SessionLog.Types.Status.Start, events[1].SessionLog.Status);
        Assert.Equal(41, events[1].Step);
        Assert.Equal(["loss", "lr"], events[2].Summary.Value.Select(v => v.Tag));
        Assert.Equal(0.25f, events[2].Summary.Value[0].SimpleValue);
        Assert.Equal((8, 4), (events[3].Summary.Value[0].Image.Width, events[3].Summary.Value[0].Image.Height));
        Assert.Equal([1, 2, 3], events[3].Summary.Value[0].Image.EncodedImageString.ToByteArray());
    }

    // The bytes that TensorBoard's own reader expects of the first record, by hand from the format.
    [Fact]
    public void Field_numbers_are_TensorBoards()
    {
        var scalar = new Event { WallTime = 1, Step = 2, Summary = new Summary { Value = { new Summary.Types.Value { Tag = "a", SimpleValue = 1 } } } };
        byte[] expected = [0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0x10, 2, 0x2A, 10, 0x0A, 8, 0x0A, 1, (byte)'a', 0x15, 0, 0, 0x80, 0x3F];
        Assert.Equal(expected, Google.Protobuf.MessageExtensions.ToByteArray(scalar));
    }

    static List<Event> Read(string path)
    {
        byte[] all = File.ReadAllBytes(path);
        var events = new List<Event>();
        for (int at = 0; at < all.Length;)
        {
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(all.AsSpan(at));
            Assert.Equal(TfRecord.MaskedCrc(all.AsSpan(at, 8)), BinaryPrimitives.ReadUInt32LittleEndian(all.AsSpan(at + 8)));
            var data = all.AsSpan(at + 12, length);
            Assert.Equal(TfRecord.MaskedCrc(data), BinaryPrimitives.ReadUInt32LittleEndian(all.AsSpan(at + 12 + length)));
            events.Add(Event.Parser.ParseFrom(data));
            at += 16 + length;
        }
        return events;
    }
}
