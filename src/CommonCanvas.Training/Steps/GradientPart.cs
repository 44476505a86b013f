namespace CommonCanvas.Training;

/// <summary>How the samples of a microbatch enter a step's gradient.</summary>
/// <param name="Scale">Factor of the gradient of each sample's loss.</param>
/// <param name="Accumulate">
/// Whether it is added to that of the microbatches before; the first one's replaces the last step's, of which nothing is read.
/// </param>
public readonly record struct GradientPart(float Scale, bool Accumulate);
