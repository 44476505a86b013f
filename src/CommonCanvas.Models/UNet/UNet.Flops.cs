namespace CommonCanvas.Models;

public sealed partial class UNet
{
    /// <summary>
    /// Floating-point operations of a Forward: two for each multiplication and addition of matrix products, convolutions and
    /// attention; norms and element-wise functions are left out. Forward and Backward together need three times as many.
    /// </summary>
    /// <param name="batch">Samples.</param>
    /// <param name="height">Height of the latents.</param>
    /// <param name="width">Width of the latents.</param>
    /// <param name="tokens">Tokens of a text.</param>
    public double ForwardFlops(int batch, int height, int width, int tokens) => ForwardFlops(Config, batch, height, width, tokens);

    /// <summary>The same of a model that need not be built.</summary>
    public static double ForwardFlops(UNetConfig config, int batch, int height, int width, int tokens) =>
        2.0 * batch * new MultiplyAdds(config, tokens).Of(height, width);

    /// <summary>Counts the multiplications (each with its addition) of one sample, in the order of Forward.</summary>
    readonly struct MultiplyAdds(UNetConfig config, int tokens)
    {
        public double Of(int height, int width)
        {
            int levels = config.BlockOutChannels.Count, time = config.TimeEmbeddingDim;
            var (rows, columns) = (new int[levels], new int[levels]);
            (rows[0], columns[0]) = (height, width);
            int lost = config.DownsamplePadding == 0 ? 1 : 0;
            for (int i = 1; i < levels; i++)
                (rows[i], columns[i]) = ((rows[i - 1] + 1 - lost) / 2, (columns[i - 1] + 1 - lost) / 2);

            int first = config.BlockOutChannels[0], last = config.BlockOutChannels[^1];
            double finest = (double)height * width;
            double sum = 9.0 * finest * (config.InChannels + config.OutChannels) * first + (double)time * (first + time);
            for (int i = 0; i < levels; i++)
            {
                double pixels = (double)rows[i] * columns[i];
                int channels = config.BlockOutChannels[i];
                for (int j = 0; j < config.LayersPerBlock; j++)
                {
                    sum += Residual(pixels, j == 0 ? config.BlockOutChannels[Math.Max(i - 1, 0)] : channels, channels);
                    if (config.DownAttention[i]) sum += Transformer(pixels, channels);
                }
                if (i < levels - 1) sum += 9.0 * rows[i + 1] * columns[i + 1] * channels * channels;
            }
            double coarsest = (double)rows[^1] * columns[^1];
            sum += 2 * Residual(coarsest, last, last) + Transformer(coarsest, last);
            for (int i = levels - 1; i >= 0; i--)
            {
                double pixels = (double)rows[i] * columns[i];
                int channels = config.BlockOutChannels[i];
                int before = config.BlockOutChannels[Math.Min(i + 1, levels - 1)], below = config.BlockOutChannels[Math.Max(i - 1, 0)];
                for (int j = 0; j <= config.LayersPerBlock; j++)
                {
                    sum += Residual(pixels, (j == 0 ? before : channels) + (j == config.LayersPerBlock ? below : channels), channels);
                    if (config.UpAttention[levels - 1 - i]) sum += Transformer(pixels, channels);
                }
                if (i > 0) sum += 9.0 * rows[i - 1] * columns[i - 1] * channels * channels;
            }
            return sum;
        }

        double Residual(double pixels, int inputs, int outputs) =>
            pixels * outputs * (9.0 * inputs + 9.0 * outputs + (inputs == outputs ? 0 : inputs)) + (double)config.TimeEmbeddingDim * outputs;

        double Transformer(double pixels, int channels)
        {
            double square = pixels * channels * channels;
            double self = 4 * square + 2 * pixels * pixels * channels;
            double cross = 2 * square + 2.0 * tokens * config.CrossAttentionDim * channels + 2 * pixels * tokens * channels;
            double feedForward = 12 * square;
            return 2 * square + config.TransformerLayers * (self + cross + feedForward);
        }
    }
}
