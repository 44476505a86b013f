using CommonCanvas.Cuda;

namespace CommonCanvas.Cuda.Tests;

/// <summary>
/// Machine code stays within what the heads of the kernel files say. Compiles for sm_80 and, where there is a GPU, for that;
/// <c>COMMONCANVAS_ALL_ARCHITECTURES=1</c> adds the others from sm_70 to sm_120, as far as the compiler knows them.
/// </summary>
[Trait("Category", "Kernels")]
public class KernelBudgetTests
{
    // In the section of static shared memory for sm_90: transpose.cu in F16 has 3136 bytes there, of which ptxas counts 2112.
    const int ReservedBytes = 1024;

    // From it on a head's number of registers is no ceiling, but nothing may be spilled there either.
    const int UnboundedArchitecture = 100;

    static readonly int[] Architectures =
        [.. (Environment.GetEnvironmentVariable("COMMONCANVAS_ALL_ARCHITECTURES") == "1" ? (int[])[70, 75, 80, 86, 89, 90, 100, 120] : [80]).Concat(Installed()).Distinct()];

    public static TheoryData<string, string, int> Programs
    {
        get
        {
            var data = new TheoryData<string, string, int>();
            foreach (int architecture in Architectures)
                foreach (string file in KernelSources.Files)
                    foreach (string storage in KernelImages.Storages) data.Add(file, storage, architecture);
            return data;
        }
    }

    public static TheoryData<string> Files => [.. KernelSources.Files];

    [Theory]
    [MemberData(nameof(Programs))]
    public void Machine_code_stays_within_the_head(string file, string storage, int architecture)
    {
        var head = KernelHead.Of(file);
        var broken = new List<string>();
        foreach (var (name, image) in KernelImages.Of(file, storage, architecture).OrderBy(kernel => kernel.Key, StringComparer.Ordinal))
        {
            if (!head.Kernels.TryGetValue(name, out var needs))
            {
                broken.Add($"{name} has no NEEDS line");
                continue;
            }
            if (architecture < UnboundedArchitecture && image.Registers > needs.Registers) broken.Add($"{name} takes {image.Registers} registers, NEEDS says {needs.Registers}");
            int shared = architecture >= 90 && image.SharedBytes > 0 ? image.SharedBytes - ReservedBytes : image.SharedBytes;
            if (shared > needs.SharedBytes) broken.Add($"{name} takes {shared} bytes of static shared memory, NEEDS says {needs.SharedBytes}");
            if (image.LocalAccesses > 0) broken.Add($"{name} accesses local memory in {image.LocalAccesses} instructions");
            if (needs.Matrix && architecture >= OldestWithMatrix(storage, needs) && image.MatrixInstructions == 0) broken.Add($"{name} has no HMMA, NEEDS says mma");
            if (!needs.Matrix && image.MatrixInstructions > 0) broken.Add($"{name} has {image.MatrixInstructions} HMMA, NEEDS does not say mma");
        }
        Assert.True(broken.Count == 0, $"{file}, {storage}, sm_{architecture}:\n{string.Join('\n', broken)}");
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_line_of_needs_has_a_kernel(string file)
    {
        var made = KernelImages.Storages.SelectMany(storage => KernelImages.Of(file, storage, 80).Keys).ToHashSet(StringComparer.Ordinal);
        Assert.Equal("", string.Join(' ', KernelHead.Of(file).Kernels.Keys.Where(name => !made.Contains(name))));
    }

    // That of the first GPU, where there is one.
    static int[] Installed()
    {
        try
        {
            var api = new CudaApi(InstalledDriver.Load().Driver);
            if (api.DeviceCount == 0) return [];
            using var device = new CudaDevice(api, 0);
            return [device.ComputeCapability];
        }
        catch (Exception e) when (e is LibraryMissingException or CudaException or EntryPointNotFoundException)
        {
            return []; // no driver, or one that does not start: a machine without a GPU
        }
    }

    // F16 as the head says; BF16 came to the matrix units with sm_80; a kernel left for fp32 would be no product of 16 bits.
    static int OldestWithMatrix(string storage, KernelNeeds needs) => storage switch
    {
        "F16" => needs.Architecture,
        "BF16" => Math.Max(needs.Architecture, 80),
        _ => int.MaxValue,
    };
}
