using CommonCanvas.Trainer.Terminal;

namespace CommonCanvas.Trainer.Tests.Commands;

/// <summary>Runs command lines in this process.</summary>
static class CommandLine
{
    public static (int Code, string Output, string Error) Run(params string[] args) => Run(CancellationToken.None, args);

    public static (int Code, string Output, string Error) Run(CancellationToken cancellation, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = App.Run(args, new AppConsole(output, error), cancellation);
        return (code, output.ToString(), error.ToString());
    }
}
