namespace CommonCanvas.Models;

/// <summary>Finds a model's weights in its folder, under the names that diffusers and transformers use.</summary>
public static class WeightsFile
{
    static readonly string[] baseNames = ["diffusion_pytorch_model", "model"];
    static readonly string[] pickles = [".bin", ".ckpt", ".pt", ".pth", ".pkl"];

    /// <summary>
    /// The weights of <paramref name="folder"/>: <c>NAME.safetensors</c>, a sharded <c>NAME.safetensors.index.json</c>, or
    /// their fp16 variants, in this order; NAME is <paramref name="baseName"/>, or diffusers' and transformers' name.
    /// </summary>
    /// <exception cref="FileNotFoundException">None is there; the message lists what was looked for.</exception>
    /// <exception cref="InvalidDataException">There are only pickles.</exception>
    public static string Locate(string folder, string? baseName = null)
    {
        if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"{folder} is not a folder; a model's folder with its config.json and safetensors is needed");
        var looked = new List<string>();
        foreach (string name in baseName is null ? baseNames : [baseName])
            // transformers writes an index's variant behind "index" for shards, diffusers before "index".
            looked.AddRange([$"{name}.safetensors", $"{name}.safetensors.index.json", $"{name}.fp16.safetensors",
                $"{name}.fp16.safetensors.index.json", $"{name}.safetensors.index.fp16.json"]);
        foreach (string file in looked)
            if (File.Exists(Path.Combine(folder, file))) return Path.Combine(folder, file);
        foreach (string file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal)) RefusePickle(file);
        throw new FileNotFoundException($"{folder} has no weights; looked for {string.Join(", ", looked)}");
    }

    /// <summary>Throws for files whose loading would run code that they contain.</summary>
    /// <exception cref="InvalidDataException">The name ends as a pickle's does.</exception>
    public static void RefusePickle(string path)
    {
        if (!pickles.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase)) return;
        throw new InvalidDataException(
            $"{path} is a Python pickle: loading one runs whatever code it holds, so it is never opened. " +
            "Take the model's .safetensors files, or convert it with safetensors.torch.save_file or diffusers' save_pretrained");
    }
}
