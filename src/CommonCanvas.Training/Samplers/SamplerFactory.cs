namespace CommonCanvas.Training;

/// <summary>Samplers by name.</summary>
public static class SamplerFactory
{
    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = ["ddim", "ddpm", "pndm", "euler", "euler_a", "heun", "dpmpp_2m", "unipc"];

    /// <summary>A sampler for a model trained as <paramref name="config"/> says.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="config">The model's scheduler_config.json.</param>
    /// <param name="steps">Sampling steps, 1 to the number of training timesteps.</param>
    public static ISampler Create(string name, Models.SchedulerConfig config, int steps)
    {
        var schedule = NoiseSchedule.From(config);
        if ((name is "ddim" or "ddpm" or "pndm") && config.RescaleBetasZeroSnr && config.PredictionType == "epsilon")
            throw new ArgumentException($"sampler {name} cannot start from pure noise (zero terminal SNR) with a model that predicts epsilon; use euler");
        return name switch
        {
            "ddim" => new DdimSampler(config, schedule, steps),
            "ddpm" => new DdpmSampler(config, schedule, steps),
            "pndm" => new PndmSampler(config, schedule, steps),
            "euler" => new EulerSampler(config, schedule, steps),
            "euler_a" => new EulerAncestralSampler(config, schedule, steps),
            "heun" => new HeunSampler(config, schedule, steps),
            "dpmpp_2m" => new DpmSolverSampler(config, schedule, steps),
            "unipc" => new UniPcSampler(config, schedule, steps),
            _ => throw new ArgumentException($"sampler '{name}' is unknown; use {string.Join(", ", Names)}"),
        };
    }

    /// <summary>The name for a scheduler's class in diffusers' scheduler_config.json; ddim for one that has no counterpart here.</summary>
    public static string NameFor(string? className) => className switch
    {
        "DDPMScheduler" => "ddpm",
        "PNDMScheduler" => "pndm",
        "EulerDiscreteScheduler" => "euler",
        "EulerAncestralDiscreteScheduler" => "euler_a",
        "HeunDiscreteScheduler" => "heun",
        "DPMSolverMultistepScheduler" => "dpmpp_2m",
        "UniPCMultistepScheduler" => "unipc",
        _ => "ddim",
    };
}
