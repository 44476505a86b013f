namespace CommonCanvas.Emulator.Execution;

/// <summary>Limits of a kernel's parameters.</summary>
internal static class KernelArguments
{
    /// <summary>Bytes that parameters may take; the buffer that holds them always has this size.</summary>
    public const int MaxBytes = 4096;
}
