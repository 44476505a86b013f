using CommonCanvas.Models;
using CommonCanvas.Tests;
using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Tests.Configuration;

/// <summary>The configurations that the repository ships.</summary>
public sealed class ConfigsTests
{
    public static IEnumerable<TheoryDataRow<string>> Files() =>
        Directory.GetFiles(Path.Combine(Golden.Repository, "configs"), "*.yaml").Order(StringComparer.Ordinal).Select(f => new TheoryDataRow<string>(Path.GetFileName(f)));

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_key_is_known_and_commented(string name)
    {
        string file = Path.Combine(Golden.Repository, "configs", name);
        if (name.StartsWith("quickstart", StringComparison.Ordinal))
        {
            var quickstart = ConfigLoader.Load<Trainer.Quickstart.QuickstartConfig>(file);
            Check(quickstart.Autoencoder);
            Check(quickstart.Unet);
        }
        else Check(ConfigLoader.Load<RunConfig>(file));
        int number = 0;
        foreach (string line in File.ReadLines(file))
        {
            number++;
            if (!line.StartsWith('#') && line.Contains(':', StringComparison.Ordinal)) Assert.True(line.Contains('#', StringComparison.Ordinal), $"{name} line {number} has no comment: {line}");
        }
    }

    static void Check(RunConfig config)
    {
        Assert.Equal(config.Model == ModelKind.Unet, config.Unet is not null);
        Assert.Equal(config.Model == ModelKind.Autoencoder, config.Autoencoder is not null);
        if (config.Unet is { } unet) UNetConfig.Parse(unet.ToJsonString(), "unet");
        if (config.Autoencoder is { } autoencoder) AutoencoderConfig.Parse(autoencoder.ToJsonString(), "autoencoder");
        if (config.Samples.Every > 0) Assert.Contains(config.Samples.Sampler, SamplerFactory.Names);
    }
}
