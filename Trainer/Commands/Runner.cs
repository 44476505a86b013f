using System.CommandLine;
using CommonCanvas.Cuda;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Trainer.Devices;
using CommonCanvas.Trainer.Terminal;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Commands;

/// <summary>Runs what a command does: signals, errors and exit codes are handled in this one place.</summary>
public sealed class Runner(AppConsole console, CommonOptions common)
{
    /// <summary>Where the command writes.</summary>
    public AppConsole Console => console;

    /// <summary>Options of every command.</summary>
    public CommonOptions Common => common;

    /// <summary>Stops the command from outside.</summary>
    public CancellationToken Cancellation { get; set; }

    /// <summary>How many threads a command computes with.</summary>
    public int Threads(ParseResult parsed) => parsed.GetValue(common.Threads) is var threads and > 0 ? threads : Environment.ProcessorCount;

    /// <summary>Opens the device that <c>--device</c> names.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="profiled">Whether a profiler that is there is shown the layers by name even without being asked to.</param>
    public IOps OpenDevice(ParseResult parsed, bool profiled = false) =>
        DeviceRanges.Over(DeviceFactory.Open(parsed.GetValue(common.Device)!, Threads(parsed), console.Note), profiled, console.Note);

    /// <summary>Makes <paramref name="work"/> the action of <paramref name="command"/>.</summary>
    public void Bind(Command command, Func<ParseResult, CancellationToken, int> work) => command.SetAction(parsed => Run(parsed, work));

    int Run(ParseResult parsed, Func<ParseResult, CancellationToken, int> work)
    {
        using var interrupt = new Interrupt(console.Error, Cancellation);
        try
        {
            return work(parsed, interrupt.Token);
        }
        catch (OperationCanceledException)
        {
            console.Error.WriteLine("Interrupted.");
            return ExitCode.Interrupted;
        }
        catch (ConfigException e)
        {
            return Fail(e, ExitCode.Usage);
        }
        // What asked for too much has been given back on the way here.
        catch (OutOfMemoryException e)
        {
            return Fail(new IOException($"there is not enough memory ({e.Message}); take a smaller batch (of a run: batch.microbatch, then batch.size), smaller pictures or a smaller model", e), ExitCode.Failed);
        }
        // The one place where every failure ends: a message for the user instead of a crash.
        catch (Exception e)
        {
            return Fail(e, ExitCode.Failed);
        }
    }

    int Fail(Exception error, int code)
    {
        console.Error.WriteLine("Error: " + Message(error));
        if (console.Verbose) console.Error.WriteLine(error);
        else if (!IsExpected(error)) console.Error.WriteLine("This is a defect of the program; --verbose shows where it is.");
        return code;
    }

    // Threads that work on the same thing fail alike.
    static string Message(Exception error) => error is AggregateException several ? string.Join("\n", several.Flatten().InnerExceptions.Select(e => e.Message).Distinct()) : error.Message;

    static bool IsExpected(Exception error) => error is ConfigException or IOException or UnauthorizedAccessException or NotSupportedException or InvalidDataException
        or ArithmeticException or ArgumentException or KeyNotFoundException or AggregateException
        or LibraryMissingException or CudaException or NonFiniteException;
}
