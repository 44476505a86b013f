using CommonCanvas.Models;
using CommonCanvas.Trainer.Quickstart;

namespace CommonCanvas.Trainer.Tests.Commands;

/// <summary>The way of the data in miniature, by the commands that a user types.</summary>
public sealed class EndToEndTests : IDisposable
{
    const string AutoencoderYaml = """
        model: autoencoder
        data: { resolution: 16 }
        autoencoder: { block_out_channels: [8, 8], down_block_types: [DownEncoderBlock2D, DownEncoderBlock2D], up_block_types: [UpDecoderBlock2D, UpDecoderBlock2D], layers_per_block: 1, latent_channels: 4, norm_num_groups: 4, sample_size: 16 }
        text_encoder: { hidden_size: 16, max_tokens: 16, vocabulary: 560 }
        batch: { size: 4 }
        validation: { every: 2, share: 0.1 }
        samples: { every: 2 }
        checkpoint: { every: 2 }
        steps: 3
        """;

    const string UnetYaml = """
        model: unet
        data: { resolution: 16 }
        unet: { sample_size: 8, in_channels: 4, out_channels: 4, block_out_channels: [8, 16], down_block_types: [CrossAttnDownBlock2D, DownBlock2D], up_block_types: [UpBlock2D, CrossAttnUpBlock2D], layers_per_block: 1, attention_head_dim: [1, 2], cross_attention_dim: 16, norm_num_groups: 4, use_linear_projection: true }
        objective: { prediction: v_prediction, min_snr_gamma: 5 }
        ema: { enabled: true, decay: 0.5 }
        batch: { size: 8, microbatch: 4 }
        validation: { every: 2, share: 0.1 }
        samples: { every: 2, prompts: [a red circle, a blue square], steps: 2 }
        checkpoint: { every: 2 }
        steps: 4
        """;

    readonly string folder = Directory.CreateTempSubdirectory("endtoend").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    string At(params string[] parts) => Path.Combine([folder, .. parts]);

    string Write(string name, string text)
    {
        File.WriteAllText(At(name), text);
        return At(name);
    }

    static string Done((int Code, string Output, string Error) run)
    {
        Assert.Equal("", run.Error);
        Assert.Equal(ExitCode.Done, run.Code);
        return run.Output;
    }

    // Pictures, a trained autoencoder and shards.
    void Prepare()
    {
        DrawnSet.Write(At("pictures"), 64, 16, 3, _ => { });
        string config = Write("autoencoder.yaml", AutoencoderYaml);
        Done(CommandLine.Run("train", "--config", config, "--data", At("pictures"), "--out", At("ae")));
        Done(CommandLine.Run("precompute", "--data", At("pictures"), "--model", At("ae", "model"), "--resolution", "16", "--out", At("shards")));
    }

    string[] Train(string output, params string[] more) =>
        ["train", "--config", Write("unet.yaml", UnetYaml), "--data", At("shards"), "--set", "pipeline=" + At("ae", "model"), "--out", At(output), .. more];

    [Fact]
    public void From_pictures_to_samples_and_resume_gives_the_same_bits()
    {
        Prepare();
        Done(CommandLine.Run(Train("whole")));
        Done(CommandLine.Run(Train("parts", "--set", "steps=2", "--threads", "1")));
        Done(CommandLine.Run(Train("parts", "--threads", "3")));
        foreach (string file in new[] { "model/unet/diffusion_pytorch_model.safetensors", "model/unet/config.json", "model/vae/config.json", "model/text_encoder/model.safetensors", "model/tokenizer/vocab.json", "model/scheduler/scheduler_config.json", "model/model_index.json" })
            Assert.Equal(File.ReadAllBytes(At("whole", file)), File.ReadAllBytes(At("parts", file)));
        foreach (string file in new[] { "metrics.jsonl", "config.yaml", "ATTRIBUTION.csv", "report.html", "samples/samples-00000004.png" }) Assert.True(File.Exists(At("whole", file)), file);
        Assert.True(File.Exists(At("ae", "samples", "reconstructions-00000002.png")));
        Assert.Contains("CC0-1.0", File.ReadAllText(At("whole", "ATTRIBUTION.csv")), StringComparison.Ordinal);

        Done(CommandLine.Run("sample", "--model", At("whole", "model"), "--prompt", "a red circle", "--count", "2", "--steps", "2", "--sampler", "euler_a", "--out", At("out")));
        Assert.True(File.Exists(At("out", "00001.png")));
        Assert.True(File.Exists(At("out", "grid.png")));

        string output = Done(CommandLine.Run("sample", "--model", At("whole", "model"), "--prompt", string.Concat(Enumerable.Repeat("circle ", 30)), "--steps", "1", "--out", At("cut")));
        Assert.Contains("tokens, of which the model reads the first 14", output, StringComparison.Ordinal);
        Assert.Contains("1 picture and grid.png", output, StringComparison.Ordinal);

        // Nothing is made that cannot be kept.
        var refused = CommandLine.Run("sample", "--model", At("whole", "model"), "--prompt", "a red circle", "--out", Write("taken", ""));
        Assert.Equal(ExitCode.Failed, refused.Code);
        Assert.Contains("is a file; name another folder with --out", refused.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Sampling", refused.Output, StringComparison.Ordinal);
    }

    /// <summary>Found out before a step is done, not at the first grid.</summary>
    [Fact]
    public void A_sampler_that_does_not_suit_the_objective_is_refused_at_the_start()
    {
        Prepare();
        var (code, output, error) = CommandLine.Run(Train("run", "--set", "objective={prediction: epsilon, zero_terminal_snr: true}"));
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("zero terminal SNR", error, StringComparison.Ordinal);
        Assert.DoesNotContain("Training the U-Net", output, StringComparison.Ordinal);
    }

    /// <summary>That a run diverges is no defect of the program.</summary>
    [Fact]
    public void A_run_that_diverges_says_what_to_change()
    {
        Prepare();
        var (code, _, error) = CommandLine.Run(Train("run", "--precision", "fp16", "--set", "optimizer.learning_rate=10", "--set", "steps=100", "--set", "samples.every=0"));
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("Lower the learning rate", error, StringComparison.Ordinal);
        Assert.DoesNotContain("defect", error, StringComparison.Ordinal);
    }

    /// <summary>Each thread that loads pictures fails with the same words.</summary>
    [Fact]
    public void Shards_given_as_pictures_are_refused_once()
    {
        Prepare();
        var (code, _, error) = CommandLine.Run("train", "--config", At("autoencoder.yaml"), "--data", At("shards"), "--out", At("run"));
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("no picture can be used", Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Fact]
    public void An_output_that_is_a_file_is_refused()
    {
        Prepare();
        string file = Write("taken", "");
        var (code, _, error) = CommandLine.Run(Train("taken"));
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains($"{file} is a file; name another folder", error, StringComparison.Ordinal);

        var unnamed = CommandLine.Run([.. Train("unused")[..^1], ""]);
        Assert.Equal(ExitCode.Usage, unnamed.Code);
    }

    [Fact]
    public void Shards_of_another_encoder_are_refused()
    {
        Prepare();
        File.AppendAllText(At("ae", "model", "vae", "config.json"), " ");
        var (code, _, error) = CommandLine.Run(Train("run"));
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("autoencoder", error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_interrupted_run_says_how_to_go_on()
    {
        Prepare();
        using var stopped = new CancellationTokenSource();
        stopped.Cancel();
        var (code, output, _) = CommandLine.Run(stopped.Token, Train("run"));
        Assert.Equal(ExitCode.Interrupted, code);
        Assert.Contains("goes on from there", output, StringComparison.Ordinal);
        Done(CommandLine.Run(Train("run")));
        Assert.True(File.Exists(At("run", "model", "model_index.json")));
    }

    [Fact]
    public void The_quickstart_in_miniature()
    {
        string[] args =
        [
            "quickstart", "--out", At("quick"), "--set", "pictures={count: 32, size: 32}", "--set", "autoencoder.steps=2", "--set", "unet.steps=2",
            "--set", "unet.batch.size=4", "--set", "unet.samples.every=0", "--set", "check={count: 2, steps: 2}",
        ];
        string output = Done(CommandLine.Run(args));
        Assert.Contains("of 2 (", output, StringComparison.Ordinal);
        Assert.Contains("360 of 360", output, StringComparison.Ordinal);
        foreach (string file in new[] { "quickstart.json", "config.yaml", "pictures/metadata.jsonl", "samples/seen.png", "samples/unseen.png", "samples/check.jsonl", "report.html", "unet/model/model_index.json" })
            Assert.True(File.Exists(At("quick", file)), file);
    }

    /// <summary>The list of what cannot be used would name other pictures, which is why the names must be the same.</summary>
    [Fact]
    public void An_autoencoder_is_not_resumed_on_other_pictures()
    {
        Prepare();
        string[] train = ["train", "--config", Write("autoencoder.yaml", AutoencoderYaml), "--data", At("pictures"), "--out", At("ae"), "--set", "steps=4"];
        string metadata = File.ReadAllText(At("pictures", "metadata.jsonl"));
        File.Move(At("pictures", "00000.png"), At("pictures", "zz.png"));
        File.WriteAllText(At("pictures", "metadata.jsonl"), metadata.Replace("00000.png", "zz.png", StringComparison.Ordinal));
        var (code, _, error) = CommandLine.Run(train);
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("other data", error, StringComparison.Ordinal);
        File.Move(At("pictures", "zz.png"), At("pictures", "00000.png"));
        File.WriteAllText(At("pictures", "metadata.jsonl"), metadata);
        Done(CommandLine.Run(train));
    }

    [Fact]
    public void A_second_run_in_the_folder_of_another_changes_nothing_there()
    {
        Prepare();
        File.WriteAllText(At("pictures", "broken.png"), "no");
        string config = Write("autoencoder.yaml", AutoencoderYaml), listed = At("run", "skipped.jsonl");
        using (CommonCanvas.Training.RunFolderLock.Take(At("run")))
        {
            File.WriteAllText(listed, "what the first run has listed");
            var (code, _, error) = CommandLine.Run("train", "--config", config, "--data", At("pictures"), "--out", At("run"));
            Assert.Equal(ExitCode.Failed, code);
            Assert.Contains("another run writes to this folder", error, StringComparison.Ordinal);
            Assert.Equal("what the first run has listed", File.ReadAllText(listed));
        }
        Done(CommandLine.Run("train", "--config", config, "--data", At("pictures"), "--out", At("run")));
    }

    [Fact]
    public void Pictures_of_numbers_that_are_not_finite_are_an_error_that_names_the_precision()
    {
        Prepare();
        Done(CommandLine.Run(Train("run")));
        string file = At("run", "model", "unet", "diffusion_pytorch_model.safetensors");
        SafetensorsItem[] items;
        using (var weights = new SafetensorsFile(file))
            items = [.. weights.Names.Select(name => SafetensorsItem.Floats(name, weights.Entry(name).Shape, [.. weights.ReadFloats(name).Select(v => name == "conv_out.weight" ? v * 1e6f : v)]))];
        SafetensorsWriter.Write(file, items);
        string[] sample = ["sample", "--model", At("run", "model"), "--prompt", "x", "--count", "2", "--steps", "1", "--out", At("out")];
        Done(CommandLine.Run(sample));
        var (code, _, error) = CommandLine.Run([.. sample, "--precision", "fp16"]);
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("2 of the 2 pictures", error, StringComparison.Ordinal);
        Assert.Contains("--precision bf16 or fp32", error, StringComparison.Ordinal);
        Assert.DoesNotContain("defect", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--config", "configs/missing.yaml")]
    [InlineData("--config", ".")]
    [InlineData]
    public void Without_a_configuration_it_is_a_usage_error(params string[] args) => Assert.Equal(ExitCode.Usage, CommandLine.Run(["train", .. args]).Code);

    [Fact]
    public void A_configuration_without_data_names_the_key()
    {
        var (code, _, error) = CommandLine.Run("train", "--set", "steps=1");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("data.path", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_pictures_is_a_clear_failure()
    {
        Directory.CreateDirectory(At("empty"));
        var (code, _, error) = CommandLine.Run("train", "--config", Write("autoencoder.yaml", AutoencoderYaml), "--data", At("empty"), "--out", At("run"));
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("no pictures", error, StringComparison.Ordinal);
    }
}
