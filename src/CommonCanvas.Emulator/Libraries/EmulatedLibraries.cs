using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Machine;

namespace CommonCanvas.Emulator.Libraries;

/// <summary>What emulated libraries share: their calls end in a code, and say why elsewhere.</summary>
public static class EmulatedLibraries
{
    [ThreadStatic] static string? refusal;

    /// <summary>Takes the reason of the calling thread's last refused call, which a library's codes do not say.</summary>
    public static string? TakeRefusal()
    {
        string? taken = refusal;
        refusal = null;
        return taken;
    }

    /// <summary>Runs a call; returns 0, or the code of what it throws.</summary>
    /// <param name="body">The call.</param>
    /// <param name="notStarted">Code where there is no context.</param>
    /// <param name="badValue">Code of an argument that is wrong, a handle or an address among them.</param>
    internal static int Call(Action body, int notStarted, int badValue)
    {
        try
        {
            body();
            return 0;
        }
        catch (Refusal e)
        {
            refusal = e.Message;
            return e.Code;
        }
        catch (DriverError e)
        {
            refusal = e.Message;
            return e.Result == CudaResult.InvalidContext ? notStarted : badValue;
        }
    }
}

/// <summary>Why a library refuses a call.</summary>
internal sealed class Refusal(int code, string message) : Exception(message)
{
    /// <summary>What the call returns.</summary>
    public int Code { get; } = code;
}
