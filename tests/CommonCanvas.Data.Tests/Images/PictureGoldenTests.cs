using System.Text.RegularExpressions;

namespace CommonCanvas.Data.Tests;

/// <summary>Crops that Pillow and torchvision made of the pictures beside them.</summary>
[Trait("Category", "Golden")]
public sealed partial class PictureGoldenTests
{
    /// <summary>In the full folder, or in the part of it that the repository carries.</summary>
    static readonly string CasesFile = Path.Combine(Golden.Folder ?? Golden.Carried, "images", "cases.safetensors");

    public static TheoryData<string> Cases => [.. File.Exists(CasesFile) ? GoldenTensors.Read(CasesFile).Keys : Enumerable.Empty<string>()];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void AgreesWithPillow(string name)
    {
        (int[] shape, float[] expected) = GoldenTensors.Read(CasesFile)[name];
        Match kind = Kind().Match(name);
        Assert.True(kind.Success, $"{name}: teach the test this kind of case");
        int size = int.Parse(kind.Groups["size"].Value), every = kind.Groups["every"].Success ? int.Parse(kind.Groups["every"].Value) : 1;
        using Picture picture = PictureDecoder.Decode(File.ReadAllBytes(Path.Combine(Path.GetDirectoryName(CasesFile)!, kind.Groups["picture"].Value + ".png")));
        var actual = new float[size * size * 3];
        bool square = kind.Groups["crop"].Value == "square";
        if (square) PictureCrop.Square(picture, size, actual);
        else PictureCrop.Clip(picture, size, actual);

        // Two steps of 255, in the units of each: [-1, 1] has 127.5 a unit, CLIP's have 255 times the channel's deviation.
        float[] step = square ? [2 / 127.5f, 2 / 127.5f, 2 / 127.5f] : [2 / (0.26862954f * 255), 2 / (0.26130258f * 255), 2 / (0.27577711f * 255)];
        float worst = 0;
        for (int c = 0; c < shape[0]; c++)
            for (int y = 0; y < shape[1]; y++)
                for (int x = 0; x < shape[2]; x++)
                {
                    float difference = Math.Abs(expected[(c * shape[1] + y) * shape[2] + x] - actual[(y * every * size + x * every) * 3 + c]);
                    worst = Math.Max(worst, difference / step[c]);
                }
        TestContext.Current.TestOutputHelper?.WriteLine($"worst difference {worst * 2:0.00}/255");
        Assert.True(worst <= 1, $"{name}: worst difference {worst * 2}/255");
    }

    [GeneratedRegex(@"^(?<picture>\w+)\.(?<crop>square|blip)(?<size>\d+)(_every(?<every>\d+)th)?$")]
    private static partial Regex Kind();
}
