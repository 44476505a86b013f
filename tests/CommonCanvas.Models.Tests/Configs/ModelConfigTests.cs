using System.Text;
using System.Text.Json.Nodes;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

public sealed class ModelConfigTests : IDisposable
{
    readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> Kinds => ["UNet2DConditionModel", "AutoencoderKL", "clip_text_model", "Scheduler"];

    [Fact]
    [Trait("Category", "Golden")]
    public void Every_configuration_of_diffusers_is_read_and_what_is_written_says_the_same()
    {
        int files = 0;
        foreach (string path in Directory.EnumerateFiles(Golden.Require(), "*config.json", SearchOption.AllDirectories))
        {
            string text = File.ReadAllText(path);
            string? kind = Kind(text);
            if (kind is null) continue;
            string written = Rewritten(kind, text, path);
            Assert.Equal(written, Rewritten(kind, written, path));
            // Every key written has the value that diffusers wrote, or is one of the two that name the writer.
            var (ours, theirs) = (JsonNode.Parse(written)!.AsObject(), JsonNode.Parse(text)!.AsObject());
            foreach (var (key, value) in ours)
                if (theirs.ContainsKey(key) && key is not ("_diffusers_version" or "transformers_version" or "_class_name"))
                    Assert.True(Same(value, theirs[key]), $"{path}: {key} = {value?.ToJsonString() ?? "null"}");
            files++;
        }
        Assert.NotEqual(0, files);
    }

    [Fact]
    public void Presets_can_be_built_and_survive_writing()
    {
        foreach (var config in (UNetConfig[])[UNetConfig.Sd2, UNetConfig.Small, UNetConfig.Tiny])
        {
            Assert.Empty(config.Contradictions());
            Assert.Equal(config, UNetConfig.From(ModelConfig.Parse(Encoding.UTF8.GetBytes(config.ToJson()), "a")));
        }
        Assert.Equal(AutoencoderConfig.Sd, AutoencoderConfig.From(ModelConfig.Parse(Encoding.UTF8.GetBytes(AutoencoderConfig.Sd.ToJson()), "a")));
        Assert.Equal(ClipTextConfig.Sd2, ClipTextConfig.From(ModelConfig.Parse(Encoding.UTF8.GetBytes(ClipTextConfig.Sd2.ToJson()), "a")));
        var schedule = new SchedulerConfig { PredictionType = "v_prediction", RescaleBetasZeroSnr = true };
        Assert.Equal(schedule, SchedulerConfig.From(ModelConfig.Parse(Encoding.UTF8.GetBytes(schedule.ToJson()), "a")));
        Assert.Equal(8, AutoencoderConfig.Sd.Downscale);
        Assert.Equal(1280, UNetConfig.Sd2.TimeEmbeddingDim);
    }

    [Fact]
    public void An_old_file_without_the_newer_keys_has_the_library_s_defaults()
    {
        var unet = UNet("""{"_class_name":"UNet2DConditionModel","_name_or_path":"x","attention_head_dim":8,"cross_attention_dim":768,"sample_size":64}""");
        Assert.False(unet.UseLinearProjection);
        Assert.Equal([8, 8, 8, 8], unet.Heads);
        Assert.Equal(768, unet.CrossAttentionDim);
        Assert.Equal([320, 640, 1280, 1280], unet.BlockOutChannels);
        Assert.Equal(1280, UNet("{}").CrossAttentionDim);
        Assert.Equal([4, 4, 4, 4], UNet("""{"num_attention_heads":4}""").Heads);
        Assert.False(UNet("""{"only_cross_attention":[false,false,false,false]}""").UpcastAttention);
        var schedule = SchedulerConfig.From(ModelConfig.Parse("""{"_class_name":"PNDMScheduler","beta_schedule":"scaled_linear","skip_prk_steps":true}"""u8.ToArray(), "a"));
        Assert.Equal((0, "leading", false), (schedule.StepsOffset, schedule.TimestepSpacing, schedule.ClipSample));
        Assert.True(ClipTextConfig.From(ModelConfig.Parse("{}"u8.ToArray(), "a")).QuickGelu);
    }

    // As diffusers writes them: keys of newer versions, and a number that JSON does not have.
    [Theory]
    [InlineData("""{"_class_name":"DPMSolverMultistepScheduler","lambda_min_clipped":-Infinity,"use_lu_lambdas":false,"solver_order":2,"steps_offset":1,"timestep_spacing":"leading"}""")]
    [InlineData("""{"_class_name":"UniPCMultistepScheduler","shift_terminal":null,"sigma_min":null,"disable_corrector":[],"solver_p":null,"steps_offset":1,"timestep_spacing":"leading"}""")]
    [InlineData("""{"_class_name":"EulerDiscreteScheduler","final_sigmas_type":"zero","timestep_type":"discrete","steps_offset":1,"timestep_spacing":"leading"}""")]
    [InlineData("""{"_class_name":"PNDMScheduler","skip_prk_steps":true,"set_alpha_to_one":false,"steps_offset":1,"clip_sample":false}""")]
    public void Schedulers_of_other_samplers_are_read(string json)
    {
        var schedule = SchedulerConfig.From(ModelConfig.Parse(Encoding.UTF8.GetBytes(json), "a"));
        Assert.Equal((1, "leading"), (schedule.StepsOffset, schedule.TimestepSpacing));
    }

    [Theory]
    [InlineData("""{"beta_end":NaN}""", "beta_end = \"NaN\"")]
    [InlineData("""{"beta_start":-Infinity,"_note":"\\\" Infinity"}""", "beta_start = \"-Infinity\"")]
    [InlineData("""{"beta_start":InfinityNaN}""", "JSON")]
    public void Numbers_that_are_none_are_refused_where_they_count(string json, string part) =>
        Assert.Contains(part, Assert.Throws<InvalidDataException>(() => SchedulerConfig.From(ModelConfig.Parse(Encoding.UTF8.GetBytes(json), "a"))).Message, StringComparison.Ordinal);

    [Fact]
    public void One_error_lists_everything_that_is_not_supported()
    {
        var error = Assert.Throws<InvalidDataException>(() => UNet("""
            {"act_fn":"mish","dual_cross_attention":true,"mid_block_type":null,"surprise":[1],"block_out_channels":[320,650],"layers_per_block":0,
             "addition_embed_type":"text_time","only_cross_attention":[true,false],"transformer_layers_per_block":[1,2]}
            """));
        Assert.StartsWith("some/config.json", error.Message, StringComparison.Ordinal);
        foreach (string part in (string[])["act_fn = \"mish\"", "dual_cross_attention = true", "mid_block_type = null", "surprise = [1]", "layers_per_block = 0",
                     "addition_embed_type = \"text_time\"", "only_cross_attention = [true,false]", "transformer_layers_per_block = [1, 2]", "2 block_out_channels"])
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"block_out_channels":[320,650,1280,1280]}""", "block_out_channels[1] = 650")]
    [InlineData("""{"attention_head_dim":7}""", "7 attention heads")]
    [InlineData("""{"in_channels":4,"in_channels":4}""", "in_channels")]
    [InlineData("""{"block_out_channels":[]}""", "a list of 1")]
    [InlineData("""{"block_out_channels":[1e99]}""", "block_out_channels")]
    [InlineData("""{"in_channels":99999999999999999999}""", "in_channels")]
    [InlineData("""{"in_channels":2.5}""", "in_channels")]
    [InlineData("""{"norm_eps":1e999}""", "norm_eps")]
    [InlineData("""{"norm_num_groups":null,"sample_size":[64,64]}""", "sample_size")]
    [InlineData("""{"_class_name":"FlaxUNet2DConditionModel"}""", "FlaxUNet2DConditionModel")]
    [InlineData("""{"act_fn":"\ud800"}""", "act_fn")]
    [InlineData("""{"\ud800":1}""", "JSON")]
    [InlineData("""[]""", "object")]
    [InlineData("""{"a":""", "JSON")]
    [InlineData("", "JSON")]
    public void Wrong_values_are_named(string json, string part) =>
        Assert.Contains(part, Assert.Throws<InvalidDataException>(() => UNet(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void Deep_nesting_is_an_error() =>
        Assert.Throws<InvalidDataException>(() => UNet("{\"a\":" + new string('[', 100_000)));

    [Theory, Trait("Category", "Fuzz")]
    [MemberData(nameof(Kinds))]
    public void Damaged_configurations_are_refused_or_buildable(string kind)
    {
        byte[] sound = Encoding.UTF8.GetBytes(kind switch
        {
            "UNet2DConditionModel" => UNetConfig.Sd2.ToJson(),
            "AutoencoderKL" => AutoencoderConfig.Sd.ToJson(),
            "clip_text_model" => ClipTextConfig.Sd2.ToJson(),
            _ => new SchedulerConfig().ToJson(),
        });
        Mutator.Run([sound], 500, (bytes, _) =>
        {
            var json = ModelConfig.Parse(bytes, "some/config.json");
            switch (kind)
            {
                case "UNet2DConditionModel": Assert.Empty(UNetConfig.From(json).Contradictions()); break;
                case "AutoencoderKL": Assert.Empty(AutoencoderConfig.From(json).Contradictions()); break;
                case "clip_text_model": Assert.Empty(ClipTextConfig.From(json).Contradictions()); break;
                default: Assert.InRange(SchedulerConfig.From(json).NumTrainTimesteps, 2, 100_000); break;
            }
        }, e => e is InvalidDataException && e.Message.StartsWith("some/config.json", StringComparison.Ordinal));
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        Assert.Contains(folder["config.json"], Assert.Throws<FileNotFoundException>(() => UNetConfig.Load(folder.Path)).Message, StringComparison.Ordinal);
        File.WriteAllText(folder["config.json"], AutoencoderConfig.Sd.ToJson());
        Assert.Equal(AutoencoderConfig.Sd, AutoencoderConfig.Load(folder.Path));
        Assert.Equal(AutoencoderConfig.Sd, AutoencoderConfig.Load(folder["config.json"]));
    }

    static UNetConfig UNet(string json) => UNetConfig.From(ModelConfig.Parse(Encoding.UTF8.GetBytes(json), "some/config.json"));

    static string? Kind(string text)
    {
        var json = JsonNode.Parse(text)!;
        string kind = (string?)json["_class_name"] ?? (string?)json["model_type"] ?? "";
        if (kind.EndsWith("Scheduler", StringComparison.Ordinal)) return "Scheduler";
        return Kinds.Select(k => k.Data).Contains(kind) ? kind : null;
    }

    static string Rewritten(string kind, string text, string path)
    {
        var json = ModelConfig.Parse(Encoding.UTF8.GetBytes(text), path);
        return kind switch
        {
            "UNet2DConditionModel" => UNetConfig.From(json).ToJson(),
            "AutoencoderKL" => AutoencoderConfig.From(json).ToJson(),
            "clip_text_model" => ClipTextConfig.From(json).ToJson(),
            _ => SchedulerConfig.From(json).ToJson(),
        };
    }

    static bool Same(JsonNode? a, JsonNode? b)
    {
        // One number stands for as many equal ones as there are blocks.
        if (a is JsonArray list && b is JsonValue) return list.All(item => Same(item, b));
        if (a is JsonArray x && b is JsonArray y) return x.Count == y.Count && x.Zip(y).All(p => Same(p.First, p.Second));
        if (a is JsonValue u && b is JsonValue v && u.GetValueKind() == System.Text.Json.JsonValueKind.Number && v.GetValueKind() == System.Text.Json.JsonValueKind.Number)
            return (double)u == (double)v;
        return JsonNode.DeepEquals(a, b);
    }
}
