namespace CommonCanvas.Trainer.Diagnosis;

/// <summary>Something that a machine has or lacks.</summary>
/// <param name="Name">What was looked for.</param>
/// <param name="Value">What was found.</param>
/// <param name="Cost">Where it is missing: what cannot be done without it, and the remedy.</param>
/// <param name="Blocks">Whether the quickstart cannot run for it.</param>
public sealed record Finding(string Name, string Value, string? Cost = null, bool Blocks = false);
