using System.Text.Json.Nodes;

namespace CommonCanvas.Models;

/// <summary>
/// The noise schedule of a pipeline, from <c>scheduler_config.json</c>. Whatever sampler the file was written for, only
/// what defines noise, timesteps and prediction is kept. The property defaults are Stable Diffusion's.
/// </summary>
public sealed record SchedulerConfig
{
    /// <summary>diffusers' class that the file was written for.</summary>
    public string ClassName { get; init; } = "DDIMScheduler";

    /// <summary><c>linear</c>, <c>scaled_linear</c> or <c>squaredcos_cap_v2</c>.</summary>
    public string BetaSchedule { get; init; } = "scaled_linear";

    /// <summary>First beta.</summary>
    public double BetaStart { get; init; } = 0.00085;

    /// <summary>Last beta.</summary>
    public double BetaEnd { get; init; } = 0.012;

    /// <summary>Timesteps of training.</summary>
    public int NumTrainTimesteps { get; init; } = 1000;

    /// <summary>What the model predicts: <c>epsilon</c>, <c>v_prediction</c> or <c>sample</c>.</summary>
    public string PredictionType { get; init; } = "epsilon";

    /// <summary>Whether the last step of DDIM and PNDM ends at alpha 1 instead of timestep 0's.</summary>
    public bool SetAlphaToOne { get; init; }

    /// <summary>Added to the timesteps of <c>leading</c> spacing.</summary>
    public int StepsOffset { get; init; } = 1;

    /// <summary>How a sampler's timesteps are chosen: <c>leading</c>, <c>trailing</c> or <c>linspace</c>.</summary>
    public string TimestepSpacing { get; init; } = "leading";

    /// <summary>Whether betas are rescaled so that the last timestep has no signal left.</summary>
    public bool RescaleBetasZeroSnr { get; init; }

    /// <summary>Whether DDIM and DDPM clip the predicted sample.</summary>
    public bool ClipSample { get; init; }

    /// <summary>Bound of the clipping.</summary>
    public double ClipSampleRange { get; init; } = 1;

    /// <summary>Reads <c>scheduler_config.json</c> of a folder, or the file itself.</summary>
    /// <exception cref="InvalidDataException">Unknown keys or unsupported values, all listed.</exception>
    public static SchedulerConfig Load(string folderOrFile)
    {
        string path = ConfigFiles.Find(folderOrFile, "scheduler_config.json");
        return From(ModelConfig.Read(path));
    }

    internal static SchedulerConfig From(ModelConfig json)
    {
        string name = json.Choice("_class_name", "DDIMScheduler", "DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "EulerDiscreteScheduler",
            "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "LMSDiscreteScheduler");
        bool ddim = name == "DDIMScheduler", clips = ddim || name == "DDPMScheduler";
        json.Only("null", "trained_betas", "shift_terminal");
        json.Only("false", "thresholding", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_flow_sigmas", "use_lu_lambdas", "euler_at_final");
        // Settings of the sampler alone: which one runs, and how, is chosen when sampling.
        json.Ignore("skip_prk_steps", "variance_type", "dynamic_thresholding_ratio", "sample_max_value", "interpolation_type", "timestep_type", "sigma_min", "sigma_max",
            "final_sigmas_type", "solver_order", "solver_type", "algorithm_type", "lower_order_final", "lambda_min_clipped", "predict_x0", "disable_corrector", "solver_p",
            "flow_shift", "clip_sample_range_type", "use_dynamic_shifting", "time_shift_type", "sigma_schedule");
        var config = new SchedulerConfig
        {
            ClassName = name,
            BetaSchedule = json.Choice("beta_schedule", "linear", "linear", "scaled_linear", "squaredcos_cap_v2"),
            BetaStart = json.Float("beta_start", 0.0001, 0, 0.999),
            BetaEnd = json.Float("beta_end", 0.02, 0, 0.999),
            NumTrainTimesteps = json.Int("num_train_timesteps", 1000, 2, 100_000),
            PredictionType = json.Choice("prediction_type", "epsilon", "epsilon", "v_prediction", "sample"),
            SetAlphaToOne = json.Bool("set_alpha_to_one", ddim),
            StepsOffset = json.Int("steps_offset", 0, 0, 100_000),
            TimestepSpacing = json.Choice("timestep_spacing", clips || name == "PNDMScheduler" ? "leading" : "linspace", "leading", "trailing", "linspace"),
            RescaleBetasZeroSnr = json.Bool("rescale_betas_zero_snr", false),
            ClipSample = json.Bool("clip_sample", clips),
            ClipSampleRange = json.Float("clip_sample_range", 1, 1e-6, 1e6),
        };
        json.Require(config.StepsOffset < config.NumTrainTimesteps, $"steps_offset = {config.StepsOffset} is not below num_train_timesteps = {config.NumTrainTimesteps}");
        json.Finish();
        return config;
    }

    /// <summary>The schedule as diffusers loads it, for DDIM, from which its pipelines make any other sampler.</summary>
    public string ToJson() => ModelConfig.Write(new JsonObject
    {
        ["_class_name"] = "DDIMScheduler",
        ["_diffusers_version"] = ConfigFiles.DiffusersVersion,
        ["beta_end"] = BetaEnd,
        ["beta_schedule"] = BetaSchedule,
        ["beta_start"] = BetaStart,
        ["clip_sample"] = ClipSample,
        ["clip_sample_range"] = ClipSampleRange,
        ["num_train_timesteps"] = NumTrainTimesteps,
        ["prediction_type"] = PredictionType,
        ["rescale_betas_zero_snr"] = RescaleBetasZeroSnr,
        ["set_alpha_to_one"] = SetAlphaToOne,
        ["steps_offset"] = StepsOffset,
        ["timestep_spacing"] = TimestepSpacing,
        ["trained_betas"] = null,
    });
}
