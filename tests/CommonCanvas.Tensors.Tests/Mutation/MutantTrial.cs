using System.Diagnostics;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>How a mutant fared.</summary>
public enum MutantFate
{
    /// <summary>A test failed.</summary>
    Caught,

    /// <summary>No test failed.</summary>
    Survived,

    /// <summary>The compiler refused it.</summary>
    Refused,

    /// <summary>The compiler made the same code of it.</summary>
    SameCode,
}

/// <summary>
/// Runs the kernels' proofs over mutants. What each proof launches is found out once, so that a mutant is met by those only that
/// run its file, the quickest first.
/// </summary>
public sealed class MutantTrial : IDisposable
{
    /// <summary>Instructions of a warp: a mutant's loop may have lost its end.</summary>
    const long Budget = 1 << 24;

    const long DeviceBytes = 2L << 30;

    static readonly string[] Storages = ["STORAGE_F32", "STORAGE_F16", "STORAGE_BF16"];

    readonly Nvrtc compiler = Nvrtc.Load();
    readonly TempFolder folder = new();
    readonly KernelCache originals;
    readonly List<(KernelProof Proof, HashSet<string> Files, TimeSpan Time)> proofs = [];

    /// <summary>Runs the proofs of some classes as they are.</summary>
    /// <exception cref="InvalidOperationException">One of them fails without any mutant.</exception>
    public MutantTrial(IEnumerable<Type> classes)
    {
        originals = new KernelCache(compiler, folder.Path);
        var files = KernelSources.Files.SelectMany(file => KernelHead.Of(file).Kernels.Keys.Select(kernel => (kernel, file))).ToDictionary(pair => pair.kernel, pair => pair.file);
        using var device = Open(originals, null, new EmulatedDeviceOptions { Counted = true, MemoryBytes = DeviceBytes });
        foreach (var proof in classes.SelectMany(KernelProof.Of))
        {
            var clock = Stopwatch.StartNew();
            if (proof.Run(_ => new DeviceLease(device, _ => { })) is { } failure) throw new InvalidOperationException($"{proof} fails without a mutant", failure);
            device.Synchronize();
            proofs.Add((proof, [.. EmulatedDriver.TakeCounts().Select(count => files.GetValueOrDefault(count.Kernel, ""))], clock.Elapsed));
        }
        proofs.Sort((a, b) => a.Time.CompareTo(b.Time));
    }

    /// <summary>Runs the proofs over a mutant until one fails.</summary>
    /// <returns>What became of it, and the failure or what was tried.</returns>
    public (MutantFate Fate, string Why) Try(KernelMutant mutant)
    {
        using var changed = new TempFolder();
        var cache = new KernelCache(compiler, changed.Path);
        var devices = new Dictionary<int, CudaOps>();
        var met = new HashSet<KernelProof>();
        bool differs = false;
        try
        {
            foreach (string file in KernelMutant.Users(mutant.File))
            {
                if (!Storages.Any(storage => Code(cache, file, storage, mutant) != Code(originals, file, storage, null))) continue;
                differs = true;
                foreach (var (proof, _, _) in proofs.Where(proof => proof.Files.Contains(file) && met.Add(proof.Proof)))
                    switch (proof.Run(schedule => new DeviceLease(Device(devices, schedule, cache, mutant), _ => { })))
                    {
                        case null: break;
                        case KernelCompilationException refusal: return (MutantFate.Refused, FirstError(refusal));
                        case var failure: return (MutantFate.Caught, $"{proof}: {failure.Message.Split('\n')[0]}");
                    }
            }
        }
        catch (KernelCompilationException refusal) { return (MutantFate.Refused, FirstError(refusal)); }
        finally
        {
            foreach (var device in devices.Values) device.Dispose();
        }
        return differs ? (MutantFate.Survived, $"{met.Count} tests passed") : (MutantFate.SameCode, "");
    }

    CudaOps Device(Dictionary<int, CudaOps> devices, int schedule, KernelCache cache, KernelMutant mutant)
    {
        if (devices.TryGetValue(schedule, out var device)) return device;
        var options = GpuDevices.Options(schedule) with { Threads = 1, InstructionBudget = Budget, MemoryBytes = DeviceBytes };
        return devices[schedule] = Open(cache, mutant.Rewrite, options);
    }

    static CudaOps Open(KernelCache cache, Func<string, string, string>? rewrite, EmulatedDeviceOptions options) =>
        new(new CudaDevice(new CudaApi(EmulatedDriver.Create(options)), 0), cache, "compute_80", rewrite);

    // the program without its lines' numbers
    static string Code(KernelCache cache, string file, string storage, KernelMutant? mutant)
    {
        string Text(string name, string text) => mutant is null ? text : mutant.Rewrite(name, text);
        var headers = KernelSources.Headers.Select(header => (header.Name, Text(header.Name, header.Text))).ToArray();
        string ptx = cache.Get(Text(file, KernelSources.Read(file)), file, headers, KernelLibrary.Options("compute_80", storage)).Ptx;
        var lines = ptx.Split('\n').TakeWhile(line => !line.Contains(".section", StringComparison.Ordinal));
        return string.Join('\n', lines.Where(line => !line.TrimStart().StartsWith(".loc", StringComparison.Ordinal)));
    }

    static string FirstError(KernelCompilationException refusal) => refusal.Log.Split('\n')[0];

    /// <inheritdoc/>
    public void Dispose() => folder.Dispose();
}
