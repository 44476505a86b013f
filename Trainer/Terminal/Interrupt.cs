using System.Runtime.InteropServices;

namespace CommonCanvas.Trainer.Terminal;

/// <summary>
/// Turns Ctrl+C, SIGTERM and the loss of the terminal (SIGHUP, unless nohup has it ignored) into a request to stop after the
/// step that is running; a second one ends the process at once.
/// </summary>
public sealed class Interrupt : IDisposable
{
    readonly CancellationTokenSource source;
    readonly List<PosixSignalRegistration> registrations = [];
    int times;

    /// <summary>Listens until disposed; <paramref name="notice"/> is told of the first request.</summary>
    public Interrupt(TextWriter notice, CancellationToken outer = default)
    {
        source = CancellationTokenSource.CreateLinkedTokenSource(outer);
        foreach (var signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP })
            registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                if (Interlocked.Increment(ref times) > 1) Environment.Exit(ExitCode.Interrupted);
                source.Cancel();
                try { notice.WriteLine("Stopping after this step; once more to stop at once."); }
                catch (IOException) { /* The terminal may be what has gone. */ }
            }));
    }

    /// <summary>Cancelled by the first request.</summary>
    public CancellationToken Token => source.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        source.Dispose();
    }
}
