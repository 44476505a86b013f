using System.Text;

namespace CommonCanvas.Trainer.Tests.Terminal;

/// <summary>A place to write to that has gone: a full disk behind a redirection, a terminal that was closed.</summary>
sealed class BrokenWriter : TextWriter
{
    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value) => throw new IOException("No space left on device");
}
