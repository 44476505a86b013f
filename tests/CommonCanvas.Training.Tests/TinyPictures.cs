using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

/// <summary>A folder of small pictures with captions, and a folder of small models to encode them.</summary>
static class TinyPictures
{
    public const int Resolution = 16;

    /// <summary>Pictures named 000.png and so on; every seventh is not a picture.</summary>
    public static void Write(string folder, int count)
    {
        Directory.CreateDirectory(folder);
        for (int i = 0; i < count; i++)
        {
            string name = Path.Combine(folder, $"{i:D3}");
            int width = 16 + i % 5, height = 17 + i % 3;
            var pixels = new byte[width * height * 3];
            for (int p = 0; p < pixels.Length; p++) pixels[p] = (byte)(Philox.Block(new RandomKey(3, RandomPurpose.Drawing, (ulong)i, 0), (uint)p / 48).X >> 24);
            File.WriteAllBytes(name + ".png", i % 7 == 6 ? "not a picture"u8.ToArray() : PngWriter.Encode(pixels, width, height));
            File.WriteAllText(name + ".txt", $"picture {i % 4} of something");
        }
    }

    /// <summary>vae, text_encoder and tokenizer.</summary>
    public static void WriteModel(string folder)
    {
        var paths = new PipelineFolder(folder);
        using var ops = new CpuOps();
        using var autoencoder = new AutoencoderKL(TinyModels.Autoencoder, ops, DType.F32, training: false);
        autoencoder.Parameters.Initialize(1);
        autoencoder.SaveFolder(paths.Vae);
        var tokenizer = ClipTokenizer.ForBytes(length: 12);
        tokenizer.Save(paths.Tokenizer);
        var config = new ClipTextConfig
        {
            VocabSize = tokenizer.VocabSize, HiddenSize = TinyModels.Width, IntermediateSize = 16, Layers = 1, Heads = 2, MaxPositions = 12,
            BosTokenId = tokenizer.BosId, EosTokenId = tokenizer.EosId, PadTokenId = tokenizer.PadId,
        };
        using var text = new ClipTextModel(config, ops, DType.F32);
        text.Parameters.Initialize(2);
        text.SaveFolder(paths.TextEncoder);
    }
}
