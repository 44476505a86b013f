using System.Text.Json;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Quickstart;

/// <summary>What the model drew for each scene, and what the checker sees in it.</summary>
public sealed class CheckedSamples
{
    /// <summary>How many times as large grids show the pictures.</summary>
    const int Enlarged = 3;

    readonly IReadOnlyList<Scene> scenes;
    readonly IReadOnlyList<RgbPicture> pictures;
    readonly SceneChecker.Finding[] findings;

    /// <summary>Looks at the pictures.</summary>
    public CheckedSamples(IReadOnlyList<Scene> scenes, IReadOnlyList<RgbPicture> pictures)
    {
        (this.scenes, this.pictures) = (scenes, pictures);
        findings = [.. pictures.Select(p => SceneChecker.Look(p.Pixels, p.Width, p.Height))];
    }

    /// <summary>The share that shows all that the prompt asked for.</summary>
    /// <param name="unseen">Of the combinations held out from training, or of the others.</param>
    public double Share(bool unseen) => Indices(unseen).Average(i => findings[i].Matches(scenes[i]) ? 1.0 : 0.0);

    /// <summary>Prompt and finding of every picture that does not show what was asked for.</summary>
    public IEnumerable<(string Prompt, string Found)> Misses(bool unseen) =>
        from i in Indices(unseen)
        where !findings[i].Matches(scenes[i])
        let f = findings[i]
        select (scenes[i].Caption, f.Colour is null && f.Shape is null ? "no shape" : $"{f.Colour ?? "unknown colour"} {f.Shape ?? "unknown shape"}, {f.Position}, {f.Background ?? "unknown"} background");

    /// <summary>The pictures of a group.</summary>
    public IReadOnlyList<RgbPicture> Pictures(bool unseen) => [.. Indices(unseen).Select(i => pictures[i])];

    /// <summary>The pictures of a group side by side, enlarged.</summary>
    public byte[] Grid(bool unseen) => SampleGrid.Compose([.. Pictures(unseen).Select(p => Enlarge(p, Enlarged))], gap: 4).ToPng();

    /// <summary>Writes <c>seen.png</c>, <c>unseen.png</c> and <c>check.jsonl</c>, one line for each picture.</summary>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, "seen.png"), Grid(unseen: false));
        File.WriteAllBytes(Path.Combine(folder, "unseen.png"), Grid(unseen: true));
        File.WriteAllLines(Path.Combine(folder, "check.jsonl"), scenes.Select((scene, i) => JsonSerializer.Serialize(new
        {
            prompt = scene.Caption,
            unseen = scene.HeldOut,
            right = findings[i].Matches(scene),
            found = new { shape = findings[i].Shape, colour = findings[i].Colour, position = findings[i].Position, background = findings[i].Background, overlap = Math.Round(findings[i].Overlap, 3) },
        })));
    }

    IEnumerable<int> Indices(bool unseen) => Enumerable.Range(0, scenes.Count).Where(i => scenes[i].HeldOut == unseen);

    // Pixels repeated: what the model drew, large enough to see.
    static RgbPicture Enlarge(RgbPicture picture, int factor)
    {
        int width = picture.Width * factor, height = picture.Height * factor;
        var pixels = new byte[width * height * 3];
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                picture.Pixels.AsSpan((y / factor * picture.Width + x / factor) * 3, 3).CopyTo(pixels.AsSpan((y * width + x) * 3));
        return new RgbPicture(pixels, width, height);
    }
}
