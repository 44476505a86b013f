using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace CommonCanvas.Cuda;

/// <summary>Compiled kernels, loaded into a device.</summary>
public sealed unsafe partial class CudaModule : CudaHandle
{
    readonly Dictionary<string, CudaKernel> kernels = [];
    readonly Dictionary<string, int[]> parameters;

    /// <summary>Loads a program: its machine code where there is some, else its PTX.</summary>
    /// <param name="device">The device.</param>
    /// <param name="program">What NVRTC made.</param>
    /// <param name="name">For messages.</param>
    public CudaModule(CudaDevice device, NvrtcProgram program, string name) : base(device, Load(device, program, name)) =>
        parameters = ParameterSizes(program.Ptx);

    /// <summary>Names of the kernels.</summary>
    public IReadOnlyCollection<string> Names => parameters.Keys;

    /// <summary>A kernel by name.</summary>
    /// <exception cref="KeyNotFoundException">Lists the kernels that there are.</exception>
    public CudaKernel this[string name]
    {
        get
        {
            if (kernels.TryGetValue(name, out var kernel)) return kernel;
            if (!parameters.TryGetValue(name, out var sizes))
                throw new KeyNotFoundException($"no kernel '{name}'; there are {string.Join(", ", parameters.Keys)}");
            nint function;
            fixed (byte* text = Encoding.UTF8.GetBytes(name + "\0"))
                Api.Check(Api.Driver.cuModuleGetFunction(&function, Current, text), name);
            return kernels[name] = new CudaKernel(Device, function, name, sizes);
        }
    }

    static nint Load(CudaDevice device, NvrtcProgram program, string name)
    {
        device.MakeCurrent();
        byte[] image = program.Cubin.Length > 0 ? program.Cubin : Encoding.UTF8.GetBytes(program.Ptx + "\0");
        nint module;
        fixed (byte* bytes = image) device.Api.Check(device.Api.Driver.cuModuleLoadData(&module, bytes), name);
        return module;
    }

    /// <summary>Sizes in bytes of each kernel's parameters, read from its declaration in the PTX.</summary>
    internal static Dictionary<string, int[]> ParameterSizes(string ptx)
    {
        var found = new Dictionary<string, int[]>();
        foreach (Match entry in Entry().Matches(ptx))
            found[entry.Groups["name"].Value] = [.. Parameter().Matches(entry.Groups["list"].Value).Select(parameter =>
                parameter.Groups["bytes"] is { Success: true } array ? int.Parse(array.ValueSpan) : int.Parse(parameter.Groups["bits"].ValueSpan) / 8)];
        return found;
    }

    [GeneratedRegex(@"\.entry\s+(?<name>[\w$]+)\s*\((?<list>[^)]*)\)")]
    private static partial Regex Entry();

    // .ptr, perhaps with a space and an alignment, says what a pointer points to: NVRTC 13 has it from sm_100 on
    [GeneratedRegex(@"\.param\s+(?:\.align\s+\d+\s+)?\.[busf](?<bits>\d+)\s+(?:\.ptr\s+(?:\.[a-z]+\s+)?(?:\.align\s+\d+\s+)?)?[\w$]+(?:\[(?<bytes>\d+)\])?")]
    private static partial Regex Parameter();

    /// <inheritdoc/>
    protected override CudaResult Destroy() => Api.Driver.cuModuleUnload(handle);
}

/// <summary>A kernel's argument: a pointer, a number or a struct, with its size.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct KernelArgument
{
    /// <summary>Above it, an argument is held by its address.</summary>
    internal const int MostDirectBytes = 8;

    readonly ulong bits;

    KernelArgument(ulong bits, int size) => (this.bits, Size) = (bits, size);

    /// <summary>In bytes.</summary>
    public int Size { get; }

    /// <summary>The value's bits, or its address where it is larger than they are.</summary>
    internal ulong Bits => bits;

    /// <summary>A struct by value, which has to stay where it is until the launch is queued.</summary>
    /// <exception cref="ArgumentException">It is no larger than a number.</exception>
    public static unsafe KernelArgument Struct<T>(T* value) where T : unmanaged =>
        sizeof(T) > MostDirectBytes ? new((ulong)value, sizeof(T)) : throw new ArgumentException($"{typeof(T).Name} has {sizeof(T)} bytes: give it as a number", nameof(value));

    /// <summary>A device address or a 64-bit integer.</summary>
    public static implicit operator KernelArgument(long value) => new((ulong)value, 8);

    /// <summary>A device address.</summary>
    public static implicit operator KernelArgument(nint value) => new((ulong)value, 8);

    /// <summary>A 32-bit integer.</summary>
    public static implicit operator KernelArgument(int value) => new((uint)value, 4);

    /// <summary>A 32-bit word.</summary>
    public static implicit operator KernelArgument(uint value) => new(value, 4);

    /// <summary>A single-precision number.</summary>
    public static implicit operator KernelArgument(float value) => new(BitConverter.SingleToUInt32Bits(value), 4);
}

/// <summary>A function of a module.</summary>
public sealed unsafe class CudaKernel
{
    /// <summary>More parameters than any kernel here has.</summary>
    const int MaxArguments = 40;

    /// <summary>Size of a grid in y and in z at most, on every device.</summary>
    const int MostBlocksYZ = 65535;

    readonly nint function;
    readonly int[] sizes;
    int dynamicShared;

    internal CudaKernel(CudaDevice device, nint function, string name, int[] sizes)
    {
        (Device, this.function, Name, this.sizes) = (device, function, name, sizes);
        Registers = Attribute(FunctionAttribute.NumRegs);
        LocalBytes = Attribute(FunctionAttribute.LocalSizeBytes);
        SharedBytes = Attribute(FunctionAttribute.SharedSizeBytes);
    }

    /// <summary>The device.</summary>
    public CudaDevice Device { get; }

    /// <summary>Name in the source.</summary>
    public string Name { get; }

    /// <summary>Registers per thread.</summary>
    public int Registers { get; }

    /// <summary>Local memory per thread, bytes.</summary>
    public int LocalBytes { get; }

    /// <summary>Static shared memory, bytes.</summary>
    public int SharedBytes { get; }

    /// <summary>Queues a launch. Count and sizes of the arguments are checked against the kernel's declaration.</summary>
    /// <exception cref="ArgumentException">An argument is missing, too many, or of another size.</exception>
    /// <exception cref="CudaException">The launch is refused; names kernel, grid, block and shared memory.</exception>
    public void Launch(CudaStream stream, Dim3 grid, Dim3 block, int sharedBytes, ReadOnlySpan<KernelArgument> arguments)
    {
        if (arguments.Length != sizes.Length)
            throw new ArgumentException($"{Name} takes {sizes.Length} arguments, {arguments.Length} were given");
        ulong* values = stackalloc ulong[MaxArguments];
        void** pointers = stackalloc void*[MaxArguments];
        for (int i = 0; i < arguments.Length; i++)
        {
            if (arguments[i].Size != sizes[i])
                throw new ArgumentException($"argument {i} of {Name} has {sizes[i]} bytes, {arguments[i].Size} were given");
            values[i] = arguments[i].Bits;
            pointers[i] = arguments[i].Size > KernelArgument.MostDirectBytes ? (void*)arguments[i].Bits : values + i;
        }
        Device.MakeCurrent();
        if (sharedBytes > dynamicShared) AllowShared(sharedBytes);
        var api = Device.Api;
        var result = api.Driver.cuLaunchKernel(function, (uint)grid.X, (uint)grid.Y, (uint)grid.Z,
            (uint)block.X, (uint)block.Y, (uint)block.Z, (uint)sharedBytes, stream.Value, pointers, null);
        if (result != CudaResult.Success)
            api.Check(result, $"{Name}<<<{grid}, {block}, {sharedBytes} bytes>>> with {Registers} registers, {SharedBytes} bytes of static shared memory"
                + (Math.Max(grid.Y, grid.Z) > MostBlocksYZ ? $"; a grid has at most {MostBlocksYZ} blocks in y and in z: use a smaller microbatch" : ""), "cuLaunchKernel(");
        api.Launches.Add(Name, grid, block);
    }

    /// <summary>Blocks that fit on a multiprocessor at once.</summary>
    public int Occupancy(int threads, int sharedBytes)
    {
        int blocks;
        Device.MakeCurrent();
        Device.Api.Check(Device.Api.Driver.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, threads, (nuint)sharedBytes), Name);
        return blocks;
    }

    void AllowShared(int bytes)
    {
        const int WithoutOptIn = 48 * 1024;
        if (bytes > WithoutOptIn)
            Device.Api.Check(Device.Api.Driver.cuFuncSetAttribute(function, FunctionAttribute.MaxDynamicSharedSizeBytes, bytes),
                $"{Name} asks for {bytes} bytes of shared memory; a block of {Device.Name} has {Device.SharedMemoryPerBlock}");
        dynamicShared = Math.Max(bytes, WithoutOptIn);
    }

    int Attribute(FunctionAttribute attribute)
    {
        int value;
        Device.Api.Check(Device.Api.Driver.cuFuncGetAttribute(&value, attribute, function), Name);
        return value;
    }
}
