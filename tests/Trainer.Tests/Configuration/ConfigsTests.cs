using System.Text;
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

    // Whatever is left of a configuration gives settings or a message that names the file, the models' own included.
    [Fact, Trait("Category", "Fuzz")]
    public void Damaged_configurations_are_refused_or_read()
    {
        byte[][] sound = [.. Directory.GetFiles(Path.Combine(Golden.Repository, "configs"), "*.yaml").Where(f => !f.Contains("quickstart", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
        Mutator.Run(sound, 300, (bytes, _) =>
        {
            var config = ConfigLoader.Parse<RunConfig>(Encoding.UTF8.GetString(bytes), "run.yaml");
            Assert.InRange(config.Steps, 1, long.MaxValue);
            if (config.Unet is { } unet) UNetConfig.Parse(unet.ToJsonString(), "run.yaml");
            if (config.Autoencoder is { } autoencoder) AutoencoderConfig.Parse(autoencoder.ToJsonString(), "run.yaml");
            Assert.Equal(config.Steps, ConfigLoader.Parse<RunConfig>(ConfigWriter.Write(config), "written").Steps);
        }, e => e is ConfigException or InvalidDataException && e.Message.StartsWith("run.yaml", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("unet: {norm_eps: 1e999}")]
    [InlineData("unet: {norm_eps: .nan, norm_num_groups: NaN}")]
    public void Numbers_without_end_in_a_models_settings_are_refused(string text) =>
        Assert.Contains("norm_eps", Assert.Throws<InvalidDataException>(() => UNetConfig.Parse(ConfigLoader.Parse<RunConfig>(text, "run.yaml").Unet!.ToJsonString(), "unet")).Message, StringComparison.Ordinal);

    static void Check(RunConfig config)
    {
        Assert.Equal(config.Model == ModelKind.Unet, config.Unet is not null);
        Assert.Equal(config.Model == ModelKind.Autoencoder, config.Autoencoder is not null);
        if (config.Unet is { } unet) UNetConfig.Parse(unet.ToJsonString(), "unet");
        if (config.Autoencoder is { } autoencoder) AutoencoderConfig.Parse(autoencoder.ToJsonString(), "autoencoder");
        if (config.Samples.Every > 0) Assert.Contains(config.Samples.Sampler, SamplerFactory.Names);
    }
}
