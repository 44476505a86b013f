using CommonCanvas.Trainer.Configuration;

namespace CommonCanvas.Trainer.Quickstart;

/// <summary>Everything that the quickstart does.</summary>
public sealed class QuickstartConfig
{
    /// <summary>Name of the configuration that is used where none is given; embedded in the program.</summary>
    public const string DefaultName = "quickstart.yaml";

    /// <summary>Folder for all that it makes.</summary>
    public string Output { get; set; } = "runs/quickstart";

    /// <summary>Seed of the drawings and of both runs.</summary>
    public ulong Seed { get; set; } = 17;

    /// <summary>What is drawn.</summary>
    public PicturesConfig Pictures { get; set; } = new();

    /// <summary>The autoencoder's run; data, output and seed come from the quickstart.</summary>
    public RunConfig Autoencoder { get; set; } = new() { Model = ModelKind.Autoencoder };

    /// <summary>The U-Net's run; data, pipeline, output and seed come from the quickstart.</summary>
    public RunConfig Unet { get; set; } = new();

    /// <summary>The pictures that are made and checked at the end.</summary>
    public CheckConfig Check { get; set; } = new();
}

/// <summary>The drawn set.</summary>
public sealed class PicturesConfig
{
    /// <summary>Number of pictures.</summary>
    [Between(8, 100_000)]
    public int Count { get; set; } = 2048;

    /// <summary>Side in pixels.</summary>
    [Between(16, 256)]
    public int Size { get; set; } = 32;
}

/// <summary>The pictures that are made and checked at the end.</summary>
public sealed class CheckConfig
{
    /// <summary>Prompts of combinations seen in training, and as many of unseen ones.</summary>
    [Between(1, 10_000)]
    public int Count { get; set; } = 48;

    /// <summary>Sampler.</summary>
    [SamplerName]
    public string Sampler { get; set; } = "dpmpp_2m";

    /// <summary>Sampling steps.</summary>
    [Between(1, 1000)]
    public int Steps { get; set; } = 20;

    /// <summary>Classifier-free guidance.</summary>
    [Between(0, 100)]
    public double Guidance { get; set; } = 3;
}
