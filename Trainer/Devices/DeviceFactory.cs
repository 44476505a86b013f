using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Tensors;

namespace CommonCanvas.Trainer.Devices;

/// <summary>Opens the device that <c>--device</c> names.</summary>
public static class DeviceFactory
{
    /// <summary>Opens a device.</summary>
    /// <param name="name">One of <see cref="DeviceName.Forms"/>.</param>
    /// <param name="threads">Worker threads of the processor.</param>
    /// <param name="note">Told why <c>auto</c> left a GPU alone, and of libraries that answer wrongly.</param>
    /// <exception cref="LibraryMissingException">The driver or NVRTC is missing; with numbered remedies.</exception>
    /// <exception cref="CudaException">There is no such GPU, or it does not answer.</exception>
    public static IOps Open(string name, int threads, Action<string>? note = null)
    {
        if (name == DeviceName.Auto) name = Choose(note);
        return name switch
        {
            DeviceName.Cpu => OpsFactory.Create("cpu", threads),
            DeviceName.Emulator => CudaOps.Open(EmulatedDriver.Create(new EmulatedDeviceOptions { Threads = threads }), ptxOnly: true),
            _ when DeviceName.CudaOrdinal(name) is var ordinal and >= 0 => OpenCuda(ordinal, note),
            _ => throw new ArgumentException($"unknown device '{name}': must be {DeviceName.Forms}", nameof(name)),
        };
    }

    static CudaOps OpenCuda(int ordinal, Action<string>? note)
    {
        var driver = InstalledDriver.Load().Driver;
        int count = new CudaApi(driver).DeviceCount;
        if (ordinal < count)
        {
            var ops = CudaOps.Open(driver, ordinal, note: note);
            ops.UseInstalledLibraries(note);
            return ops;
        }
        string there = count == 0 ? "no GPU" : count == 1 ? "one GPU, cuda:0" : $"{count} GPUs, cuda:0 to cuda:{count - 1}";
        throw new CudaException(CudaResult.InvalidDevice, $"--device cuda:{ordinal}: the driver shows {there}.\n  1. name one that is there; Trainer doctor lists them\n  2. check CUDA_VISIBLE_DEVICES, which hides and renumbers GPUs\n  3. train without a GPU: --device cpu");
    }

    /// <summary>A GPU where a driver, a device and kernels for it, or NVRTC, are, else the processor.</summary>
    static string Choose(Action<string>? note)
    {
        try
        {
            if (new CudaApi(InstalledDriver.Load().Driver).DeviceCount == 0) return DeviceName.Cpu;
        }
        catch (Exception e) when (e is LibraryMissingException or CudaException or EntryPointNotFoundException)
        {
            return DeviceName.Cpu; // no driver, or one that does not start: a machine without a GPU
        }
        try
        {
            Nvrtc.Load();
            return DeviceName.Cuda;
        }
        catch (LibraryMissingException e)
        {
            if (HasAllKernels()) return DeviceName.Cuda;
            note?.Invoke($"There is a GPU, but the processor computes. {e.Message}");
            return DeviceName.Cpu;
        }
    }

    /// <summary>Whether all kernels for the first GPU are compiled ahead of time.</summary>
    public static bool HasAllKernels()
    {
        try
        {
            if (AheadOfTimeKernels.Find() is not { } kernels) return false;
            using var device = new CudaDevice(new CudaApi(InstalledDriver.Load().Driver), 0);
            return kernels.IsComplete(device.ComputeCapability);
        }
        catch (Exception e) when (e is LibraryMissingException or CudaException or EntryPointNotFoundException) { return false; }
    }
}
