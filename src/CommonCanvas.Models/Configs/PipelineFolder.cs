using System.Text.Json;
using System.Text.Json.Nodes;

namespace CommonCanvas.Models;

/// <summary>
/// A diffusers folder of a whole StableDiffusionPipeline: <c>model_index.json</c> and one folder per component.
/// </summary>
/// <param name="Root">The folder.</param>
public sealed record PipelineFolder(string Root)
{
    const string IndexName = "model_index.json";

    /// <summary>Component, library and class as the index lists them.</summary>
    static readonly (string Name, string Library, string Class)[] components =
    [
        ("scheduler", "diffusers", "DDIMScheduler"),
        ("text_encoder", "transformers", "CLIPTextModel"),
        ("tokenizer", "transformers", "CLIPTokenizer"),
        ("unet", "diffusers", "UNet2DConditionModel"),
        ("vae", "diffusers", "AutoencoderKL"),
    ];

    /// <summary>Folder of the U-Net.</summary>
    public string UNet => Path.Combine(Root, "unet");

    /// <summary>Folder of the autoencoder.</summary>
    public string Vae => Path.Combine(Root, "vae");

    /// <summary>Folder of the text encoder.</summary>
    public string TextEncoder => Path.Combine(Root, "text_encoder");

    /// <summary>Folder of the tokenizer.</summary>
    public string Tokenizer => Path.Combine(Root, "tokenizer");

    /// <summary>Folder of the noise schedule.</summary>
    public string Scheduler => Path.Combine(Root, "scheduler");

    /// <summary>Opens a folder whose index names the components of Stable Diffusion, each of them there.</summary>
    /// <exception cref="InvalidDataException">Another kind of pipeline; the message lists what differs.</exception>
    public static PipelineFolder Open(string root)
    {
        string path = Path.Combine(root, IndexName);
        var problems = new List<string>();
        if (!File.Exists(path)) throw new FileNotFoundException($"{path} does not exist; a diffusers folder has it, with unet, vae, text_encoder, tokenizer and scheduler beside it");
        using var json = StrictJson.Read(path, 1 << 20);
        var index = json.RootElement;
        string? kind = index.TryGetProperty("_class_name", out var value) ? value.Text() : null;
        if (kind != "StableDiffusionPipeline") problems.Add($"_class_name = {kind ?? "missing"}: supported is StableDiffusionPipeline");
        foreach (var (name, _, wanted) in components)
        {
            string? found = index.TryGetProperty(name, out var pair) && pair.ValueKind == JsonValueKind.Array && pair.GetArrayLength() == 2 ? pair[1].Text() : null;
            // The sampler is chosen when sampling; CLIPTokenizerFast reads the same files.
            bool fits = name == "scheduler" ? found is not null : found == wanted || found == wanted + "Fast";
            if (!fits) problems.Add($"{name} = {found ?? "missing"}: supported is {wanted}");
            else if (!Directory.Exists(Path.Combine(root, name))) problems.Add($"{name}: the folder {Path.Combine(root, name)} does not exist");
        }
        if (problems.Count > 0) throw new InvalidDataException($"{path} names a pipeline that is not supported:{string.Concat(problems.Select(p => "\n  " + SafetensorsHeader.Short(p)))}");
        return new PipelineFolder(root);
    }

    /// <summary>Writes the index, last of all, so that a folder that has one is complete.</summary>
    public void WriteIndex()
    {
        var index = new JsonObject
        {
            ["_class_name"] = "StableDiffusionPipeline",
            ["_diffusers_version"] = ConfigFiles.DiffusersVersion,
            ["feature_extractor"] = new JsonArray(null, null),
            ["requires_safety_checker"] = false,
            ["safety_checker"] = new JsonArray(null, null),
        };
        foreach (var (name, library, type) in components) index[name] = new JsonArray(library, type);
        AtomicFile.Write(Path.Combine(Root, IndexName), ModelConfig.Write(index));
    }
}
