using System.Globalization;
using CommonCanvas.Cuda;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// The proof that the kernels' tests prove: a kernel with one barrier, wait, bound or sign changed fails them. All mutants are
/// tried where COMMONCANVAS_MUTANTS asks for it (<c>./build.sh mutate</c>), a few of them in every run.
/// </summary>
public class KernelMutationTests(ITestOutputHelper output)
{
    const string EquivalentFile = "equivalent-mutants.txt";

    /// <summary>Mutants that compute the same in another way: file, line before, line after, why.</summary>
    static readonly Lazy<(string File, string Before, string After, string Why)[]> equivalent = new(() =>
        [.. File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Mutation", EquivalentFile)).Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split(" | "))
            .Select(part => part.Length == 4 ? (part[0], part[1], part[2], part[3]) : throw new FormatException($"{EquivalentFile}: '{string.Join(" | ", part)}': write 'file | before | after | why'"))]);

    /// <summary>One of each kind, where a whole proof is quick.</summary>
    [Fact]
    [Trait("Category", "Kernels")]
    public void A_changed_LayerNorm_fails_its_tests()
    {
        Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");
        using var trial = new MutantTrial([typeof(EmulatorTests.Norm)]);
        var mutants = KernelMutant.Of("layernorm.cu").Concat(KernelMutant.Of("channels.cuh")).Where(mutant => !IsEquivalent(mutant)).GroupBy(mutant => mutant.Kind);
        foreach (var kind in mutants)
        {
            var (fate, why) = trial.Try(kind.First());
            Assert.True(fate == MutantFate.Caught, $"{kind.First()}: {fate} {why}");
        }
    }

    /// <summary>Every N-th mutant of those whose file or kind has NAME, one of several with commas between, in it.</summary>
    [Fact]
    [Trait("Category", "Mutation")]
    public void A_changed_kernel_fails_its_tests()
    {
        string? asked = Environment.GetEnvironmentVariable("COMMONCANVAS_MUTANTS");
        Assert.SkipWhen(string.IsNullOrEmpty(asked), "./build.sh mutate tries the mutants of all kernels");
        Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");
        int every = int.Parse(asked, CultureInfo.InvariantCulture);
        string[] names = (Environment.GetEnvironmentVariable("COMMONCANVAS_MUTANTS_OF") ?? "").Split(',');
        string? log = Environment.GetEnvironmentVariable("COMMONCANVAS_MUTANTS_LOG");
        KernelMutant[] mutants = [.. KernelMutant.All().Where(mutant => names.Any(name => $"{mutant.File} {mutant.Kind}".Contains(name, StringComparison.OrdinalIgnoreCase))).Where((_, i) => i % every == 0)];
        Assert.True(mutants.Length > 0, $"no mutant's file or kind has '{string.Join("' or '", names)}' in it");
        var fates = new List<(KernelMutant Mutant, MutantFate Fate, string Why)>();
        using var trial = new MutantTrial(KernelProof.Classes);
        Say($"{mutants.Length} mutants");
        foreach (var mutant in mutants)
        {
            var (fate, why) = IsEquivalent(mutant) ? (MutantFate.SameCode, "listed as equivalent") : trial.Try(mutant);
            fates.Add((mutant, fate, why));
            Say($"{fates.Count,4} {fate,-8} {mutant}  [{why}]");
        }
        foreach (var kind in fates.GroupBy(fate => fate.Mutant.Kind).OrderBy(kind => kind.Key))
            Say($"{kind.Key}: {string.Join(", ", kind.GroupBy(fate => fate.Fate).OrderBy(group => group.Key).Select(group => $"{group.Count()} {group.Key}"))}");
        var survivors = fates.Where(fate => fate.Fate == MutantFate.Survived).ToArray();
        Assert.True(survivors.Length == 0, $"{survivors.Length} of {mutants.Length} mutants survived:\n{string.Join('\n', survivors.Select(fate => fate.Mutant))}");

        void Say(string line)
        {
            output.WriteLine(line);
            if (log is not null) File.AppendAllText(log, line + "\n");
        }
    }

    /// <summary>An entry that no longer fits, or fits several lines, would excuse what nobody has looked at.</summary>
    [Fact]
    public void Every_mutant_that_is_called_equivalent_exists_once()
    {
        var all = KernelMutant.All().ToArray();
        Assert.All(equivalent.Value, entry => Assert.Single(all, mutant => (entry.File, entry.Before, entry.After) == (mutant.File, mutant.Before, mutant.After)));
    }

    /// <summary>Each kind is found in the kernels, and a mutant differs from its kernel in one line.</summary>
    [Fact]
    public void A_mutant_changes_one_line()
    {
        var all = KernelMutant.All().ToArray();
        Assert.Equal(Enum.GetValues<MutantKind>(), all.Select(mutant => mutant.Kind).Distinct().Order());
        foreach (var mutant in all.Where(mutant => KernelSources.Files.Contains(mutant.File)))
        {
            string[] before = KernelSources.Read(mutant.File).Split('\n'), after = mutant.Rewrite(mutant.File, KernelSources.Read(mutant.File)).Split('\n');
            Assert.Equal([mutant.Line - 1], Enumerable.Range(0, before.Length).Where(i => before[i] != after[i]));
        }
    }

    static bool IsEquivalent(KernelMutant mutant) => equivalent.Value.Any(entry => (entry.File, entry.Before, entry.After) == (mutant.File, mutant.Before, mutant.After));
}
