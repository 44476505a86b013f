using System.CommandLine;
using System.Globalization;
using CommonCanvas.Models;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Runs;
using CommonCanvas.Trainer.Terminal;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Commands;

/// <summary><c>sample</c>: pictures from a model folder.</summary>
public sealed class SampleCommand
{
    readonly Option<string> model = Options.Needed("--model", "Folder of a whole model, as diffusers and 'train' write it.");
    readonly Option<string> prompt = Options.Needed("--prompt", "What the pictures show.");
    readonly Option<string> negative = new("--negative") { Description = "What guidance leads away from.", DefaultValueFactory = _ => "" };
    readonly Option<string?> sampler = Options.WordOrNone("--sampler", "One of " + string.Join(", ", SamplerFactory.Names) + "; the model's own if left out.", SamplerFactory.Names);
    readonly Option<int> steps = Options.Whole("--steps", "Sampling steps.", 50, 1, 1000);
    readonly Option<double> guidance = Options.Real("--guidance", "Classifier-free guidance; 1 is none.", 7.5, 0, 100);
    readonly Option<int> seed = Options.Whole("--seed", "Decides the starting noise.", 0, 0, int.MaxValue);
    readonly Option<int> width = Options.Whole("--width", "Pixels across; 0 takes the size that the model was trained at.", 0, 0, 8192);
    readonly Option<int> height = Options.Whole("--height", "Pixels down; 0 takes the size that the model was trained at.", 0, 0, 8192);
    readonly Option<int> count = Options.Whole("--count", "Number of pictures.", 1, 1, 10_000);
    readonly Option<int> batch = Options.Whole("--batch", "Pictures that are made at once; more take more memory.", 4, 1, 256);
    readonly Option<string> output = new("--out") { Description = "Folder for the pictures.", DefaultValueFactory = _ => "samples" };
    readonly Option<string?> latents = Options.Text("--latents", "Safetensors file whose tensor 'latents' [count, channels, height, width] is the starting noise.");
    readonly Option<string?> saveLatents = Options.Text("--save-latents", "Safetensors file to write the final latents to, as tensor 'final_latents'.");
    readonly Option<string> precision = Options.Word("--precision", "Element type of the U-Net.", "fp32", "fp32", "fp16", "bf16");
    readonly Runner runner;

    /// <summary>Defines the command.</summary>
    public SampleCommand(Runner runner)
    {
        this.runner = runner;
        Command = new Command("sample", "Make pictures from a prompt.")
        {
            model, prompt, negative, sampler, steps, guidance, seed, width, height, count, batch, output, latents, saveLatents, precision,
        };
        runner.Bind(Command, Run);
    }

    /// <summary>The command.</summary>
    public Command Command { get; }

    int Run(ParseResult parsed, CancellationToken cancellation)
    {
        var console = runner.Console;
        using var ops = runner.OpenDevice(parsed);
        var type = parsed.GetValue(precision) switch { "fp16" => DType.F16, "bf16" => DType.BF16, _ => DType.F32 };
        string folder = parsed.GetValue(model)!, target = parsed.GetValue(output)!;
        using var pipeline = LoadedPipeline.Load(folder, ops, type);
        int shrink = pipeline.Autoencoder.Config.Downscale, side = pipeline.UNet.Config.SampleSize * shrink;
        var given = parsed.GetValue(latents) is { } file ? ReadLatents(file) : null;
        int pictures = parsed.GetResult(count) is { Implicit: false } || given is null ? parsed.GetValue(count) : (int)given.Shape[0];
        var request = new SampleRequest
        {
            Prompts = [.. Enumerable.Repeat(parsed.GetValue(prompt)!, pictures)],
            Negative = parsed.GetValue(negative)!,
            Sampler = parsed.GetValue(sampler) ?? pipeline.TextToImage.DefaultSampler,
            Steps = parsed.GetValue(steps),
            Guidance = parsed.GetValue(guidance),
            Seed = (ulong)parsed.GetValue(seed),
            Width = Size(parsed.GetValue(width), given?.Shape[3] * shrink, side),
            Height = Size(parsed.GetValue(height), given?.Shape[2] * shrink, side),
            Latents = given?.Values,
            BatchSize = parsed.GetValue(batch),
        };
        NoteCut("prompt", request.Prompts[0], pipeline);
        NoteCut("negative prompt", request.Negative, pipeline);
        int evaluations = (pictures + request.BatchSize - 1) / request.BatchSize * SamplerFactory.Create(request.Sampler, pipeline.Scheduler, request.Steps).Timesteps.Count;
        OutputFolder.Require(target);
        var result = Progress.Run(console, $"Sampling {Counted(pictures)} of {request.Width}x{request.Height}", evaluations, "steps",
            progress => pipeline.TextToImage.Generate(request, (done, _) => progress.Report(done), cancellation));
        Write(target, request, result, folder);
        if (parsed.GetValue(saveLatents) is { } latentFile)
            SafetensorsWriter.Write(latentFile, [SafetensorsItem.Floats("final_latents", result.LatentShape, result.Latents)], SafetensorsWriter.PyTorch);
        int broken = result.Latents.Chunk(result.Latents.Length / pictures).Count(latent => !latent.All(float.IsFinite));
        if (broken > 0)
            throw new ArithmeticException($"{broken} of the {pictures} pictures in {Path.GetFullPath(target)} show nothing: the U-Net of {folder} gave numbers that are not finite{(type == DType.F16 ? "; fp16 may be too narrow for it, take --precision bf16 or fp32" : "; its weights are damaged or too large")}");
        console.Line($"{Counted(pictures)} and grid.png in {Path.GetFullPath(target)}");
        return ExitCode.Done;
    }

    // What goes beyond the text encoder's tokens has no effect, and nothing in the pictures says so.
    void NoteCut(string what, string text, LoadedPipeline pipeline)
    {
        const int BeginAndEnd = 2;
        int read = Math.Min(pipeline.Tokenizer.Length, pipeline.TextEncoder.Config.MaxPositions) - BeginAndEnd, given = pipeline.Tokenizer.Tokenize(text).Count;
        if (given > read) runner.Console.Note($"the {what} has {given} tokens, of which the model reads the first {read}");
    }

    static string Counted(int pictures) => pictures == 1 ? "1 picture" : $"{pictures} pictures";

    static int Size(int asked, long? fromLatents, int otherwise) => asked > 0 ? asked : (int?)fromLatents ?? otherwise;

    static void Write(string folder, SampleRequest request, SampleResult result, string model)
    {
        for (int i = 0; i < result.Pictures.Count; i++)
            File.WriteAllBytes(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{i:D5}.png")), result.Pictures[i].ToPng([new("parameters", Parameters(request, model, i))]));
        File.WriteAllBytes(Path.Combine(folder, "grid.png"), SampleGrid.Compose(result.Pictures).ToPng([new("parameters", Parameters(request, model, null))]));
    }

    /// <summary>The settings in the form that other programs write and read: prompt, negative prompt, then the numbers.</summary>
    static string Parameters(SampleRequest request, string model, int? index) => string.Create(CultureInfo.InvariantCulture,
        $"{request.Prompts[index ?? 0]}\nNegative prompt: {request.Negative}\nSteps: {request.Steps}, Sampler: {request.Sampler}, CFG scale: {request.Guidance}, Seed: {request.Seed}{(index is null ? "" : $", Picture: {index}")}, Size: {request.Width}x{request.Height}, Model: {Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(model)))}{(request.Latents is null ? "" : ", Starting noise: given")}");

    static string Some(IEnumerable<string> names)
    {
        const int Shown = 3;
        string[] all = [.. names];
        return string.Join(", ", all.Take(Shown)) + (all.Length > Shown ? $" and {all.Length - Shown} more" : "");
    }

    sealed record GivenLatents(float[] Values, long[] Shape);

    static GivenLatents ReadLatents(string file)
    {
        using var tensors = new SafetensorsFile(file);
        if (!tensors.Has("latents")) throw new InvalidDataException($"{file}: has no tensor 'latents'; it has {Some(tensors.Names)}");
        var shape = tensors.Entry("latents").Shape;
        if (shape.Length != 4) throw new InvalidDataException($"{file}: 'latents' is [{string.Join(", ", shape)}]; it must be [pictures, channels, height, width]");
        return new GivenLatents(tensors.ReadFloats("latents"), shape);
    }
}
