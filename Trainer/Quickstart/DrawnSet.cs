using System.Globalization;
using System.Text;
using System.Text.Json;
using CommonCanvas.Data;

namespace CommonCanvas.Trainer.Quickstart;

/// <summary>The drawn pictures as an ordinary captioned folder: PNG files and <c>metadata.jsonl</c>.</summary>
public static class DrawnSet
{
    /// <summary>Draws <paramref name="count"/> scenes, none of them held out, into <paramref name="folder"/>.</summary>
    /// <param name="folder">Made where absent.</param>
    /// <param name="count">Number of pictures.</param>
    /// <param name="size">Side in pixels.</param>
    /// <param name="seed">Decides the drawings.</param>
    /// <param name="drawn">Told after each picture.</param>
    public static void Write(string folder, int count, int size, ulong seed, Action<int> drawn)
    {
        Directory.CreateDirectory(folder);
        var metadata = new StringBuilder();
        int i = 0;
        foreach (var scene in Scene.Draw(seed, heldOut: false, count))
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"{i:D5}.png");
            File.WriteAllBytes(Path.Combine(folder, name), SceneDrawer.DrawPng(scene, size, seed, i));
            metadata.AppendLine(JsonSerializer.Serialize(new { file_name = name, text = scene.Caption, licence = "CC0-1.0", attribution = "drawn by CommonCanvas" }));
            drawn(++i);
        }
        // Whole or not at all: where it is there, an interrupted quickstart takes the set for drawn.
        AtomicFile.Write(Path.Combine(folder, "metadata.jsonl"), Encoding.UTF8.GetBytes(metadata.ToString()));
    }
}
