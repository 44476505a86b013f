using CommonCanvas.Models;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Configuration;

namespace CommonCanvas.Trainer.Runs;

/// <summary>Puts together the diffusers folder that a run leaves behind.</summary>
public static class ModelFolder
{
    /// <summary>Name of the folder within a run folder.</summary>
    public const string Name = "model";

    /// <summary>Copies the files of some components of a pipeline.</summary>
    public static void Copy(PipelineFolder from, PipelineFolder to, params Func<PipelineFolder, string>[] components)
    {
        foreach (var component in components)
        {
            string source = component(from), target = component(to);
            if (!Directory.Exists(source)) throw new DirectoryNotFoundException($"{source} does not exist; the pipeline folder {from.Root} is not complete");
            if (Path.GetFullPath(source) == Path.GetFullPath(target)) continue;
            Directory.CreateDirectory(target);
            foreach (string file in Directory.GetFiles(source)) File.Copy(file, Path.Combine(target, Path.GetFileName(file)), overwrite: true);
        }
    }

    /// <summary>Writes a scheduler's configuration.</summary>
    public static void WriteScheduler(PipelineFolder to, SchedulerConfig scheduler)
    {
        Directory.CreateDirectory(to.Scheduler);
        File.WriteAllText(Path.Combine(to.Scheduler, "scheduler_config.json"), scheduler.ToJson());
    }

    /// <summary>
    /// Makes a tokenizer and a text encoder from scratch. Since training leaves the text encoder as it is, this one does
    /// what serves the U-Net's cross-attention best without having learned anything: each token is a random vector of its
    /// own, nearly orthogonal to all others, plus a small one for its place; its one layer adds nothing.
    /// </summary>
    public static void WriteText(PipelineFolder to, TextEncoderConfig settings, IEnumerable<string> captions, ulong seed, IOps ops)
    {
        const float positionScale = 0.3f;
        var tokenizer = ClipTokenizer.Build(captions, settings.Vocabulary, settings.MaxTokens);
        tokenizer.Save(to.Tokenizer);
        var config = new ClipTextConfig
        {
            VocabSize = tokenizer.VocabSize,
            HiddenSize = settings.HiddenSize,
            IntermediateSize = settings.HiddenSize,
            ProjectionDim = settings.HiddenSize,
            Layers = 1,
            Heads = 1,
            MaxPositions = tokenizer.Length,
            BosTokenId = tokenizer.BosId,
            EosTokenId = tokenizer.EosId,
            PadTokenId = tokenizer.PadId,
        };
        using var encoder = new ClipTextModel(config, ops, DType.F32);
        encoder.Parameters.Initialize(seed);
        Fill(encoder.Parameters["text_model.embeddings.token_embedding.weight"], 1);
        Fill(encoder.Parameters["text_model.embeddings.position_embedding.weight"], positionScale);
        foreach (var parameter in encoder.Parameters.All)
            if (parameter.Name.Contains(".self_attn.out_proj.", StringComparison.Ordinal) || parameter.Name.Contains(".mlp.fc2.", StringComparison.Ordinal)) Fill(parameter, 0);
        encoder.SaveFolder(to.TextEncoder);

        void Fill(Parameter parameter, float scale)
        {
            var values = new float[parameter.Count];
            Philox.Normal(new RandomKey(seed, RandomPurpose.Weights, (ulong)parameter.Offset, 1), values);
            for (int i = 0; i < values.Length; i++) values[i] *= scale;
            ops.Upload<float>(values, parameter.Value);
        }
    }
}
