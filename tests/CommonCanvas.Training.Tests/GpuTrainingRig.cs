using CommonCanvas.Cuda;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

/// <summary>A few cached latents in a folder of its own, and a GPU for runs over them.</summary>
public abstract class GpuTrainingRig : IDisposable
{
    readonly bool ptxOnly;

    /// <summary>Writes the latents; skips the test where there is no such GPU.</summary>
    /// <param name="missing">Why there is none, or null.</param>
    /// <param name="driver">Makes or loads the driver's table.</param>
    /// <param name="ptxOnly">Whether the device takes PTX alone.</param>
    protected GpuTrainingRig(string? missing, Func<CudaDriver> driver, bool ptxOnly)
    {
        Assert.SkipWhen(missing is not null, missing ?? "");
        (NewDriver, this.ptxOnly) = (driver, ptxOnly);
        Cache = Folder["cache"];
        TinyModels.WriteCache(Cache, 15);
    }

    private protected TempFolder Folder { get; } = new();

    protected string Cache { get; }

    protected Func<CudaDriver> NewDriver { get; }

    /// <summary>A device of a driver of its own, or of the one given.</summary>
    protected CudaOps NewGpu(CudaDriver? driver = null)
    {
        var gpu = CudaOps.Open(driver ?? NewDriver(), ptxOnly: ptxOnly);
        Equip(gpu);
        return gpu;
    }

    /// <summary>Gives a device what it computes with beside its kernels.</summary>
    protected virtual void Equip(CudaOps gpu) { }

    public void Dispose()
    {
        Folder.Dispose();
        GC.SuppressFinalize(this);
    }
}
