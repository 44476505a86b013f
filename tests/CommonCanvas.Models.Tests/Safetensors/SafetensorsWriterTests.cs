using CommonCanvas.Models;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

public sealed class SafetensorsWriterTests : IDisposable
{
    readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    [Trait("Category", "Golden")]
    public void Files_of_the_reference_implementation_are_reproduced_byte_for_byte()
    {
        string copy = folder["copy.safetensors"];
        int files = 0;
        foreach (string path in Directory.EnumerateFiles(Golden.Require(), "*.safetensors", SearchOption.AllDirectories))
        {
            using (var file = new SafetensorsFile(path))
                SafetensorsWriter.Write(copy, file.Names.Reverse().Select(n =>
                    SafetensorsItem.Raw(n, file.Entry(n).Type, file.Entry(n).Shape, () => file.Bytes(n))), file.Metadata);
            Assert.True(File.ReadAllBytes(path).AsSpan().SequenceEqual(File.ReadAllBytes(copy)), path);
            files++;
        }
        Assert.NotEqual(0, files);
    }

    [Fact]
    public void A_failure_leaves_the_old_file_and_no_other()
    {
        string path = folder["a.safetensors"];
        SafetensorsWriter.Write(path, [SafetensorsItem.Floats("x", [2], [1, 2])]);
        byte[] before = File.ReadAllBytes(path);
        Assert.Throws<NotSupportedException>(() => SafetensorsWriter.Write(path, [SafetensorsItem.Floats("x", [2], () => throw new NotSupportedException())]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [SafetensorsItem.Floats("x", [3], [1, 2])]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [SafetensorsItem.Floats("x", [1], [1]), SafetensorsItem.Floats("x", [1], [1])]));
        var error = Assert.Throws<IOException>(() => SafetensorsWriter.Write(path, [SafetensorsItem.Floats("x", [2], () => throw new IOException("No space left on device"))]));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(path));
        Assert.Equal([path], Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Metadata_says_pt_unless_told_otherwise()
    {
        string path = folder["a.safetensors"];
        SafetensorsWriter.Write(path, [SafetensorsItem.Floats("x", [2], [1, 2])]);
        using var file = new SafetensorsFile(path);
        Assert.Equal("pt", file.Metadata["format"]);
    }
}
