using CommonCanvas.Models;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

public sealed class SafetensorsFolderTests : IDisposable
{
    readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Shards_are_read_as_one()
    {
        Shard("model-00001-of-00002.safetensors", "a", 1);
        Shard("model-00002-of-00002.safetensors", "b", 2);
        Index("""{"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}""");
        using var read = SafetensorsFolder.Open(folder.Path);
        Assert.Equal(["a", "b"], read.Names);
        Assert.Equal([1f], read.ReadFloats("a"));
        Assert.Equal([2f], read.ReadFloats("b"));
        Assert.False(read.Has("c"));
        Assert.Throws<KeyNotFoundException>(() => read.Entry("c"));
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"s1.safetensors","b":"s1.safetensors"}}""", "does not hold it")]
    [InlineData("""{"weight_map":{"a":"s1.safetensors"}}""", null)]
    [InlineData("""{"weight_map":{"b":"s2.safetensors"}}""", "not listed")]
    [InlineData("""{"weight_map":{"a":"../s1.safetensors"}}""", "plain file name")]
    [InlineData("""{"weight_map":{"a":"/etc/passwd"}}""", "plain file name")]
    [InlineData("""{"weight_map":{"a":"x\\s1.safetensors"}}""", "plain file name")]
    [InlineData("""{"weight_map":{"a":"s1.safetensors","a":"s1.safetensors"}}""", "JSON")]
    [InlineData("""{"weight_map":{"a":1}}""", "not a string")]
    [InlineData("""{"weight_map":[]}""", "weight_map")]
    [InlineData("""[]""", "object")]
    [InlineData("""{"weight_map":{"a":""", "JSON")]
    [InlineData("""{"weight_map":{"a":"pytorch_model.bin"}}""", "pickle")]
    public void An_index_that_disagrees_with_its_shards_is_refused(string index, string? reason)
    {
        Shard("s1.safetensors", "a", 1);
        SafetensorsWriter.Write(folder["s2.safetensors"], [SafetensorsItem.Floats("b", [1], [1]), SafetensorsItem.Floats("c", [1], [1])]);
        File.WriteAllBytes(folder["pytorch_model.bin"], [0x80, 2]);
        Index(index);
        if (reason is null)
        {
            using var read = SafetensorsFolder.Open(folder["model.safetensors.index.json"]);
            Assert.Equal(["a"], read.Names);
            return;
        }
        var error = Assert.Throws<InvalidDataException>(() => SafetensorsFolder.Open(folder["model.safetensors.index.json"]));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_shard_is_named()
    {
        Index("""{"weight_map":{"a":"s1.safetensors"}}""");
        Assert.Contains("s1.safetensors", Assert.Throws<FileNotFoundException>(() => SafetensorsFolder.Open(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("diffusion_pytorch_model.safetensors")]
    [InlineData("diffusion_pytorch_model.fp16.safetensors")]
    [InlineData("model.safetensors")]
    [InlineData("model.fp16.safetensors")]
    public void Weights_are_found_under_their_usual_names(string name)
    {
        Shard(name, "a", 1);
        Assert.Equal(folder[name], WeightsFile.Locate(folder.Path));
        File.Copy(folder[name], folder["other.safetensors"]);
        Assert.Equal(folder["other.safetensors"], WeightsFile.Locate(folder.Path, "other"));
    }

    [Theory]
    [InlineData("diffusion_pytorch_model.bin")]
    [InlineData("v2-1.ckpt")]
    [InlineData("model.PT")]
    [InlineData("model.pth")]
    public void Pickles_are_refused_with_the_remedy(string name)
    {
        File.WriteAllBytes(folder[name], [0x80, 2]);
        foreach (Action open in (Action[])[() => WeightsFile.Locate(folder.Path), () => SafetensorsFolder.Open(folder[name])])
        {
            string message = Assert.Throws<InvalidDataException>(open).Message;
            Assert.Contains(folder[name], message, StringComparison.Ordinal);
            Assert.Contains("safetensors", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_empty_folder_says_what_was_looked_for()
    {
        string message = Assert.Throws<FileNotFoundException>(() => WeightsFile.Locate(folder.Path)).Message;
        foreach (string name in (string[])["diffusion_pytorch_model.safetensors", "model.fp16.safetensors", "model.safetensors.index.json"])
            Assert.Contains(name, message, StringComparison.Ordinal);
        Assert.Throws<DirectoryNotFoundException>(() => WeightsFile.Locate(folder["none"]));
    }

    void Shard(string name, string tensor, float value) => SafetensorsWriter.Write(folder[name], [SafetensorsItem.Floats(tensor, [1], [value])]);

    void Index(string json) => File.WriteAllText(folder["model.safetensors.index.json"], json);
}
