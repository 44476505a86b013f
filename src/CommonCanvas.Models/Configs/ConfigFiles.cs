namespace CommonCanvas.Models;

/// <summary>Where configurations lie and what is written into them.</summary>
static class ConfigFiles
{
    /// <summary>The diffusers version whose keys are written; every later one reads them.</summary>
    internal const string DiffusersVersion = "0.36.0";

    /// <summary>The transformers version whose layout is written: text encoder tensors prefixed with <c>text_model.</c></summary>
    internal const string TransformersVersion = "4.57.0";

    /// <summary><paramref name="name"/> inside a folder, or the file itself.</summary>
    internal static string Find(string folderOrFile, string name) =>
        Directory.Exists(folderOrFile) ? Path.Combine(folderOrFile, name) : folderOrFile;
}
