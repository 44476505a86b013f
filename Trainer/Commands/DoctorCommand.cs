using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Profiling;
using Spectre.Console;

namespace CommonCanvas.Trainer.Commands;

/// <summary><c>doctor</c>: what this machine has, and whether the quickstart will run on it.</summary>
public sealed class DoctorCommand
{
    /// <summary>Memory that the quickstart needs.</summary>
    const long QuickstartMemory = 2L << 30;

    /// <summary>Room on the disk that the quickstart needs.</summary>
    const long QuickstartDisk = 256L << 20;

    readonly Runner runner;

    /// <summary>Defines the command.</summary>
    public DoctorCommand(Runner runner)
    {
        this.runner = runner;
        Command = new Command("doctor", "Show what this machine has and whether the quickstart will run on it.");
        runner.Bind(Command, Run);
    }

    /// <summary>The command.</summary>
    public Command Command { get; }

    int Run(ParseResult parsed, CancellationToken cancellation)
    {
        var problems = new List<string>();
        int threads = runner.Threads(parsed);
        using var device = OpsFactory.Create("cpu", threads);
        var table = new Table().Border(TableBorder.Simple).HideHeaders().AddColumn("").AddColumn("");
        void Row(string name, string value) => table.AddRow(Markup.Escape(name), Markup.Escape(value));

        Row("program", $"CommonCanvas {typeof(App).Assembly.GetName().Version?.ToString(3)}");
        Row(".NET", RuntimeInformation.FrameworkDescription);
        Row("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}");
        Row("processors", $"{Environment.ProcessorCount}; commands compute with {threads} threads");
        Row("instruction sets", InstructionSets());
        Row("device", device.Name);
        Row("bf16 products", CpuFeatures.MissingBf16(CpuFeatures.Selected) is { } missing ? $"in fp32 on bf16 storage: {missing}" : "by bf16 instructions (AVX512-BF16)");
        var peaks = Peaks.Measure(threads);
        Row("measured peak", string.Create(CultureInfo.InvariantCulture, $"{peaks.Gigaflops:F0} GFLOP/s fp32, {peaks.Gigabytes:F1} GB/s memory"));
        long memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        Row("memory", Size(memory));
        if (memory < QuickstartMemory) problems.Add($"the quickstart needs {Size(QuickstartMemory)} of memory and {Size(memory)} are there; close other programs or lift the container's limit");
        string folder = Directory.GetCurrentDirectory();
        long room = new DriveInfo(folder).AvailableFreeSpace;
        Row("room on disk", $"{Size(room)} in {folder}");
        if (room < QuickstartDisk) problems.Add($"the quickstart needs {Size(QuickstartDisk)} of room and {folder} has {Size(room)}; free some or start in another folder");
        if (!Writable(folder)) problems.Add($"{folder} cannot be written; start in another folder");
        runner.Console.Ansi.Write(table);

        foreach (string problem in problems) runner.Console.Line("Problem: " + problem);
        runner.Console.Line(problems.Count == 0 ? "The quickstart will run here." : "The quickstart will not run here.");
        return problems.Count == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    static string InstructionSets()
    {
        (string Name, bool There)[] sets =
        [
            ("AVX-512", Avx512F.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported),
            ("AVX512-BW", Avx512BW.IsSupported), ("NEON", AdvSimd.IsSupported),
        ];
        var there = sets.Where(s => s.There).Select(s => s.Name).ToArray();
        int width = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0;
        return (there.Length == 0 ? "none beyond the base" : string.Join(", ", there)) + (width > 0 ? $"; vectors of {width} bits" : "; no vectors");
    }

    static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):F1} GiB");

    static bool Writable(string folder)
    {
        string file = Path.Combine(folder, ".commoncanvas-" + Guid.NewGuid().ToString("N"));
        try
        {
            File.WriteAllText(file, "");
            File.Delete(file);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
