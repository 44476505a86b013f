using System.Text.Json;

namespace CommonCanvas.Training.Tests;

/// <summary>
/// How far training steps may be from the reference's. In fp32 what the reference's README states. In fp16 what twice the error
/// that PyTorch makes in fp16 with the same U-Net (the <c>precision.json</c> of <c>unet</c>) can do:
///
/// A loss |o - t|^2 / n whose n outputs are each off by e |o| / sqrt(n), independently of each other, is off by 2 e |o| / |o - t|
/// / sqrt(n) of itself, as a standard deviation. The outputs of these models are smaller than what they are off by, so by 2 e / sqrt(n);
/// four of those are allowed, beside what is allowed in fp32.
///
/// Adam moves a weight by lr g / |g|, whatever the size of g. Errors of e |G| in the norm of a tensor's gradient G of n elements,
/// spread evenly, turn the steps of elements below e |G| / sqrt(n); of normally distributed elements with deviation
/// s = |G| / sqrt(n), the mean square of min(2, e s / |g|) is 8 e / sqrt(2 pi). Ten steps at most add up: a tensor may
/// differ by steps lr sqrt(n) sqrt(8 e / sqrt(2 pi)).
/// </summary>
sealed record StepTolerance(Func<int, double> Loss, float LossScale, Func<string, double> Moved)
{
    const double Fp32Loss = 1e-4;

    /// <summary>The bounds that the reference's README states.</summary>
    public static StepTolerance Fp32 { get; } = new(_ => Fp32Loss, 1, _ => 0);

    /// <summary>Bounds from the errors of PyTorch, with the loss scale that they were measured with.</summary>
    public static StepTolerance Fp16(string folder)
    {
        string unet = Path.Combine(folder, "..", "unet");
        string model = Path.Combine(folder, "model", "config.json");
        Assert.SkipWhen(!Directory.Exists(unet) || File.ReadAllText(model) != File.ReadAllText(Path.Combine(unet, "model", "config.json")),
            "there is no precision of PyTorch for the model of the training steps");
        JsonElement[] cases = [.. Directory.GetFiles(unet, "*.precision.json").Select(file => JsonDocument.Parse(File.ReadAllText(file)).RootElement.GetProperty("fp16"))];
        Assert.NotEmpty(cases);
        double Error(string name) => 2 * cases.Max(figures => figures.GetProperty(name)[1].GetDouble());
        return new StepTolerance(count => Fp32Loss + 8 * Error("output") / Math.Sqrt(count), cases[0].GetProperty("loss_scale").GetSingle(),
            name => Math.Sqrt(8 * Error("grad." + name) / Math.Sqrt(2 * Math.PI)));
    }
}
