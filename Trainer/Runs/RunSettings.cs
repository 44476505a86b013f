using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Runs;

/// <summary>A run's configuration in the words of the training code.</summary>
public static class RunSettings
{
    /// <summary>Length and outputs.</summary>
    /// <param name="config">The run.</param>
    /// <param name="data">Description of the data; a checkpoint of other data is refused.</param>
    public static TrainSettings Train(RunConfig config, string data) => new()
    {
        RunFolder = config.Output,
        Steps = config.Steps,
        Optimizer = Optimizer(config),
        CheckpointEvery = config.Checkpoint.Every,
        KeepLast = config.Checkpoint.KeepLast,
        KeepEvery = config.Checkpoint.KeepEvery,
        ValidateEvery = config.Validation.Every,
        SampleEvery = config.Samples.Every,
        LossScaling = config.Precision == Precision.Fp16,
        InitialLossScale = (float)config.LossScale.Initial,
        LossScaleGrowth = config.LossScale.GrowthInterval,
        Graphs = config.Graphs == GraphUse.Auto,
        Configuration = ConfigWriter.Write(config),
        Data = data,
    };

    /// <summary>What the U-Net learns.</summary>
    public static DiffusionObjective Objective(RunConfig config, Models.SchedulerConfig scheduler) => new()
    {
        Schedule = NoiseSchedule.From(scheduler),
        Prediction = NoiseSchedule.ParsePrediction(scheduler.PredictionType),
        MinSnrGamma = config.Objective.MinSnrGamma ?? double.PositiveInfinity,
        OffsetNoise = config.Objective.OffsetNoise,
        CaptionDropout = config.Objective.CaptionDropout,
        Seed = config.Seed,
    };

    /// <summary>The pipeline's noise schedule with what this run's objective changes.</summary>
    public static Models.SchedulerConfig Scheduler(RunConfig config, Models.SchedulerConfig pipeline) => pipeline with
    {
        PredictionType = config.Objective.Prediction switch
        {
            Prediction.Epsilon => "epsilon",
            Prediction.VPrediction => "v_prediction",
            _ => "sample",
        },
        RescaleBetasZeroSnr = config.Objective.ZeroTerminalSnr,
        // Zero terminal SNR is of use only if sampling starts at the last timestep.
        TimestepSpacing = config.Objective.ZeroTerminalSnr ? "trailing" : pipeline.TimestepSpacing,
    };

    /// <summary>Element type of weights and activations.</summary>
    public static DType Type(Precision precision) => precision switch
    {
        Precision.Fp16 => DType.F16,
        Precision.Bf16 => DType.BF16,
        _ => DType.F32,
    };

    static OptimizerSettings Optimizer(RunConfig config) => new()
    {
        LearningRate = new LearningRateSchedule(config.Optimizer.LearningRate, config.Optimizer.Warmup,
            config.Optimizer.Decay == RateDecay.Cosine ? LearningRateDecay.Cosine : LearningRateDecay.Constant, config.Steps, config.Optimizer.Floor),
        Beta1 = config.Optimizer.Beta1,
        Beta2 = config.Optimizer.Beta2,
        Epsilon = config.Optimizer.Epsilon,
        WeightDecay = config.Optimizer.WeightDecay,
        ClipNorm = config.Optimizer.ClipNorm ?? double.PositiveInfinity,
        EmaDecay = config.Ema.Enabled ? config.Ema.Decay : 0,
        EmaStart = Math.Max(1, config.Ema.Start),
        EmaInterval = config.Ema.Interval,
    };
}
