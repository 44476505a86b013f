using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Tests;
using CsCheck;

namespace CommonCanvas.Trainer.Tests.Configuration;

public sealed class ConfigBinderTests
{
    static RunConfig Parse(string text, params string[] assignments) => ConfigLoader.Parse<RunConfig>(text, "run.yaml", assignments);

    static string Problem(string text, params string[] assignments) => Assert.Throws<ConfigException>(() => Parse(text, assignments)).Message;

    [Fact]
    public void Reads_nested_keys_lists_and_words()
    {
        var config = Parse("""
            model: autoencoder
            steps: 1_000
            optimizer:
              learning_rate: 1e-4
              decay: cosine
              clip_norm: null
            samples:
              prompts: [a red circle, "12"]
            unet: { block_out_channels: [64, 128], attention_head_dim: 8 }
            """);
        Assert.Equal(ModelKind.Autoencoder, config.Model);
        Assert.Equal(1000, config.Steps);
        Assert.Equal(1e-4, config.Optimizer.LearningRate);
        Assert.Equal(RateDecay.Cosine, config.Optimizer.Decay);
        Assert.Null(config.Optimizer.ClipNorm);
        Assert.Equal(["a red circle", "12"], config.Samples.Prompts);
        Assert.Equal("""{"block_out_channels":[64,128],"attention_head_dim":8}""", config.Unet!.ToJsonString());
    }

    [Fact]
    public void An_empty_file_gives_the_defaults() => Assert.Equal(new RunConfig().Steps, Parse("").Steps);

    [Fact]
    public void Overrides_lie_over_the_file()
    {
        var config = Parse("optimizer:\n  learning_rate: 1\n", "optimizer.learning_rate=0.5", "ema.enabled=true", "samples.prompts=[a, b]");
        Assert.Equal(0.5, config.Optimizer.LearningRate);
        Assert.True(config.Ema.Enabled);
        Assert.Equal(["a", "b"], config.Samples.Prompts);
    }

    [Fact]
    public void An_unknown_key_names_its_line_and_the_nearest_known_one()
    {
        string message = Problem("steps: 3\noptimizer:\n  learning_rat: 1\n");
        Assert.Contains("line 3", message, StringComparison.Ordinal);
        Assert.Contains("'optimizer.learning_rat'", message, StringComparison.Ordinal);
        Assert.Contains("'optimizer.learning_rate'", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_like_no_other_is_told_which_there_are()
    {
        string message = Problem("batch:\n  learning_rate: 1\n");
        Assert.Contains("'batch.learning_rate'; the keys there are size, microbatch", message, StringComparison.Ordinal);
        Assert.DoesNotContain("did you mean", message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_override_names_itself()
    {
        string message = Problem("", "optimiser.warmup=3");
        Assert.Contains("--set optimiser.warmup=3", message, StringComparison.Ordinal);
        Assert.Contains("'optimizer'", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("steps: 0", "1 or more")]
    [InlineData("steps: many", "whole number")]
    [InlineData("steps: 1.5", "whole number")]
    [InlineData("steps: 99999999999999999999", "whole number")]
    [InlineData("steps: 1e40", "whole number")]
    [InlineData("seed: -1", "whole number")]
    [InlineData("precision: fp8", "fp32, fp16, bf16")]
    [InlineData("graphs: yes", "auto, off")]
    [InlineData("optimizer: 3", "group of keys")]
    [InlineData("steps: [1, 2]", "single value")]
    [InlineData("steps:", "a value")]
    [InlineData("output:", "a value")]
    [InlineData("samples: { prompts: [a, null] }", "a value")]
    [InlineData("samples: { prompts: red }", "list")]
    [InlineData("samples: { sampler: eulr }", "euler, euler_a, heun")]
    [InlineData("samples: { sampler: }", "a value")]
    [InlineData("ema: { enabled: yes }", "true or false")]
    [InlineData("objective: { caption_dropout: 1.5 }", "from 0 to 1")]
    [InlineData("objective: { caption_dropout: nan }", "a number")]
    [InlineData("unet: 3", "group of keys")]
    [InlineData("steps: 1\nsteps: 2", "line 2")]
    [InlineData("a: [1, 2", "line")]
    [InlineData("- 1\n- 2", "key: value")]
    [InlineData("a: &x 1\nb: *x", "anchors")]
    [InlineData("steps: 1\n---\nsteps: 2", "documents")]
    public void Wrong_values_say_what_is_expected(string yaml, string expected) => Assert.Contains(expected, Problem(yaml), StringComparison.Ordinal);

    [Fact]
    public void All_problems_are_listed_at_once()
    {
        string message = Problem("steps: 0\nsed: 3\nprecision: fp8\n");
        Assert.Contains("3 problems", message, StringComparison.Ordinal);
        Assert.Contains("'seed'", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("steps")]
    [InlineData("=3")]
    [InlineData("a..b=3")]
    [InlineData("steps.more=3")]
    public void Malformed_overrides_are_refused(string assignment) => Assert.Contains("--set", Problem("steps: 3", assignment), StringComparison.Ordinal);

    [Fact]
    public void A_written_configuration_reads_back_the_same()
    {
        var config = Parse("steps: 7\npipeline: \"C:\\\\models \\\"x\\\"\"\noptimizer: { clip_norm: 1, decay: cosine }\nsamples: { prompts: [\"a: b\", c] }\nunet: { block_out_channels: [64] }");
        string written = ConfigWriter.Write(config);
        Assert.Equal(written, ConfigWriter.Write(Parse(written)));
        Assert.Equal("C:\\models \"x\"", Parse(written).Pipeline);
    }

    [Theory]
    [InlineData("unet: ", "{a: ", 50)]
    [InlineData("unet: ", "{a: ", 100_000)]
    [InlineData("", "[", 100_000)]
    [InlineData("", "? ", 20_000)]
    public void Deep_nesting_is_refused(string head, string opening, int times) =>
        Assert.Contains("deep", Problem(head + string.Concat(Enumerable.Repeat(opening, times))), StringComparison.Ordinal);

    [Theory]
    [InlineData("unet: &a {b: 1}")]
    [InlineData("? &a [*a]\n: 1")]
    [InlineData("unet: *a")]
    public void Anchors_and_aliases_are_refused(string text) => Assert.Contains("anchors and aliases", Problem(text), StringComparison.Ordinal);

    /// <summary>Both texts trip checks inside the parser, which it does not report as its own errors.</summary>
    [Theory]
    [InlineData("!!c'st[a\ts")]
    [InlineData("~:\n{e ,\tb.%e#cs[`pb%&c>.c1@'#@\n@a  }~")]
    public void What_trips_the_parser_is_refused(string text) => Assert.Contains("not YAML", Problem(text), StringComparison.Ordinal);

    [Fact, Trait("Category", "Fuzz")]
    public void Any_text_gives_settings_or_a_message() => Gen.String[Gen.Char["abc:-[]{}\"'#&*!|> \n\tsteps1,.~%@`"], 0, 60].Sample(text =>
    {
        try { Parse(text); }
        catch (ConfigException) { }
    }, iter: Mutator.Count(2000));
}
