using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using CommonCanvas.Emulator.Roofline;
using CommonCanvas.Trainer.Terminal;

namespace CommonCanvas.Trainer.Profiling;

/// <summary>Shows what a step is predicted to take on a GPU.</summary>
public static class ForecastTable
{
    /// <summary>
    /// Images a second and device of mosaicml/diffusion on eight A100s, by height and width of the latents (CommonCanvas,
    /// arXiv 2310.16825: 1100 and 290 on eight).
    /// </summary>
    static readonly Dictionary<int, double> Published = new() { [32] = 1100 / 8.0, [64] = 290 / 8.0 };

    const int MostFrequent = 12;

    /// <summary>What each pass of a product gives.</summary>
    static readonly string[] passes = ["y", "dX", "dWeight"];

    /// <summary>Prints a row for each operation and its kernels, one for each of the most frequent shapes of products, and the sums.</summary>
    public static void Print(AppConsole console, GpuForecast forecast, int batch, int latent, bool isSd2)
    {
        var table = new FittedTable().Column("operation, kernel", left: true).Column("launches", spare: 6).Column("GFLOP", spare: 5).Column("DRAM\nMB").Column("x\nleast", spare: 4)
            .Column("mma\n%", spare: 3).Column("conflict\n%", spare: 1).Column("warps\n%", spare: 2).Column("bound").Column("ms").Column("% of\npeak");
        foreach (var operation in forecast.Operations)
        {
            table.Row(operation.Name, operation.Calls.ToString(CultureInfo.InvariantCulture), Text(operation.Flops / 1e9, "F1"), Text(operation.DramBytes / 1e6, "F1"),
                operation.LeastBytes > 0 ? Text(operation.DramBytes / operation.LeastBytes, "F2") : "", "", "", "", "", Text(1000 * operation.Seconds, "F3"),
                Text(100 * operation.LeastSeconds / operation.Seconds, "F0"));
            foreach (var kernel in operation.Kernels)
                table.Row("  " + kernel.Name, kernel.Launches.ToString(CultureInfo.InvariantCulture), "", Text(kernel.DramBytes / 1e6, "F1"), "", Text(100 * kernel.MatrixShare, "F0"),
                    Text(100 * kernel.ConflictShare, "F1"), Text(100 * kernel.Occupancy, "F0"), kernel.Bound.ToString(), Text(1000 * kernel.Seconds, "F3"), "");
        }
        table.Write(console);
        PrintProducts(console, forecast.Products);
        console.Line(Summary(forecast, batch));
        if (isSd2 && Published.TryGetValue(latent, out double published))
            console.Line(string.Create(CultureInfo.InvariantCulture, $"mosaicml/diffusion measured {published:F2} images/s on each of eight A100s: {batch / Seconds(forecast) / published:F2} times that is predicted here."));
        console.Line("A prediction of a bottleneck model, not a measurement: docs/profiling.md has its assumptions.");
    }

    // What the most frequent shapes of products with weights take, each pass with all of its launches.
    static void PrintProducts(AppConsole console, IReadOnlyList<ProductForecast> products)
    {
        var table = new FittedTable().Column("most frequent products", left: true).Column("layers", spare: 2).Column("GFLOP", spare: 1);
        foreach (string pass in passes) table.Column(pass + "\nus").Column("% of\npeak");
        foreach (var product in products.Take(MostFrequent))
            table.Row([product.Name, product.Layers.ToString(CultureInfo.InvariantCulture), Text(product.Flops / 1e9, "F2"),
                .. Enum.GetValues<ProductPass>().SelectMany(pass => product.Has(pass) ? new[] { Text(1e6 * product.Seconds(pass), "F1"), Text(100 * product.Share(pass), "F0") } : ["", ""])]);
        table.Write(console);
    }

    /// <summary>The sums as one object.</summary>
    public static JsonObject Json(GpuForecast forecast, int batch)
    {
        var kernels = new JsonArray();
        foreach (var operation in forecast.Operations)
            foreach (var kernel in operation.Kernels)
                kernels.Add(new JsonObject
                {
                    ["operation"] = operation.Name, ["kernel"] = kernel.Name, ["launches"] = kernel.Launches, ["ms"] = Math.Round(1000 * kernel.Seconds, 4),
                    ["dram_mb"] = Math.Round(kernel.DramBytes / 1e6, 3), ["mma_share"] = Math.Round(kernel.MatrixShare, 4), ["conflict_share"] = Math.Round(kernel.ConflictShare, 4),
                    ["occupancy"] = Math.Round(kernel.Occupancy, 3), ["bound"] = kernel.Bound.ToString(),
                });
        var products = new JsonArray();
        foreach (var product in forecast.Products)
        {
            var row = new JsonObject { ["product"] = product.Name, ["layers"] = product.Layers, ["gflop"] = Math.Round(product.Flops / 1e9, 6) };
            foreach (var pass in Enum.GetValues<ProductPass>().Where(product.Has))
                row[JsonNamingPolicy.SnakeCaseLower.ConvertName(pass.ToString())] = new JsonObject
                {
                    ["calls"] = product.Calls(pass), ["us"] = Math.Round(1e6 * product.Seconds(pass), 3), ["roofline_share"] = Math.Round(product.Share(pass), 4),
                };
            products.Add(row);
        }
        return new JsonObject
        {
            ["gpu"] = forecast.Gpu.Name, ["predicted_step_s"] = Math.Round(Seconds(forecast), 6), ["predicted_images_per_s"] = Math.Round(batch / Seconds(forecast), 3),
            ["roofline_share"] = Math.Round(Share(forecast), 4), ["kernels"] = kernels, ["products"] = products,
        };
    }

    static string Summary(GpuForecast forecast, int batch)
    {
        var operations = forecast.Operations;
        double flops = operations.Sum(operation => operation.Flops);
        return string.Create(CultureInfo.InvariantCulture,
            $"{forecast.Gpu.Name}: {1000 * Seconds(forecast):F2} ms a step predicted, {batch / Seconds(forecast):F1} images/s, {flops / 1e9:F0} GFLOP ({flops / Seconds(forecast) / 1e12:F1} TFLOP/s), {operations.Sum(o => o.Kernels.Sum(k => k.Launches))} launches, {operations.Sum(o => o.DramBytes) / 1e9:F2} GB of device memory, {100 * Share(forecast):F0} % of the roofline.");
    }

    static double Seconds(GpuForecast forecast) => forecast.Operations.Sum(operation => operation.Seconds);

    static double Share(GpuForecast forecast) => forecast.Operations.Sum(operation => operation.LeastSeconds) / Seconds(forecast);

    static string Text(double value, string format) => double.IsFinite(value) ? value.ToString(format, CultureInfo.InvariantCulture) : "";
}
