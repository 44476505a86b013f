namespace CommonCanvas.Trainer;

/// <summary>What the process returns.</summary>
public static class ExitCode
{
    /// <summary>All was done.</summary>
    public const int Done = 0;

    /// <summary>Something failed; the message says what and what to do.</summary>
    public const int Failed = 1;

    /// <summary>The command line or the configuration cannot be understood.</summary>
    public const int Usage = 2;

    /// <summary>Stopped by Ctrl+C, SIGTERM or SIGHUP, with everything saved that resuming needs.</summary>
    public const int Interrupted = 130;
}
