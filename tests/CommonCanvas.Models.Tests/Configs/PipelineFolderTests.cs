using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

public sealed class PipelineFolderTests : IDisposable
{
    readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    [Trait("Category", "Golden")]
    public void Folders_of_diffusers_are_opened()
    {
        foreach (string index in Directory.EnumerateFiles(Golden.Require(), "model_index.json", SearchOption.AllDirectories))
        {
            var pipeline = PipelineFolder.Open(Path.GetDirectoryName(index)!);
            UNetConfig.Load(pipeline.UNet);
            AutoencoderConfig.Load(pipeline.Vae);
            ClipTextConfig.Load(pipeline.TextEncoder);
            SchedulerConfig.Load(pipeline.Scheduler);
        }
    }

    [Fact]
    public void What_is_written_is_opened()
    {
        var pipeline = new PipelineFolder(folder.Path);
        foreach (string part in (string[])[pipeline.UNet, pipeline.Vae, pipeline.TextEncoder, pipeline.Tokenizer, pipeline.Scheduler]) Directory.CreateDirectory(part);
        pipeline.WriteIndex();
        Assert.Equal(pipeline, PipelineFolder.Open(folder.Path));
    }

    [Fact]
    public void Everything_that_is_missing_is_listed()
    {
        Assert.Throws<FileNotFoundException>(() => PipelineFolder.Open(folder.Path));
        new PipelineFolder(folder.Path).WriteIndex();
        string message = Assert.Throws<InvalidDataException>(() => PipelineFolder.Open(folder.Path)).Message;
        foreach (string part in (string[])["unet", "vae", "text_encoder", "tokenizer", "scheduler"]) Assert.Contains($"{part}: the folder", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"_class_name":"StableDiffusionXLPipeline"}""", "StableDiffusionXLPipeline")]
    [InlineData("""{"_class_name":1,"unet":["diffusers",2]}""", "unet = missing")]
    [InlineData("""{"a":1,"a":2}""", "JSON")]
    [InlineData("""{"_class_name":"\ud800"}""", "_class_name = missing")]
    [InlineData("[]", "object")]
    [InlineData("nul", "JSON")]
    public void Another_pipeline_is_refused(string json, string part)
    {
        File.WriteAllText(folder["model_index.json"], json);
        Assert.Contains(part, Assert.Throws<InvalidDataException>(() => PipelineFolder.Open(folder.Path)).Message, StringComparison.Ordinal);
    }
}
