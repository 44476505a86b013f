using CommonCanvas.Tensors;

namespace CommonCanvas.Trainer.Quickstart;

/// <summary>What one picture of the quickstart shows: a shape of a colour at a place on a background.</summary>
/// <param name="Shape">One of <see cref="Shapes"/>.</param>
/// <param name="Colour">One of <see cref="Colours"/>, by name.</param>
/// <param name="Position">One of <see cref="Positions"/>, by name.</param>
/// <param name="Background">One of <see cref="Backgrounds"/>, by name.</param>
public sealed record Scene(string Shape, string Colour, string Position, string Background)
{
    /// <summary>Outlines that differ in symmetry and in how much of their bounding box they fill.</summary>
    public static IReadOnlyList<string> Shapes { get; } = ["circle", "square", "triangle", "cross"];

    /// <summary>Colours of shapes.</summary>
    public static IReadOnlyList<NamedColour> Colours { get; } =
    [
        new("red", 215, 35, 35), new("green", 35, 165, 60), new("blue", 40, 75, 215),
        new("yellow", 240, 205, 35), new("purple", 155, 45, 190), new("cyan", 40, 200, 215),
    ];

    /// <summary>Colours of backgrounds, at least 100 away from every colour of shapes in RGB.</summary>
    public static IReadOnlyList<NamedColour> Backgrounds { get; } = [new("white", 244, 244, 244), new("black", 18, 18, 18), new("grey", 128, 128, 128)];

    /// <summary>Places of the shape's centre, as offsets from the middle in units of the picture's side; y grows downwards.</summary>
    public static IReadOnlyList<NamedPlace> Positions { get; } =
    [
        new("left", "on the left", -0.22f, 0), new("right", "on the right", 0.22f, 0), new("top", "at the top", 0, -0.22f),
        new("bottom", "at the bottom", 0, 0.22f), new("centre", "in the centre", 0, 0),
    ];

    /// <summary>The caption: <c>a red circle on the left, white background</c>.</summary>
    public string Caption => $"a {Colour} {Shape} {Positions.First(p => p.Name == Position).Phrase}, {Background} background";

    /// <summary>Every combination of attributes, in a fixed order.</summary>
    public static IReadOnlyList<Scene> All { get; } =
    [
        .. from shape in Shapes
           from colour in Colours
           from position in Positions
           from background in Backgrounds
           select new Scene(shape, colour.Name, position.Name, background.Name),
    ];

    /// <summary>
    /// Whether no picture of this colour and shape together is drawn for training: one pair for each shape, so that the
    /// model must have learned what colours and shapes are, each alone, to draw it.
    /// </summary>
    public bool HeldOut => (Colour, Shape) is ("purple", "circle") or ("yellow", "square") or ("blue", "triangle") or ("green", "cross");

    /// <summary>
    /// <paramref name="count"/> scenes in a shuffled order that depends on the seed alone; when the combinations are used
    /// up they come again.
    /// </summary>
    public static IEnumerable<Scene> Draw(ulong seed, bool heldOut, int count)
    {
        var pool = All.Where(s => s.HeldOut == heldOut).ToArray();
        for (int round = 0, made = 0; made < count; round++)
        {
            var order = Philox.Permutation(new RandomKey(seed, RandomPurpose.Drawing, heldOut ? 1ul : 0ul, (uint)round), pool.Length);
            foreach (int i in order.Take(count - made)) { yield return pool[i]; made++; }
        }
    }
}

/// <summary>A colour with its name; channels 0 to 255.</summary>
public sealed record NamedColour(string Name, byte R, byte G, byte B)
{
    /// <summary>Euclidean distance to a colour in RGB.</summary>
    public float Distance(float r, float g, float b) => MathF.Sqrt((R - r) * (R - r) + (G - g) * (G - g) + (B - b) * (B - b));
}

/// <summary>A place with its name, its phrase in a caption and its offset from the middle.</summary>
public sealed record NamedPlace(string Name, string Phrase, float X, float Y);
