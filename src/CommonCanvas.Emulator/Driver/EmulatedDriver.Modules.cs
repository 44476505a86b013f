using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Machine;

namespace CommonCanvas.Emulator;

public static unsafe partial class EmulatedDriver
{
    [UnmanagedCallersOnly]
    static CudaResult cuModuleLoadData(nint* module, void* image) => Call(() =>
    {
        if (*(uint*)image == 0x464c457f) throw new DriverError(CudaResult.NoBinaryForGpu, "the emulator runs PTX, not machine code: compile for compute_, not sm_");
        *module = Handles.Add(new EmulatedModule(Context(), Marshal.PtrToStringUTF8((nint)image)!));
    });

    [UnmanagedCallersOnly]
    static CudaResult cuModuleUnload(nint module) => Call(() =>
    {
        RequireContext();
        var unloaded = Handles.Remove<EmulatedModule>(module);
        unloaded.Device.Synchronize();
        foreach (var function in unloaded.Functions.Values)
            if (function.Handle != 0) Handles.Remove<EmulatedFunction>(function.Handle);
        unloaded.Dispose();
    });

    [UnmanagedCallersOnly]
    static CudaResult cuModuleGetFunction(nint* function, nint module, byte* name) => Call(() =>
    {
        string text = Marshal.PtrToStringUTF8((nint)name)!;
        if (!InContext<EmulatedModule>(module).Functions.TryGetValue(text, out var found)) throw new DriverError(CudaResult.NotFound, $"the module has no kernel {text}");
        if (found.Handle == 0) found.Handle = Handles.Add(found);
        *function = found.Handle;
    });

    [UnmanagedCallersOnly]
    static CudaResult cuModuleGetGlobal(nint* address, nuint* bytes, nint module, byte* name) => Call(() =>
    {
        string text = Marshal.PtrToStringUTF8((nint)name)!;
        if (!InContext<EmulatedModule>(module).Globals.TryGetValue(text, out var found)) throw new DriverError(CudaResult.NotFound, $"the module has no variable {text}");
        if (address != null) *address = found.Address;
        if (bytes != null) *bytes = (nuint)found.Bytes;
    });

    [UnmanagedCallersOnly]
    static CudaResult cuFuncGetAttribute(int* value, FunctionAttribute attribute, nint function) => Call(() =>
    {
        var asked = InContext<EmulatedFunction>(function);
        *value = attribute switch
        {
            FunctionAttribute.MaxThreadsPerBlock => asked.MaxThreads,
            FunctionAttribute.SharedSizeBytes => asked.Code.Kernel.SharedBytes,
            FunctionAttribute.LocalSizeBytes => asked.Code.Kernel.LocalBytes,
            FunctionAttribute.NumRegs => asked.Registers,
            FunctionAttribute.MaxDynamicSharedSizeBytes => asked.MaxDynamicShared,
            _ => throw new DriverError(CudaResult.InvalidValue, $"the emulator does not know attribute {attribute}"),
        };
    });

    [UnmanagedCallersOnly]
    static CudaResult cuFuncSetAttribute(nint function, FunctionAttribute attribute, int value) => Call(() =>
    {
        var changed = InContext<EmulatedFunction>(function);
        int most = changed.Device.Options.SharedMemoryPerBlock - changed.Code.Kernel.SharedBytes;
        if (attribute != FunctionAttribute.MaxDynamicSharedSizeBytes || value < 0 || value > most)
            throw new DriverError(CudaResult.InvalidValue, $"{attribute} = {value}: a block of {changed.Code.Kernel.Name} may have up to {most} bytes of dynamic shared memory");
        changed.MaxDynamicShared = value;
    });

    [UnmanagedCallersOnly]
    static CudaResult cuLaunchKernel(nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ,
        uint sharedBytes, nint stream, void** parameters, void** extra) => Call(() =>
    {
        var launched = Handles.Get<EmulatedFunction>(function);
        Context();
        var queue = Stream(stream);
        if (queue.Device != launched.Device) throw new DriverError(CudaResult.InvalidHandle, $"{launched.Code.Kernel.Name} is loaded on another device than the stream's");
        launched.CheckLimits(gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes);
        var launch = new Launch(launched.Code, new Dim3((int)gridX, (int)gridY, (int)gridZ), new Dim3((int)blockX, (int)blockY, (int)blockZ),
            (int)sharedBytes, Arguments(launched, parameters, extra));
        queue.Add(() => launched.Device.Run(launch));
    });

    // the arguments' values are taken before the call returns
    static byte[] Arguments(EmulatedFunction function, void** parameters, void** extra)
    {
        var declared = function.Code.Kernel.Parameters;
        var bytes = new byte[function.Code.Kernel.ParameterBytes];
        if (declared.Count > 0 && (parameters == null || extra != null))
            throw new DriverError(CudaResult.InvalidValue, $"{function.Code.Kernel.Name} takes {declared.Count} arguments as an array of pointers");
        for (int i = 0; i < declared.Count; i++)
        {
            if (parameters[i] == null) throw new DriverError(CudaResult.InvalidValue, $"argument {i} of {function.Code.Kernel.Name} is missing");
            new ReadOnlySpan<byte>(parameters[i], declared[i].Bytes).CopyTo(bytes.AsSpan(declared[i].Offset));
        }
        return bytes;
    }

    [UnmanagedCallersOnly]
    static CudaResult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, nint function, int threads, nuint sharedBytes) => Call(() =>
        *blocks = InContext<EmulatedFunction>(function).Occupancy(threads, (long)sharedBytes));
}
