namespace CommonCanvas.Trainer.Configuration;

/// <summary>A text that must be one of <see cref="Training.SamplerFactory.Names"/>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SamplerNameAttribute : Attribute;

/// <summary>The smallest and largest value that a number in the configuration may have.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class BetweenAttribute(double least, double most = double.MaxValue) : Attribute
{
    /// <summary>Smallest value allowed.</summary>
    public double Least => least;

    /// <summary>Largest value allowed.</summary>
    public double Most => most;

    /// <summary>The range in words.</summary>
    public string Words => most == double.MaxValue ? FormattableString.Invariant($"{least} or more") : FormattableString.Invariant($"from {least} to {most}");
}
