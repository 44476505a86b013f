using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// Kernels compiled ahead of time are taken where they are of the program's sources, whole, and for the device, and left alone
/// with one line where not. PTX stands for nvcc's fatbins here: the driver loads either, the emulated one PTX alone.
/// </summary>
[Trait("Category", "Kernels")]
public sealed class AheadOfTimeKernelsTests : IDisposable
{
    const string File = "elementwise.cu", Define = "STORAGE_F32", Stem = "elementwise.F32";

    readonly TempFolder folder = new();
    readonly List<string> notes = [];

    public AheadOfTimeKernelsTests() => Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");

    public void Dispose() => folder.Dispose();

    // A fatbin tells its size; a text that a driver loads ends with a zero.
    static string Ptx() => Nvrtc.Load().Compile(KernelSources.Read(File), File, KernelSources.Headers, KernelLibrary.Options("compute_80", Define)).Ptx + "\0";

    // A folder as the build leaves it.
    void Write(string image, string declarations, string codes = "sm_80 sm_90 compute_90", string? sources = null)
    {
        System.IO.File.WriteAllText(folder[Stem + ".fatbin"], image);
        System.IO.File.WriteAllText(folder[Stem + ".ptx"], declarations);
        System.IO.File.WriteAllLines(folder[Stem + ".manifest"],
        [
            $"sources {sources ?? AheadOfTimeKernels.SourcesHash(File, Define)}", $"image {Hash(image)}", $"declarations {Hash(declarations)}", $"codes {codes}",
        ]);
    }

    static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    // Doubles a tensor on an emulated device; how many programs came from the folder, and how many were compiled.
    (int Ahead, int Compiled) Use(string? from = null)
    {
        var ahead = new AheadOfTimeKernels(from ?? folder.Path, notes.Add);
        var cache = new KernelCache(Nvrtc.Load(), folder["cache" + notes.Count]);
        using var ops = new CudaOps(new CudaDevice(new CudaApi(EmulatedDriver.Create()), 0), cache, "compute_80", ahead: ahead);
        var x = ops.Arena.Rent(DType.F32, 1001);
        ops.Fill(3, x);
        ops.Scale(x, 2, x);
        var values = new float[1001];
        ops.Download<float>(x, values);
        Assert.All(values, value => Assert.Equal(6, value));
        return (ahead.Hits, cache.Hits + cache.Misses);
    }

    [Fact]
    public void What_fits_is_taken_instead_of_compiling()
    {
        Write(Ptx(), Ptx());
        Assert.Equal((1, 0), Use());
        Assert.Empty(notes);
    }

    /// <summary>A compiler is loaded when something has to be compiled.</summary>
    [Fact]
    public void What_fits_needs_no_compiler()
    {
        Write(Ptx(), Ptx());
        using var device = new CudaDevice(new CudaApi(EmulatedDriver.Create()), 0);
        using var library = new KernelLibrary(device, new Lazy<KernelCompiler>(() => throw new LibraryMissingException("NVRTC", [], [])), ahead: new AheadOfTimeKernels(folder.Path));
        Assert.NotNull(library[File, Define, "Scale"]);
        Assert.Throws<LibraryMissingException>(() => library["activation.cu", Define, "GegluForward"]);
    }

    [Fact]
    public void What_is_not_there_is_compiled_without_a_word()
    {
        Assert.Equal((0, 1), Use());
        Assert.Empty(notes);
    }

    [Theory]
    [InlineData("sources", "was compiled from other sources")]
    [InlineData("image", "is damaged")]
    [InlineData("declarations", "is damaged")]
    [InlineData("codes", "has no code for compute capability 8.0 (sm_75 sm_90 compute_90)")]
    [InlineData("nonsense", "was compiled from other sources")]
    [InlineData("refused", "cuModuleLoadData failed")]
    public void What_does_not_fit_is_left_alone_with_one_line(string fault, string reason)
    {
        string ptx = Ptx();
        Write(fault == "refused" ? "no program\0" : ptx, ptx, fault == "codes" ? "sm_75 sm_90 compute_90" : "sm_80", fault == "sources" ? new string('0', 64) : null);
        if (fault == "image") System.IO.File.AppendAllText(folder[Stem + ".fatbin"], " ");
        if (fault == "declarations") System.IO.File.AppendAllText(folder[Stem + ".ptx"], " ");
        if (fault == "nonsense") System.IO.File.WriteAllText(folder[Stem + ".manifest"], "\0\0 \n\n");
        Assert.Equal((fault == "refused" ? 1 : 0, 1), Use());
        string note = Assert.Single(notes);
        Assert.StartsWith("kernels are compiled at run time: ", note, StringComparison.Ordinal);
        Assert.Contains(reason, note, StringComparison.Ordinal);
    }

    [Fact]
    public void The_reason_is_given_once_for_all_files()
    {
        var ahead = new AheadOfTimeKernels(folder.Path, notes.Add);
        Write("x", "x", sources: "other");
        for (int i = 0; i < 3; i++) Assert.Null(ahead.Get(File, Define, 80));
        Assert.Single(notes);
        Assert.False(ahead.IsFresh(File, Define));
        Write("x", "x");
        Assert.True(ahead.IsFresh(File, Define));
    }

    /// <summary>Whoever asks what is there, before anything is loaded, is answered too.</summary>
    [Fact]
    public void A_manifest_that_cannot_be_read_is_none()
    {
        var ahead = new AheadOfTimeKernels(folder.Path, notes.Add);
        Write("x", "x");
        string manifest = System.IO.File.ReadAllText(folder[Stem + ".manifest"]);
        System.IO.File.WriteAllText(folder[Stem + ".manifest"], manifest + manifest);
        Assert.False(ahead.IsFresh(File, Define));
        Assert.False(ahead.IsComplete(80));
        Assert.Null(ahead.Get(File, Define, 80));
        Assert.Single(notes);
        using (new FileStream(folder[Stem + ".manifest"], FileMode.Create, FileAccess.Write, FileShare.None)) Assert.False(ahead.IsFresh(File, Define));
    }

    [Theory]
    [InlineData("sm_80 sm_86", 86, true)]
    [InlineData("sm_80", 89, true)]
    [InlineData("sm_86", 80, false)]
    [InlineData("sm_80", 90, false)]
    [InlineData("sm_90 compute_90", 120, true)]
    [InlineData("sm_100", 103, true)]
    [InlineData("compute_120", 90, false)]
    [InlineData("", 80, false)]
    public void Code_runs_on_its_own_generation_and_PTX_on_all_that_follow(string codes, int capability, bool runs) =>
        Assert.Equal(runs, AheadOfTimeKernels.RunsOn(codes.Split(' '), capability));

    /// <summary>CMake with a compiler that copies: the manifests that it writes are those that the program expects.</summary>
    [Fact]
    public void What_CMake_builds_is_taken()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the compiler that stands for nvcc is a script of sh");
        System.IO.File.WriteAllText(folder["program.ptx"], Ptx());
        System.IO.File.WriteAllText(folder["nvcc"], $"""
            #!/bin/sh
            [ "$1" != --list-gpu-arch ] || exec printf 'compute_75\ncompute_80\ncompute_90\n'
            while [ $# -gt 1 ]; do [ "$1" != -o ] || out=$2; shift; done
            exec cp '{folder["program.ptx"]}' "$out"
            """);
        if (!OperatingSystem.IsWindows()) System.IO.File.SetUnixFileMode(folder["nvcc"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.CreateDirectory(folder["project"]);
        System.IO.File.WriteAllText(Path.Combine(folder["project"], "CMakeLists.txt"), $"""
            cmake_minimum_required(VERSION 3.16)
            project(Kernels NONE)
            add_subdirectory("{Path.Combine(Golden.Repository, "kernels")}" kernels)
            """);
        CMake("-S", folder["project"], "-B", folder["build"], $"-DNVCC={folder["nvcc"]}");
        CMake("--build", folder["build"], "-j", "2");
        string made = Path.Combine(folder["build"], "kernels");
        Assert.Equal((1, 0), Use(made));
        Assert.Empty(notes);
        Assert.Contains("codes sm_75 sm_80 sm_90 compute_90", System.IO.File.ReadAllLines(Path.Combine(made, Stem + ".manifest")));
        var ahead = new AheadOfTimeKernels(made);
        foreach (string file in KernelSources.Files)
            foreach (string storage in KernelSources.Storages) Assert.True(ahead.IsFresh(file, storage), $"{file} {storage}");
        Assert.True(ahead.IsComplete(86));
        Assert.False(ahead.IsComplete(70));
        System.IO.File.Delete(Path.Combine(made, Stem + ".manifest"));
        Assert.False(ahead.IsComplete(86));
    }

    static void CMake(params string[] arguments)
    {
        Process? process = null;
        try { process = Process.Start(new ProcessStartInfo("cmake", arguments) { RedirectStandardOutput = true, RedirectStandardError = true }); }
        catch (System.ComponentModel.Win32Exception) { Assert.Skip("CMake is not installed"); }
        using (process!)
        {
            var errors = process!.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, output + errors.Result);
        }
    }
}
