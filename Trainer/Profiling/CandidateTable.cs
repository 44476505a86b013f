using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Terminal;

namespace CommonCanvas.Trainer.Profiling;

/// <summary>What candidates for a step's products took when they were tried: the program's own kernels and the fastest library.</summary>
public static class CandidateTable
{
    /// <summary>Prints the products, those that took longest first, and what the libraries win for one launch of each; nothing where there are none.</summary>
    public static void Print(AppConsole console, IReadOnlyList<ProductMeasurement> products)
    {
        if (products.Count == 0) return;
        var table = new FittedTable().Column("product", left: true).Column("own kernels\nms").Column("TFLOP/s", spare: 1).Column("fastest", left: true).Column("ms").Column("TFLOP/s", spare: 2);
        foreach (var product in products.OrderByDescending(product => product.OwnMilliseconds))
            table.Row(product.Problem, Number(product.OwnMilliseconds, "F4"), Rate(product.Flops, product.OwnMilliseconds),
                product.Best.Length == 0 ? "own kernels" : product.Best, Number(product.BestMilliseconds, "F4"), Rate(product.Flops, product.BestMilliseconds));
        table.Write(console);
        double own = products.Sum(product => product.OwnMilliseconds), best = products.Sum(product => product.BestMilliseconds);
        console.Line(FormattableString.Invariant($"{products.Count} products, {products.Count(product => product.Best.Length > 0)} of them by a library: {best:F3} ms for one launch of each, {own:F3} ms by the own kernels alone"));
    }

    static string Number(double value, string format) => value.ToString(format, System.Globalization.CultureInfo.InvariantCulture);

    static string Rate(double flops, double milliseconds) => milliseconds > 0 ? Number(flops / milliseconds * 1e-9, "F1") : "-";
}
