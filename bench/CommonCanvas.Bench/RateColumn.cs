using System.Collections.Concurrent;
using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace CommonCanvas.Bench;

/// <summary>
/// What a benchmark does in a second, by the fastest of its times, since other programs only add to them; shown where a class
/// has such a rate.
/// </summary>
/// <param name="unit">One of <see cref="Units"/>.</param>
public sealed class RateColumn(string unit) : IColumn
{
    static readonly ConcurrentDictionary<BenchmarkCase, Amount[]> known = new();

    /// <summary>Units in the order of their columns.</summary>
    public static IReadOnlyList<string> Units { get; } = ["GFLOP/s", "GB/s", "images/s", "samples/s", "MB/s", "pictures/s", "captions/s", "operations/s"];

    /// <inheritdoc/>
    public string Id => nameof(RateColumn) + "." + unit;

    /// <inheritdoc/>
    public string ColumnName => unit;

    /// <inheritdoc/>
    public bool AlwaysShow => true;

    /// <inheritdoc/>
    public ColumnCategory Category => ColumnCategory.Custom;

    /// <inheritdoc/>
    public int PriorityInCategory => 0;

    /// <inheritdoc/>
    public bool IsNumeric => true;

    /// <inheritdoc/>
    public UnitType UnitType => UnitType.Dimensionless;

    /// <inheritdoc/>
    public string Legend => $"{unit} by the fastest time";

    /// <inheritdoc/>
    public bool IsAvailable(Summary summary) => summary.BenchmarksCases.Any(benchmark => CountOf(benchmark) is not null);

    /// <inheritdoc/>
    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    /// <inheritdoc/>
    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
        summary[benchmarkCase]?.ResultStatistics is { } times && CountOf(benchmarkCase) is { } count
            ? Text(count / (times.Min / 1e9))
            : "-";

    /// <inheritdoc/>
    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    double? CountOf(BenchmarkCase benchmark) =>
        known.GetOrAdd(benchmark, AmountsOf).Where(amount => amount.Unit == unit).Select(amount => (double?)amount.Count).FirstOrDefault();

    static Amount[] AmountsOf(BenchmarkCase benchmark)
    {
        var type = benchmark.Descriptor.Type;
        if (!type.IsAssignableTo(typeof(IMeasured))) return [];
        object instance = Activator.CreateInstance(type)!;
        foreach (var parameter in benchmark.Parameters.Items) type.GetProperty(parameter.Name)!.SetValue(instance, parameter.Value);
        return [.. ((IMeasured)instance).Amounts(benchmark.Descriptor.WorkloadMethod.Name)];
    }

    static string Text(double rate) => rate.ToString(rate < 10 ? "F2" : rate < 100 ? "F1" : "F0", CultureInfo.InvariantCulture);
}
