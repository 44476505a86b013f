using System.Text;
using Spectre.Console;

namespace CommonCanvas.Trainer.Terminal;

/// <summary>
/// A terminal that may go while the work goes on, as when a connection breaks: what can no longer be shown is lost, and not the
/// run, which a thread that draws a display would otherwise take with it.
/// </summary>
sealed class LastingOutput(TextWriter terminal) : IAnsiConsoleOutput
{
    readonly AnsiConsoleOutput output = new(terminal);

    /// <inheritdoc/>
    public TextWriter Writer { get; } = TextWriter.Synchronized(new LastingWriter(terminal));

    /// <inheritdoc/>
    public bool IsTerminal => output.IsTerminal;

    /// <inheritdoc/>
    public int Width => output.Width;

    /// <inheritdoc/>
    public int Height => output.Height;

    /// <inheritdoc/>
    public void SetEncoding(Encoding encoding) => output.SetEncoding(encoding);

    sealed class LastingWriter(TextWriter inner) : TextWriter
    {
        public override Encoding Encoding => inner.Encoding;

        public override void Write(char value) => Try(() => inner.Write(value));

        public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

        public override void Write(string? value) => Try(() => inner.Write(value));

        public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

        public override void Flush() => Try(inner.Flush);

        static void Try(Action write)
        {
            try { write(); }
            catch (IOException) { /* It has gone; nobody can be told. */ }
        }
    }
}
