using System.Security.Cryptography;
using System.Text;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>Products by NVIDIA's libraries, where those are there, right and faster than the program's own kernels.</summary>
public sealed partial class CudaOps
{
    /// <summary>Environment variable that, set to <c>off</c>, leaves all products to the program's own kernels.</summary>
    public const string LibrariesVariable = "COMMONCANVAS_LIBRARIES";

    ProductTuner? tuner;

    /// <summary>Where choices are remembered unless told otherwise: <c>commoncanvas/choices</c> in the user's cache.</summary>
    public static string ChoicesFolder => Path.Combine(Path.GetDirectoryName(KernelCache.DefaultFolder)!, "choices");

    /// <summary>Whether <see cref="LibrariesVariable"/> leaves everything to the program's own kernels.</summary>
    public static bool LibrariesAreOff => Environment.GetEnvironmentVariable(LibrariesVariable) == "off";

    /// <summary>
    /// From now on each product with weights is tried once by every installed library that can compute it, when its shape is
    /// first met outside of a recording; results are remembered in the user's cache. Without libraries, or where
    /// <see cref="LibrariesVariable"/> is <c>off</c>, nothing changes.
    /// </summary>
    /// <param name="note">Told of libraries that are dropped because they answer wrongly or do not start.</param>
    /// <param name="folder">Where choices are remembered; null for <see cref="ChoicesFolder"/>.</param>
    public void UseInstalledLibraries(Action<string>? note = null, string? folder = null)
    {
        if (LibrariesAreOff) return;
        UseLibraries(device =>
        [
            .. OpenLibraries(() =>
            {
                var (table, path) = CuBlasLt.Load(device.Api.DriverVersion);
                return [new CuBlasLtCandidates(new CuBlasLt(device, table, path))];
            }, note),
            .. OpenLibraries(() =>
            {
                var (table, path) = CuDnn.Load();
                return CuDnnCandidates.All(() => new CuDnn(device, table, path), WidenGradient);
            }, note),
        ], folder ?? ChoicesFolder, note);
    }

    /// <summary>What a library offers; nothing where it is missing, which doctor says to whoever wants to know, or does not start.</summary>
    internal static IReadOnlyList<IProductLibrary> OpenLibraries(Func<IReadOnlyList<IProductLibrary>> open, Action<string>? note)
    {
        try { return open(); }
        catch (LibraryMissingException) { return []; }
        catch (Exception e) when (e is LibraryCallException or EntryPointNotFoundException)
        {
            note?.Invoke(e.Message);
            return [];
        }
    }

    /// <summary>What was measured for each product that was met since the libraries were taken into use, in this run or an earlier one.</summary>
    public IReadOnlyList<ProductMeasurement> ProductMeasurements => tuner?.Measurements ?? [];

    /// <summary>Takes libraries into use, which are disposed with this.</summary>
    /// <param name="open">Opens them on the device.</param>
    /// <param name="folder">Where choices are remembered.</param>
    /// <param name="note">Told of libraries that are dropped.</param>
    internal void UseLibraries(Func<CudaDevice, IReadOnlyList<IProductLibrary>> open, string folder, Action<string>? note)
    {
        var libraries = open(device);
        if (libraries.Count == 0) return;
        string key = string.Join("; ", [$"{device.Name}, {device.ComputeCapability}, {device.Multiprocessors} multiprocessors", $"driver {device.Api.DriverVersion}",
            .. libraries.Select(library => library.Name), $"kernels {KernelsHash()}"]);
        tuner?.Dispose();
        tuner = new ProductTuner(device, stream, this, libraries, RunOwn, new ProductChoices(folder, key), note);
    }

    static string KernelsHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in KernelSources.Files) hash.AppendData(Encoding.UTF8.GetBytes(KernelSources.Read(file)));
        foreach (var (_, text) in KernelSources.Headers) hash.AppendData(Encoding.UTF8.GetBytes(text));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    /// <summary>Queues gradient = or += a tensor of 16-bit storage; F32 [rows, columns] like it.</summary>
    internal void WidenGradient(Tensor addend, GradientTarget gradient)
    {
        if (!gradient.Accumulate)
        {
            Cast(addend, gradient.Tensor);
            return;
        }
        int rows = addend[0], columns = addend[1];
        var wide = Arena.Rent(DType.F32, 1, rows, columns);
        Cast(addend.Reshape(1, rows, columns), wide);
        FinishGradients(wide, addend.Type, gradient, rows, columns);
    }

    /// <summary>Queues a linear product, and GEGLU where that follows, by a library; false where the own kernels are to do it.</summary>
    bool RunByLibrary(ProductKind kind, DType type, int rows, int inputs, int outputs, in ProductOperands operands) =>
        tuner is not null && tuner.Run(ProductProblem.Linear(kind, type, rows, inputs, outputs, operands), operands, mayTune: !capturing);

    /// <summary>
    /// Queues a convolution by a library; false where the own kernels are to do it, as where the result overwrites what is added,
    /// which cuDNN does not promise to bear. x: what the convolution reads, or its gradient.
    /// </summary>
    bool RunByLibrary(ProductKind kind, Tensor x, int outputs, ConvGeometry geometry, in ProductOperands operands) =>
        tuner is not null && operands.Residual.Data != operands.Result.Data && tuner.Run(ProductProblem.Convolution(kind, x.Type, x[0], x[1], x[2], x[3], outputs, geometry, operands), operands, mayTune: !capturing);

    void RunOwn(ProductProblem problem, ProductOperands operands)
    {
        var (x, weight, dY, bias, perSample, residual, result, accumulate, hidden) = operands;
        GradientTarget gradient = new(result, accumulate);
        switch (problem.Kind)
        {
            case ProductKind.LinearForward: LinearForward(x, weight, problem.Inputs, bias, perSample, residual, sampleRows: 1, result); break;
            case ProductKind.LinearBackwardInput: LinearBackward(x: default, weight, problem.Inputs, dY, residual, result, dWeight: default); break;
            case ProductKind.LinearBackwardWeight: LinearBackward(x, weight: default, problem.Inputs, dY, residual: default, dX: default, gradient); break;
            case ProductKind.LinearGegluForward: LinearGegluForward(x, weight, bias, hidden, result); break;
            case ProductKind.LinearGegluBackward: LinearGegluBackward(hidden, weight, dY, result); break;
            case ProductKind.ConvForward: ConvForward(x, weight, bias, perSample, residual, problem.Geometry, result); break;
            case ProductKind.ConvBackwardInput: ConvBackwardInput(weight, dY, problem.Geometry, result); break;
            default: ConvBackwardWeight(x, dY, problem.Geometry, gradient); break;
        }
    }
}
