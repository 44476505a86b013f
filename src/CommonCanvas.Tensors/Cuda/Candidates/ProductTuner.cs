using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>What was measured for a product.</summary>
/// <param name="Problem">The product.</param>
/// <param name="OwnMilliseconds">A launch of the program's own kernels.</param>
/// <param name="Best">Name of the fastest library; empty where none is right or faster.</param>
/// <param name="BestMilliseconds">A launch of it, and of GEGLU's kernel where that follows; of the own kernels where there is none.</param>
/// <param name="Flops">Multiplications and additions.</param>
/// <param name="Remembered">Whether it was measured in an earlier run.</param>
public sealed record ProductMeasurement(string Problem, double OwnMilliseconds, string Best, double BestMilliseconds, double Flops, bool Remembered);

/// <summary>
/// Decides for each product, once, whether the program's own kernels or a library's candidate computes it: every candidate is
/// checked against the own kernels' result and timed, on memory of its own, and the fastest right one is remembered on disk.
/// Where GEGLU follows a product, what is timed is the own kernels that do both against the candidate and then GEGLU's kernel.
/// A library that answers wrongly once is not used again; a candidate that rounds more often than it says is passed over. Once decided, a product costs a look into a table and no waiting.
/// </summary>
sealed class ProductTuner : IDisposable
{
    readonly CudaDevice device;
    readonly CudaStream stream;
    readonly IOps ops;
    readonly Action<ProductProblem, ProductOperands> own;
    readonly ProductChoices choices;
    readonly Action<string>? note;
    readonly List<IProductLibrary> libraries;
    readonly ProductPattern pattern;
    readonly Dictionary<ProductProblem, (IProductLibrary Library, IProductCandidate Candidate)?> decided = [];
    bool trying;

    /// <summary>Creates a tuner over libraries, which it disposes.</summary>
    /// <param name="device">Where products are computed.</param>
    /// <param name="stream">Where they are queued.</param>
    /// <param name="ops">Whose arena candidates rent their workspace from and whose GEGLU follows them, queued on the same stream.</param>
    /// <param name="libraries">The libraries.</param>
    /// <param name="own">Queues the program's own kernels for a product.</param>
    /// <param name="choices">What is known from other runs.</param>
    /// <param name="note">Told of libraries that are dropped.</param>
    public ProductTuner(CudaDevice device, CudaStream stream, IOps ops, IEnumerable<IProductLibrary> libraries,
        Action<ProductProblem, ProductOperands> own, ProductChoices choices, Action<string>? note)
    {
        (this.device, this.stream, this.ops, this.own, this.choices, this.note) = (device, stream, ops, own, choices, note);
        this.libraries = [.. libraries];
        foreach (var library in this.libraries.Where(library => choices.IsWrong(library.Name)).ToArray()) Drop(library);
        pattern = new ProductPattern(device, stream);
    }

    /// <summary>What was measured for the products that this run has met; nothing for those that no library could compute.</summary>
    public List<ProductMeasurement> Measurements { get; } = [];

    /// <summary>Queues the product by the library that was chosen for it.</summary>
    /// <param name="problem">The product.</param>
    /// <param name="operands">Its tensors.</param>
    /// <param name="mayTune">Whether this is a time to wait for the device, if nothing is chosen yet.</param>
    /// <returns>False where the program's own kernels are to compute it.</returns>
    public bool Run(in ProductProblem problem, in ProductOperands operands, bool mayTune)
    {
        if (trying) return false;
        if (!decided.TryGetValue(problem, out var choice))
        {
            if (libraries.Count == 0 || problem.IsEmpty || (!mayTune && !IsRemembered(problem))) return false;
            decided[problem] = choice = Decide(problem);
        }
        if (choice is not var (library, candidate)) return false;
        try
        {
            candidate.Run(stream, ops.Arena, operands);
            return true;
        }
        catch (LibraryCallException e)
        {
            candidate.Dispose();
            decided[problem] = null;
            Refused(library, problem, e);
            return false;
        }
    }

    void Refused(IProductLibrary library, ProductProblem problem, LibraryCallException why)
    {
        note?.Invoke($"{library.Name} was chosen for {problem} and refuses it now, so the program's own kernels compute it: {why.Message}");
        choices.Remove(problem.ToString());
    }

    bool IsRemembered(ProductProblem problem) => choices.TryGet(problem.ToString(), out _);

    (IProductLibrary, IProductCandidate)? Decide(ProductProblem problem)
    {
        string key = problem.ToString();
        if (choices.TryGet(key, out var known))
        {
            if (known.Library.Length == 0)
            {
                Note(problem, known, remembered: true);
                return null;
            }
            if (libraries.Find(library => library.Name == known.Library) is { } library)
            {
                try
                {
                    if (library.Restore(problem.Product, known.Recipe) is { } restored)
                    {
                        Note(problem, known, remembered: true);
                        return (library, Complete(problem, restored));
                    }
                }
                catch (LibraryCallException e)
                {
                    Refused(library, problem, e);
                    return null;
                }
            }
        }
        trying = true;
        try
        {
            return Tune(problem, key);
        }
        catch (CudaException e) when (e.Result == CudaResult.OutOfMemory)
        {
            return null; // nothing was compared, so nothing is remembered
        }
        finally { trying = false; }
    }

    (IProductLibrary, IProductCandidate)? Tune(ProductProblem problem, string key)
    {
        var right = new List<(IProductLibrary Library, IProductCandidate Candidate)>();
        var product = problem.Product;
        using var trial = new ProductTrial(device, stream, pattern, problem);
        trial.Expect(operands => own(product, operands));
        foreach (var library in libraries.ToArray())
        {
            foreach (var candidate in Proposals(library, product))
            {
                if (!libraries.Contains(library) || !IsRight(trial, library, candidate, product)) candidate.Dispose();
                else right.Add((library, Complete(problem, candidate)));
            }
        }
        right.RemoveAll(entry => !libraries.Contains(entry.Library) && Discard(entry.Candidate));
        if (right.Count == 0)
        {
            choices.Add(key, new("", "", 0, 0));
            return null;
        }

        double[] times = trial.Time(operands => own(problem, operands), right.Select(entry => entry.Candidate));
        int fastest = Array.IndexOf(times, times.Min());
        for (int i = 0; i < right.Count; i++)
            if (i != fastest - 1) right[i].Candidate.Dispose();
        var chosen = fastest == 0 ? default : right[fastest - 1];
        var choice = new ProductChoices.Choice(fastest == 0 ? "" : chosen.Library.Name, fastest == 0 ? "" : chosen.Candidate.Recipe, times[0], times[fastest]);
        choices.Add(key, choice);
        Note(problem, choice, remembered: false);
        return fastest == 0 ? null : chosen;
    }

    IProductCandidate Complete(ProductProblem problem, IProductCandidate candidate) => problem.HasGeglu ? new ProductThenGeglu(candidate, problem.Kind, ops) : candidate;

    void Note(ProductProblem problem, ProductChoices.Choice choice, bool remembered)
    {
        if (choice.OwnMilliseconds > 0) Measurements.Add(new(problem.ToString(), choice.OwnMilliseconds, choice.Library, choice.Milliseconds, problem.Flops, remembered));
    }

    static IReadOnlyList<IProductCandidate> Proposals(IProductLibrary library, ProductProblem problem)
    {
        try { return library.Propose(problem); }
        catch (LibraryCallException) { return []; } // it does not know the shape
    }

    bool IsRight(ProductTrial trial, IProductLibrary library, IProductCandidate candidate, ProductProblem product)
    {
        ProductVerdict verdict;
        string difference;
        try { (verdict, difference) = trial.Check(candidate); }
        catch (LibraryCallException) { return false; } // proposed and refused: not this one
        if (verdict != ProductVerdict.Wrong) return verdict == ProductVerdict.Right; // what is only coarse is not for this product
        string report = $"{library.Name} computes {product} wrongly: {difference}";
        choices.AddWrong(library.Name, report);
        note?.Invoke($"{report}. It is not used any more on this device, now and in later runs; the program's own kernels compute instead. To try it again, remove {choices.FilePath}");
        Drop(library);
        return false;
    }

    // whatever it was chosen for is decided anew
    void Drop(IProductLibrary library)
    {
        libraries.Remove(library);
        foreach (var (problem, choice) in decided.ToArray())
            if (choice is var (chosen, candidate) && chosen == library && Discard(candidate)) decided.Remove(problem);
        library.Dispose();
    }

    static bool Discard(IProductCandidate candidate)
    {
        candidate.Dispose();
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var choice in decided.Values) choice?.Candidate.Dispose();
        decided.Clear();
        foreach (var library in libraries) library.Dispose();
        libraries.Clear();
        pattern.Dispose();
    }
}
