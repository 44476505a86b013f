using BenchmarkDotNet.Running;
using CommonCanvas.Bench;
using CommonCanvas.Tensors;

string[] rest;
try { rest = ThreadCounts.Take(args); }
catch (ArgumentException wrong)
{
    Console.Error.WriteLine(wrong.Message);
    return 2;
}
var summaries = BenchmarkSwitcher.FromAssembly(typeof(BenchConfig).Assembly).Run(rest, new BenchConfig()).ToList();
if (summaries.Count == 0) return 0; // a list or the help was asked for
using var ops = OpsFactory.Create("cpu", ThreadCounts.All[0]);
Console.WriteLine($"Operations of the processor: {ops.Name}");
return summaries.All(summary => summary.Reports.All(report => report.Success)) ? 0 : 1;
