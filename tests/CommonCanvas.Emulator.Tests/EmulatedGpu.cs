using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Tests;

/// <summary>An emulated device with one stream, and what tests do with it: compile, upload, launch, download.</summary>
internal sealed class EmulatedGpu : IDisposable
{
    static readonly Lazy<Nvrtc?> compiler = new(() =>
    {
        try { return Nvrtc.Load(); }
        catch (LibraryMissingException) { return null; }
    });

    /// <summary>The compiler; skips the test where there is none.</summary>
    public static Nvrtc Compiler
    {
        get
        {
            Assert.SkipWhen(compiler.Value is null, "there is no NVRTC: ./build.sh nvrtc fetches it");
            return compiler.Value;
        }
    }

    readonly List<nint> allocations = [];

    public EmulatedGpu(EmulatedDeviceOptions? options = null)
    {
        Api = new CudaApi(EmulatedDriver.Create(options));
        Device = new CudaDevice(Api, 0);
        Stream = new CudaStream(Device);
    }

    public CudaApi Api { get; }

    public CudaDevice Device { get; }

    public CudaStream Stream { get; }

    /// <summary>Compiles a source for compute capability 8.0, or skips the test where there is no NVRTC.</summary>
    public CudaModule Compile(string source, string file = "test.cu") =>
        new(Device, Compiler.Compile(source, file, [], ["-arch=compute_80", "-lineinfo", "-std=c++17"]), file);

    /// <summary>Loads a PTX text.</summary>
    public CudaModule Load(string ptx) => new(Device, new NvrtcProgram(ptx, [], ""), "test.ptx");

    public unsafe nint Upload<T>(ReadOnlySpan<T> data) where T : unmanaged
    {
        nint address = Allocate(data.Length * sizeof(T));
        fixed (T* from = data) Stream.CopyToDevice((nint)from, address, data.Length * sizeof(T));
        return address;
    }

    public nint Allocate(long bytes)
    {
        allocations.Add(Device.Allocate(bytes));
        return allocations[^1];
    }

    public unsafe T[] Download<T>(nint address, int count) where T : unmanaged
    {
        var data = new T[count];
        fixed (T* to = data) Stream.CopyToHost(address, (nint)to, count * sizeof(T));
        return data;
    }

    public void Dispose()
    {
        EmulatedDriver.TakeFault();
        foreach (nint address in allocations) Device.Free(address);
        Stream.Dispose();
        Device.Dispose();
    }
}
