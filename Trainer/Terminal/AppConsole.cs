using Spectre.Console;

namespace CommonCanvas.Trainer.Terminal;

/// <summary>Where a command writes, and whether someone watches.</summary>
public sealed class AppConsole
{
    /// <summary>Writes to the given places; <paramref name="interactive"/> allows colours and moving displays.</summary>
    public AppConsole(TextWriter output, TextWriter error, bool interactive = false)
    {
        IAnsiConsoleOutput shown = interactive ? new LastingOutput(output) : new AnsiConsoleOutput(output);
        (Output, Error, Interactive) = (shown.Writer, interactive ? new LastingOutput(error).Writer : error, interactive);
        Ansi = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = shown,
            Ansi = interactive ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = interactive ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = interactive ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (!interactive) Ansi.Profile.Width = 140;
    }

    /// <summary>Standard output and error of the process.</summary>
    public static AppConsole OfProcess() => new(Console.Out, Console.Error, !Console.IsOutputRedirected);

    /// <summary>Results.</summary>
    public TextWriter Output { get; }

    /// <summary>Problems.</summary>
    public TextWriter Error { get; }

    /// <summary>Whether the output is a terminal.</summary>
    public bool Interactive { get; }

    /// <summary>Spectre's view of <see cref="Output"/>, for tables.</summary>
    public IAnsiConsole Ansi { get; }

    /// <summary>Whether errors show where they came from.</summary>
    public bool Verbose { get; set; }

    /// <summary>Writes a line of results.</summary>
    public void Line(string text = "") => Output.WriteLine(text);

    /// <summary>
    /// Writes a line for the person who watches; fits in above a moving display. Where it cannot be written, to a full disk or
    /// a terminal that has gone, it is lost and not the work that it tells of.
    /// </summary>
    public void Note(string text)
    {
        try
        {
            if (Interactive) Ansi.MarkupLine("[grey]" + Markup.Escape(text) + "[/]");
            else Line("  " + text);
        }
        catch (IOException) { /* Nobody can be told. */ }
    }
}
