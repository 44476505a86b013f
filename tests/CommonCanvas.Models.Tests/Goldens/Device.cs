using CommonCanvas.Tensors;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

/// <summary>Host values to and from a device, images between the files' NCHW and the device's NHWC; and the cases to run.</summary>
static class Device
{
    static readonly DType[] types = [DType.F32, DType.F16, DType.BF16];

    const string Emulator = "emulator", Cuda = "cuda";

    /// <summary>The processor's devices, each kind once.</summary>
    public static IReadOnlyList<string> Cpus { get; } = [.. OpsFactory.Devices.Where(d => d.StartsWith("cpu", StringComparison.Ordinal)).DistinctBy(DeviceName)];

    /// <summary>All devices, here or not.</summary>
    static IReadOnlyList<string> All { get; } = [.. Cpus, Emulator, Cuda];

    /// <summary>A device by its name; where it is not there, the test is skipped.</summary>
    public static DeviceLease Open(string name)
    {
        string? missing = name switch { Emulator => GpuDevices.NoEmulator, Cuda => GpuDevices.NoCuda, _ => null };
        Assert.SkipWhen(missing is not null, missing ?? "");
        return name switch
        {
            Emulator => GpuDevices.Emulator(),
            Cuda => GpuDevices.Cuda(),
            _ => new DeviceLease(OpsFactory.Create(name)),
        };
    }

    /// <summary>The full reference folder, or else what the repository carries.</summary>
    static string Root => Golden.Folder ?? Golden.Carried;

    /// <summary>Files below the reference folder, by pattern, on every device and in every precision or those given.</summary>
    public static TheoryData<string, string, DType> Cases(string folders, string files, params DType[] only) => Cases(Root, folders, files, only);

    /// <summary>The same of the files that the repository alone carries.</summary>
    public static TheoryData<string, string, DType> CarriedCases(string folders, string files) => Cases(Golden.Carried, folders, files, []);

    static TheoryData<string, string, DType> Cases(string root, string folders, string files, DType[] only)
    {
        var data = new TheoryData<string, string, DType>();
        if (!Directory.Exists(root)) return data;
        foreach (string folder in Directory.GetDirectories(root, folders).Order(StringComparer.Ordinal))
            foreach (string file in Directory.GetFiles(folder, files).Order(StringComparer.Ordinal))
                foreach (string device in All)
                    foreach (var type in only.Length > 0 ? only : types)
                        if (type == DType.F32 || File.Exists(Path.ChangeExtension(file, ".precision.json")))
                        {
                            var row = new TheoryDataRow<string, string, DType>(Path.GetRelativePath(root, file), device, type);
                            data.Add(device is Emulator or Cuda ? row.WithTrait("Category", "Kernels").WithTrait("Device", device) : row);
                        }
        return data;
    }

    /// <summary>The full path of a case.</summary>
    public static string PathOf(string relative) => Path.Combine(Root, relative);

    /// <summary>The full path of a case that the repository alone carries.</summary>
    public static string CarriedPathOf(string relative) => Path.Combine(Golden.Carried, relative);

    public static Tensor Upload(IOps ops, float[] values, int[] shape, DType type = DType.F32)
    {
        var wide = shape.Length switch
        {
            1 => ops.Arena.Rent(DType.F32, shape[0]),
            2 => ops.Arena.Rent(DType.F32, shape[0], shape[1]),
            3 => ops.Arena.Rent(DType.F32, shape[0], shape[1], shape[2]),
            _ => ops.Arena.Rent(DType.F32, shape[0], shape[2], shape[3], shape[1]),
        };
        ops.Upload<float>(shape.Length == 4 ? Swap(values, shape[0], shape[1], shape[2] * shape[3]) : values, wide);
        if (type == DType.F32) return wide;
        var narrow = ops.Arena.RentLike(wide, type);
        ops.Cast(wide, narrow);
        ops.Arena.Release(wide);
        return narrow;
    }

    /// <summary>Values in the files' order.</summary>
    public static float[] Download(IOps ops, Tensor tensor)
    {
        var values = new float[tensor.Count];
        var wide = ops.Arena.RentLike(tensor, DType.F32);
        ops.Cast(tensor, wide);
        ops.Download<float>(wide, values);
        ops.Arena.Release(wide);
        return tensor.Rank == 4 ? Swap(values, tensor[0], tensor[1] * tensor[2], tensor[3]) : values;
    }

    /// <summary>[n, a, b] to [n, b, a].</summary>
    static float[] Swap(float[] values, int n, int a, int b)
    {
        var swapped = new float[values.Length];
        for (int s = 0; s < n; s++)
            for (int r = 0; r < a; r++)
                for (int c = 0; c < b; c++) swapped[(s * b + c) * a + r] = values[(s * a + r) * b + c];
        return swapped;
    }

    static string DeviceName(string device)
    {
        using var ops = OpsFactory.Create(device);
        return ops.Name;
    }
}
