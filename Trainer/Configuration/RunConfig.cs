using System.Text.Json.Nodes;

namespace CommonCanvas.Trainer.Configuration;

/// <summary>Which model a run trains.</summary>
public enum ModelKind
{
    /// <summary>The denoising U-Net, on precomputed latents and text embeddings.</summary>
    Unet,
    /// <summary>AutoencoderKL, on pictures.</summary>
    Autoencoder,
}

/// <summary>What the U-Net predicts.</summary>
public enum Prediction
{
    /// <summary>The noise.</summary>
    Epsilon,
    /// <summary>The velocity.</summary>
    VPrediction,
    /// <summary>The clean latent.</summary>
    Sample,
}

/// <summary>How the learning rate moves after its warm-up.</summary>
public enum RateDecay
{
    /// <summary>It stays.</summary>
    Constant,
    /// <summary>Half a cosine down to the floor.</summary>
    Cosine,
}

/// <summary>Element type of weights and activations; masters and optimizer state are always fp32.</summary>
public enum Precision
{
    /// <summary>IEEE binary32.</summary>
    Fp32,
    /// <summary>IEEE binary16 with loss scaling.</summary>
    Fp16,
    /// <summary>bfloat16.</summary>
    Bf16,
}

/// <summary>Whether steps are recorded as graphs.</summary>
public enum GraphUse
{
    /// <summary>On a device that can.</summary>
    Auto,
    /// <summary>Never: every operation is launched by itself, as a profiler wants it.</summary>
    Off,
}

/// <summary>Everything that decides a training run; written, resolved, into its folder.</summary>
public sealed class RunConfig
{
    /// <summary>What is trained.</summary>
    public ModelKind Model { get; set; } = ModelKind.Unet;

    /// <summary>The run's folder.</summary>
    public string Output { get; set; } = "runs/train";

    /// <summary>Every random number comes from it.</summary>
    public ulong Seed { get; set; } = 17;

    /// <summary>Number of optimizer steps.</summary>
    [Between(1)]
    public long Steps { get; set; } = 1000;

    /// <summary>Of weights and activations.</summary>
    public Precision Precision { get; set; } = Precision.Fp32;

    /// <summary>Whether the work that every step does alike is recorded once and launched in one call, on a GPU; the results have the same bits.</summary>
    public GraphUse Graphs { get; set; } = GraphUse.Auto;

    /// <summary>Loss scaling, which fp16 needs.</summary>
    public LossScaleConfig LossScale { get; set; } = new();

    /// <summary>Where the samples come from.</summary>
    public DataConfig Data { get; set; } = new();

    /// <summary>The folder that gives what is not trained: scheduler, text encoder, tokenizer, autoencoder; and the weights to start from where <see cref="FromWeights"/> says so.</summary>
    public string? Pipeline { get; set; }

    /// <summary>Whether training starts from the pipeline's weights instead of random ones.</summary>
    public bool FromWeights { get; set; }

    /// <summary>The U-Net's configuration in diffusers' words; without it the pipeline's is used.</summary>
    public JsonObject? Unet { get; set; }

    /// <summary>The autoencoder's configuration in diffusers' words; without it the pipeline's is used.</summary>
    public JsonObject? Autoencoder { get; set; }

    /// <summary>An autoencoder's run makes this text encoder where no pipeline gives one.</summary>
    public TextEncoderConfig TextEncoder { get; set; } = new();

    /// <summary>What the U-Net learns.</summary>
    public ObjectiveConfig Objective { get; set; } = new();

    /// <summary>Weights of the autoencoder's loss.</summary>
    public AutoencoderLossConfig AutoencoderLoss { get; set; } = new();

    /// <summary>Sizes of batches.</summary>
    public BatchConfig Batch { get; set; } = new();

    /// <summary>AdamW.</summary>
    public OptimizerConfig Optimizer { get; set; } = new();

    /// <summary>The moving average of the weights.</summary>
    public EmaConfig Ema { get; set; } = new();

    /// <summary>When checkpoints are written and which are kept.</summary>
    public CheckpointConfig Checkpoint { get; set; } = new();

    /// <summary>The loss on samples held out from training.</summary>
    public ValidationConfig Validation { get; set; } = new();

    /// <summary>Pictures made while training.</summary>
    public SamplingConfig Samples { get; set; } = new();
}

/// <summary>The factor of an fp16 run's loss: halved by a step that overflows, doubled after clean ones.</summary>
public sealed class LossScaleConfig
{
    /// <summary>First factor.</summary>
    [Between(1, 16_777_216)]
    public double Initial { get; set; } = 65536;

    /// <summary>Clean steps before it doubles.</summary>
    [Between(1, 1_000_000)]
    public int GrowthInterval { get; set; } = 2000;
}

/// <summary>Where the samples come from.</summary>
public sealed class DataConfig
{
    /// <summary>A folder of shards (U-Net), or of pictures or tar files (autoencoder).</summary>
    public string? Path { get; set; }

    /// <summary>Side of the square that pictures are cropped to.</summary>
    [Between(8, 4096)]
    public int Resolution { get; set; } = 256;

    /// <summary>SPDX id of the licence of every picture of a folder that does not say it itself.</summary>
    public string? Licence { get; set; }
}

/// <summary>A text encoder from scratch: a tokenizer learned from the captions and a fixed random vector for each token.</summary>
public sealed class TextEncoderConfig
{
    /// <summary>Numbers per token.</summary>
    [Between(8, 4096)]
    public int HiddenSize { get; set; } = 128;

    /// <summary>Tokens of a caption, begin and end included; longer captions are cut off.</summary>
    [Between(4, 512)]
    public int MaxTokens { get; set; } = 77;

    /// <summary>Most tokens that the tokenizer learns.</summary>
    [Between(514, 100_000)]
    public int Vocabulary { get; set; } = 4096;
}

/// <summary>What the U-Net learns.</summary>
public sealed class ObjectiveConfig
{
    /// <summary>What it predicts.</summary>
    public Prediction Prediction { get; set; } = Prediction.Epsilon;

    /// <summary>Rescales the noise schedule so that the last timestep is pure noise.</summary>
    public bool ZeroTerminalSnr { get; set; }

    /// <summary>Share of noise that is constant over a channel.</summary>
    [Between(0, 1)]
    public double OffsetNoise { get; set; }

    /// <summary>Min-SNR weighting with this gamma; null weighs all timesteps alike.</summary>
    [Between(0.1, 1000)]
    public double? MinSnrGamma { get; set; }

    /// <summary>Share of samples whose caption is replaced by the empty one.</summary>
    [Between(0, 1)]
    public double CaptionDropout { get; set; } = 0.1;
}

/// <summary>The autoencoder's loss and start.</summary>
public sealed class AutoencoderLossConfig
{
    /// <summary>Weight of the KL divergence beside the mean squared error.</summary>
    [Between(0, 1)]
    public double Kl { get; set; } = 1e-6;

    /// <summary>Log-variance that the posterior starts with.</summary>
    [Between(-20, 0)]
    public double InitialLogVariance { get; set; }
}

/// <summary>Sizes of batches.</summary>
public sealed class BatchConfig
{
    /// <summary>Samples of one optimizer step.</summary>
    [Between(1, 1_000_000)]
    public int Size { get; set; } = 16;

    /// <summary>Samples that go through the model at once; 0 takes the whole batch.</summary>
    [Between(0, 1_000_000)]
    public int Microbatch { get; set; }
}

/// <summary>AdamW with its schedule.</summary>
public sealed class OptimizerConfig
{
    /// <summary>Peak learning rate.</summary>
    [Between(0, 10)]
    public double LearningRate { get; set; } = 1e-4;

    /// <summary>Steps of linear warm-up.</summary>
    [Between(0)]
    public int Warmup { get; set; }

    /// <summary>What follows the warm-up.</summary>
    public RateDecay Decay { get; set; } = RateDecay.Constant;

    /// <summary>Share of the peak at which the cosine ends.</summary>
    [Between(0, 1)]
    public double Floor { get; set; }

    /// <summary>Decoupled weight decay.</summary>
    [Between(0, 1)]
    public double WeightDecay { get; set; } = 0.01;

    /// <summary>Decay of the first moment.</summary>
    [Between(0, 1)]
    public double Beta1 { get; set; } = 0.9;

    /// <summary>Decay of the second moment.</summary>
    [Between(0, 1)]
    public double Beta2 { get; set; } = 0.999;

    /// <summary>Added to the root of the second moment.</summary>
    [Between(0, 1)]
    public double Epsilon { get; set; } = 1e-8;

    /// <summary>Largest norm of the whole gradient; null does not clip.</summary>
    [Between(1e-9, 1e9)]
    public double? ClipNorm { get; set; }
}

/// <summary>The moving average of the weights.</summary>
public sealed class EmaConfig
{
    /// <summary>Whether one is kept.</summary>
    public bool Enabled { get; set; }

    /// <summary>Share that stays at every update.</summary>
    [Between(0, 1)]
    public double Decay { get; set; } = 0.9999;

    /// <summary>First step that it takes in.</summary>
    [Between(0)]
    public long Start { get; set; }

    /// <summary>Steps between updates.</summary>
    [Between(1)]
    public int Interval { get; set; } = 1;
}

/// <summary>When checkpoints are written and which are kept.</summary>
public sealed class CheckpointConfig
{
    /// <summary>Steps between checkpoints.</summary>
    [Between(1)]
    public long Every { get; set; } = 1000;

    /// <summary>How many of the newest are kept.</summary>
    [Between(1)]
    public int KeepLast { get; set; } = 2;

    /// <summary>Checkpoints at multiples of this step are kept for ever; 0 for none.</summary>
    [Between(0)]
    public long KeepEvery { get; set; }
}

/// <summary>The loss on samples held out from training.</summary>
public sealed class ValidationConfig
{
    /// <summary>Steps between validations; 0 for none.</summary>
    [Between(0)]
    public long Every { get; set; }

    /// <summary>Share of the samples that is held out.</summary>
    [Between(0, 0.5)]
    public double Share { get; set; } = 0.01;
}

/// <summary>Pictures made while training.</summary>
public sealed class SamplingConfig
{
    /// <summary>Steps between grids; 0 for none.</summary>
    [Between(0)]
    public long Every { get; set; }

    /// <summary>One picture is made for each.</summary>
    public IReadOnlyList<string> Prompts { get; set; } = [];

    /// <summary>ddim, ddpm, pndm, euler, euler_a, heun, dpmpp_2m or unipc.</summary>
    [SamplerName]
    public string Sampler { get; set; } = "ddim";

    /// <summary>Sampling steps.</summary>
    [Between(1, 1000)]
    public int Steps { get; set; } = 50;

    /// <summary>Classifier-free guidance; 1 is none.</summary>
    [Between(0, 100)]
    public double Guidance { get; set; } = 3;
}
