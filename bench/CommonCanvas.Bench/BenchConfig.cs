using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using BenchmarkDotNet.Validators;
using Perfolizer.Horology;

namespace CommonCanvas.Bench;

/// <summary>
/// A few short iterations in this process, so that a class takes a minute or two, and a table of medians, fastest times and
/// rates. The command line can change it, as by <c>--iterationCount 20</c>.
/// </summary>
public sealed class BenchConfig : ManualConfig
{
    /// <summary>Makes the configuration.</summary>
    public BenchConfig()
    {
        AddJob(Job.Default
            .WithToolchain(InProcessEmitToolchain.Instance)
            .WithLaunchCount(1)
            .WithWarmupCount(2)
            .WithIterationCount(7)
            .WithIterationTime(TimeInterval.FromMilliseconds(150))
            .WithMinInvokeCount(1)
            .WithUnrollFactor(1)
            .WithEvaluateOverhead(false)
            .AsDefault());
        AddLogger(ConsoleLogger.Default);
        AddExporter(MarkdownExporter.GitHub);
        AddValidator(JitOptimizationsValidator.FailOnError);
        AddColumnProvider(DefaultColumnProviders.Descriptor, DefaultColumnProviders.Params, DefaultColumnProviders.Metrics);
        AddColumn(StatisticColumn.Median, StatisticColumn.Min);
        AddColumn([.. RateColumn.Units.Select(unit => new RateColumn(unit))]);
        SummaryStyle = SummaryStyle.Default.WithMaxParameterColumnWidth(48);
    }
}
