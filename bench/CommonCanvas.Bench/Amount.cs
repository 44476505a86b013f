namespace CommonCanvas.Bench;

/// <summary>How much of something a call does, for a rate beside its time.</summary>
/// <param name="Unit">The rate's unit, one of <see cref="RateColumn.Units"/>: <c>GFLOP/s</c>.</param>
/// <param name="Count">How many a call does: 1e9 floating-point operations.</param>
public readonly record struct Amount(string Unit, double Count);

/// <summary>A class of benchmarks that says what its methods do.</summary>
public interface IMeasured
{
    /// <summary>What one call of a method does. Asked of an instance that has its parameters but was not set up.</summary>
    /// <param name="method">Name of the benchmark.</param>
    IEnumerable<Amount> Amounts(string method);
}
