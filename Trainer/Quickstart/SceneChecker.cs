namespace CommonCanvas.Trainer.Quickstart;

/// <summary>
/// Says what a picture shows by image analysis alone, knowing nothing of the model: the background from the border, the
/// shape's pixels by their distance from it, the colour by the nearest named one, the place by the centroid, the outline
/// by overlap with the ideal outlines after centroid and area are made equal (moment normalisation).
/// </summary>
public static class SceneChecker
{
    /// <summary>Side of the raster on which outlines are compared.</summary>
    const int Raster = 24;

    /// <summary>Side of the raster in units of the root of the outline's area.</summary>
    const float Extent = 2f;

    /// <summary>Below this overlap (intersection over union) an outline is none of the known ones.</summary>
    const float SmallestOverlap = 0.70f;

    /// <summary>A background or colour further than this from every named one is none of them.</summary>
    const float LargestColourDistance = 80;

    static readonly (string Shape, float[] Mask)[] Templates = [.. Scene.Shapes.SelectMany(shape => new[] { -8f, -4f, 0, 4, 8 }.Select(angle => (shape, Template(shape, angle))))];

    /// <summary>What a picture shows; null stands for "none of the known".</summary>
    /// <param name="Shape">Outline.</param>
    /// <param name="Colour">Colour of the shape.</param>
    /// <param name="Position">Place of the shape.</param>
    /// <param name="Background">Colour of the background.</param>
    /// <param name="Overlap">Intersection over union with the best outline.</param>
    public sealed record Finding(string? Shape, string? Colour, string? Position, string? Background, float Overlap)
    {
        /// <summary>Whether every attribute is as <paramref name="scene"/> says.</summary>
        public bool Matches(Scene scene) => Shape == scene.Shape && Colour == scene.Colour && Position == scene.Position && Background == scene.Background;
    }

    /// <summary>Looks at an RGB picture of <paramref name="width"/> x <paramref name="height"/>, three bytes a pixel.</summary>
    public static Finding Look(ReadOnlySpan<byte> rgb, int width, int height)
    {
        if (rgb.Length != width * height * 3) throw new ArgumentException($"{rgb.Length} bytes are not a {width}x{height} RGB picture");
        var border = BorderMedian(rgb, width, height);
        string? background = Nearest(Scene.Backgrounds, border.R, border.G, border.B);

        var distance = new float[width * height];
        for (int i = 0; i < distance.Length; i++)
        {
            float r = rgb[i * 3] - border.R, g = rgb[i * 3 + 1] - border.G, b = rgb[i * 3 + 2] - border.B;
            distance[i] = MathF.Sqrt(r * r + g * g + b * b);
        }
        // The shape's full distance from the background: the value that 3 % of the picture's pixels exceed.
        float full = distance.Order().ElementAt((int)(distance.Length * 0.97));
        if (full < 40) return new(null, null, null, background, 0);
        var mask = new float[distance.Length];
        for (int i = 0; i < mask.Length; i++) mask[i] = Math.Clamp(1.25f * distance[i] / full - 0.125f, 0, 1);
        KeepLargestPart(mask, width, height);

        float area = 0, mx = 0, my = 0, r1 = 0, g1 = 0, b1 = 0, core = 0;
        for (int i = 0; i < mask.Length; i++)
        {
            area += mask[i];
            mx += mask[i] * (i % width + 0.5f);
            my += mask[i] * (i / width + 0.5f);
            if (mask[i] < 0.9f) continue;
            (r1, g1, b1, core) = (r1 + rgb[i * 3], g1 + rgb[i * 3 + 1], b1 + rgb[i * 3 + 2], core + 1);
        }
        if (area < 0.01f * mask.Length || core == 0) return new(null, null, null, background, 0);
        (mx, my) = (mx / area, my / area);
        var (shape, overlap) = BestOutline(mask, width, height, mx, my, area);
        return new(shape, Nearest(Scene.Colours, r1 / core, g1 / core, b1 / core), Place(mx / width - 0.5f, my / height - 0.5f), background, overlap);
    }

    static (float R, float G, float B) BorderMedian(ReadOnlySpan<byte> rgb, int width, int height)
    {
        var channels = new List<byte>[] { [], [], [] };
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                if (x == 0 || y == 0 || x == width - 1 || y == height - 1)
                    for (int c = 0; c < 3; c++) channels[c].Add(rgb[(y * width + x) * 3 + c]);
        foreach (var channel in channels) channel.Sort();
        int middle = channels[0].Count / 2;
        return (channels[0][middle], channels[1][middle], channels[2][middle]);
    }

    static string? Nearest(IReadOnlyList<NamedColour> colours, float r, float g, float b)
    {
        var best = colours.MinBy(c => c.Distance(r, g, b))!;
        return best.Distance(r, g, b) > LargestColourDistance ? null : best.Name;
    }

    static string Place(float x, float y)
    {
        if (Math.Max(Math.Abs(x), Math.Abs(y)) < 0.11f) return "centre";
        return Math.Abs(x) > Math.Abs(y) ? x < 0 ? "left" : "right" : y < 0 ? "top" : "bottom";
    }

    /// <summary>Clears all but the largest 4-connected part of the mask (above one half; its soft rim stays).</summary>
    static void KeepLargestPart(float[] mask, int width, int height)
    {
        var part = new int[mask.Length];
        int parts = 0, largest = 0, largestSize = 0;
        var stack = new Stack<int>();
        for (int start = 0; start < mask.Length; start++)
        {
            if (mask[start] < 0.5f || part[start] != 0) continue;
            int size = 0;
            part[start] = ++parts;
            stack.Push(start);
            while (stack.TryPop(out int i))
            {
                size++;
                int x = i % width, y = i / width;
                if (x > 0) Visit(i - 1);
                if (x < width - 1) Visit(i + 1);
                if (y > 0) Visit(i - width);
                if (y < height - 1) Visit(i + width);
            }
            if (size > largestSize) (largest, largestSize) = (parts, size);
        }
        for (int i = 0; i < mask.Length; i++)
            if (part[i] != largest && !(part[i] == 0 && NextToLargest(i))) mask[i] = 0;

        void Visit(int i)
        {
            if (mask[i] < 0.5f || part[i] != 0) return;
            part[i] = parts;
            stack.Push(i);
        }

        bool NextToLargest(int i)
        {
            int x = i % width, y = i / width;
            return (x > 0 && part[i - 1] == largest) || (x < width - 1 && part[i + 1] == largest)
                || (y > 0 && part[i - width] == largest) || (y < height - 1 && part[i + width] == largest);
        }
    }

    static (string?, float) BestOutline(float[] mask, int width, int height, float mx, float my, float area)
    {
        float scale = MathF.Sqrt(area) * Extent / Raster;
        var seen = new float[Raster * Raster];
        for (int v = 0; v < Raster; v++)
            for (int u = 0; u < Raster; u++)
                seen[v * Raster + u] = Sample(mask, width, height, mx + (u + 0.5f - Raster / 2f) * scale - 0.5f, my + (v + 0.5f - Raster / 2f) * scale - 0.5f);
        string? best = null;
        float bestOverlap = 0;
        foreach (var (shape, template) in Templates)
        {
            float both = 0, either = 0;
            for (int i = 0; i < seen.Length; i++)
            {
                both += Math.Min(seen[i], template[i]);
                either += Math.Max(seen[i], template[i]);
            }
            if (both / either > bestOverlap) (best, bestOverlap) = (shape, both / either);
        }
        return (bestOverlap >= SmallestOverlap ? best : null, bestOverlap);
    }

    static float Sample(float[] mask, int width, int height, float x, float y)
    {
        int x0 = (int)MathF.Floor(x), y0 = (int)MathF.Floor(y);
        float fx = x - x0, fy = y - y0;
        float At(int xi, int yi) => (uint)xi < (uint)width && (uint)yi < (uint)height ? mask[yi * width + xi] : 0;
        return (1 - fy) * ((1 - fx) * At(x0, y0) + fx * At(x0 + 1, y0)) + fy * ((1 - fx) * At(x0, y0 + 1) + fx * At(x0 + 1, y0 + 1));
    }

    /// <summary>An ideal outline of area 1, turned by <paramref name="degrees"/>, as coverage of the raster's cells.</summary>
    static float[] Template(string shape, float degrees)
    {
        const int Fine = 4;
        using var path = SceneDrawer.Outline(shape, 1);
        var (sin, cos) = MathF.SinCos(degrees * MathF.PI / 180);
        float unit = MathF.Sqrt(Area(path));
        var mask = new float[Raster * Raster];
        for (int v = 0; v < Raster * Fine; v++)
            for (int u = 0; u < Raster * Fine; u++)
            {
                float x = ((u + 0.5f) / (Raster * Fine) - 0.5f) * Extent * unit, y = ((v + 0.5f) / (Raster * Fine) - 0.5f) * Extent * unit;
                if (path.Contains(cos * x + sin * y, -sin * x + cos * y)) mask[v / Fine * Raster + u / Fine] += 1f / (Fine * Fine);
            }
        return mask;
    }

    static float Area(SkiaSharp.SKPath path)
    {
        const int Steps = 400;
        var box = path.Bounds;
        int inside = 0;
        for (int i = 0; i < Steps; i++)
            for (int j = 0; j < Steps; j++)
                if (path.Contains(box.Left + (i + 0.5f) / Steps * box.Width, box.Top + (j + 0.5f) / Steps * box.Height)) inside++;
        return inside * box.Width * box.Height / (Steps * Steps);
    }
}
