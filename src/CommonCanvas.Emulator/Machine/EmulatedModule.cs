using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Decoding;
using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Operations;
using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Machine;

/// <summary>A module: its kernels, decoded, and its variables in device memory.</summary>
internal sealed unsafe class EmulatedModule : IDisposable
{
    readonly Dictionary<string, EmulatedFunction> functions = [];

    /// <summary>Loads a PTX text.</summary>
    /// <exception cref="DriverError">The text is no PTX, or has an instruction that is not known.</exception>
    public EmulatedModule(EmulatedDevice device, string ptx)
    {
        Device = device;
        try
        {
            var module = PtxParser.Parse(ptx);
            foreach (var variable in module.Globals.Values) Globals[variable.Name] = (Place(variable), variable.Bytes);
            var addresses = Globals.ToDictionary(global => global.Key, global => (ulong)global.Value.Address);
            foreach (var kernel in module.Kernels.Values)
                functions.Add(kernel.Name, new EmulatedFunction(device, device.Options switch
                {
                    { Counted: true } => Decoder<Counted>.Decode(module, kernel, addresses),
                    { Checked: true } => Decoder<Checked>.Decode(module, kernel, addresses),
                    _ => Decoder<Unwatched>.Decode(module, kernel, addresses),
                }));
        }
        catch (Exception e) when (e is PtxSyntaxException or UnknownInstructionException)
        {
            Dispose();
            throw new DriverError(CudaResult.InvalidPtx, e.Message);
        }
    }

    /// <summary>Its device.</summary>
    public EmulatedDevice Device { get; }

    /// <summary>Variables by name.</summary>
    public Dictionary<string, (nint Address, int Bytes)> Globals { get; } = [];

    /// <summary>Kernels by name.</summary>
    public IReadOnlyDictionary<string, EmulatedFunction> Functions => functions;

    nint Place(PtxVariable variable)
    {
        nint address = Device.Memory.Allocate(variable.Bytes);
        if (address == 0) throw new DriverError(CudaResult.OutOfMemory, $"no memory for {variable.Name}, {variable.Bytes} bytes");
        byte* to = Device.Memory.Find(address, variable.Bytes);
        NativeMemory.Clear(to, (nuint)variable.Bytes);
        Device.Memory.MarkWritten(to, variable.Bytes);
        variable.Initial?.CopyTo(new Span<byte>(to, variable.Bytes));
        return address;
    }

    public void Dispose()
    {
        foreach (var (address, _) in Globals.Values) Device.Memory.Free(address);
        foreach (var function in functions.Values) function.Code.Dispose();
    }
}
