using System.Security.Cryptography;
using System.Text;

namespace CommonCanvas.Cuda;

/// <summary>
/// Kernels that nvcc has compiled ahead of time (<c>cmake -B build/native &amp;&amp; cmake --build build/native</c>): a folder with, for
/// each file and storage type, the image that the driver loads (<c>linear.F16.fatbin</c>), PTX that declares its kernels, and
/// a manifest with the hashes of its sources, of image and PTX, and what devices the image has code for. One that was made of
/// other sources than those that the program carries, or is damaged, is left alone.
/// </summary>
/// <param name="folder">Where they lie.</param>
/// <param name="note">Told once what is left alone.</param>
public sealed class AheadOfTimeKernels(string folder, Action<string>? note = null)
{
    /// <summary>Environment variable that names the folder, or is <c>off</c>.</summary>
    public const string Variable = "COMMONCANVAS_KERNELS";

    bool noted;

    /// <summary>Where they lie.</summary>
    public string Folder => folder;

    /// <summary>Programs taken from the folder.</summary>
    public int Hits { get; private set; }

    /// <summary>
    /// The kernels in the folder that <see cref="Variable"/> names, or beside the program, or in the build folder of the
    /// checkout that it runs in; null where there are none.
    /// </summary>
    public static AheadOfTimeKernels? Find(Action<string>? note = null)
    {
        string? named = Environment.GetEnvironmentVariable(Variable);
        if (named == "off") return null;
        string? folder = (named is { Length: > 0 } ? [named] : Folders()).FirstOrDefault(Holds);
        return folder is null ? null : new AheadOfTimeKernels(folder, note);
    }

    static bool Holds(string folder) => Directory.Exists(folder) && Directory.EnumerateFiles(folder, "*.manifest").Any();

    static IEnumerable<string> Folders()
    {
        yield return Path.Combine(AppContext.BaseDirectory, "kernels");
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "CommonCanvas.sln"))) yield return Path.Combine(folder.FullName, "build", "native", "kernels");
    }

    /// <summary>A file's kernels; null where there are none for these sources and this device.</summary>
    /// <param name="file">The kernel file: <c>linear.cu</c>.</param>
    /// <param name="define">The preprocessor definition that chooses the storage type: <c>STORAGE_F16</c>.</param>
    /// <param name="computeCapability">Of the device, times ten.</param>
    public NvrtcProgram? Get(string file, string define, int computeCapability)
    {
        string path = PathOf(file, define);
        try
        {
            if (!File.Exists(path + ".manifest")) return null;
            var manifest = ReadManifest(path);
            string Value(string key) => manifest.GetValueOrDefault(key, "");
            if (Value("sources") != SourcesHash(file, define)) return Leave($"{path}.fatbin was compiled from other sources");
            if (!RunsOn(Value("codes").Split(' '), computeCapability)) return Leave($"{path}.fatbin has no code for compute capability {computeCapability / 10}.{computeCapability % 10} ({Value("codes")})");
            byte[] image = File.ReadAllBytes(path + ".fatbin"), declarations = File.ReadAllBytes(path + ".ptx");
            if (Value("image") != Hash(image) || Value("declarations") != Hash(declarations)) return Leave($"{path}.fatbin is damaged");
            Hits++;
            return new NvrtcProgram(Encoding.UTF8.GetString(declarations), image, "");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return Leave(e.Message);
        }
    }

    /// <summary>Whether a file's kernels are there and of the program's own sources.</summary>
    public bool IsFresh(string file, string define) => FreshManifest(file, define) is not null;

    /// <summary>Whether all kernels are there, of the program's own sources and with code for a device: it needs no compiler then.</summary>
    /// <param name="computeCapability">Of the device, times ten.</param>
    public bool IsComplete(int computeCapability) => KernelSources.Files.All(file => KernelSources.Storages.All(define =>
        FreshManifest(file, define) is { } manifest && RunsOn(manifest.GetValueOrDefault("codes", "").Split(' '), computeCapability)));

    Dictionary<string, string>? FreshManifest(string file, string define)
    {
        try
        {
            if (!File.Exists(PathOf(file, define) + ".manifest")) return null;
            var manifest = ReadManifest(PathOf(file, define));
            return manifest.GetValueOrDefault("sources") == SourcesHash(file, define) ? manifest : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null; // who asks for its kernels is told why there are none
        }
    }

    string PathOf(string file, string define) => Path.Combine(folder, Path.GetFileNameWithoutExtension(file) + "." + define["STORAGE_".Length..]);

    static Dictionary<string, string> ReadManifest(string path) => File.ReadAllLines(path + ".manifest")
        .Select(line => line.Split(' ', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]);

    /// <summary>Notes, once for all files, that this one is compiled at run time.</summary>
    internal NvrtcProgram? Leave(string why)
    {
        if (!noted) note?.Invoke($"kernels are compiled at run time: {why}. To compile ahead of time: cmake --build build/native; without this line: {Variable}=off");
        noted = true;
        return null;
    }

    /// <summary>The hash of all that decides a compilation: definition, source and headers. <c>kernels/describe.cmake</c> forms the same.</summary>
    public static string SourcesHash(string file, string define)
    {
        var text = new StringBuilder($"{define}\n");
        foreach (string name in KernelSources.Headers.Select(header => header.Name).Prepend(file)) text.Append($"{name} {Hash(KernelSources.Bytes(name))}\n");
        return Hash(Encoding.UTF8.GetBytes(text.ToString()));
    }

    /// <summary>Machine code runs on devices of its own generation that are not older; PTX of a generation runs on all that follow.</summary>
    internal static bool RunsOn(IEnumerable<string> codes, int computeCapability) => codes.Any(code =>
        code.Split('_') is [var kind, var digits] && int.TryParse(digits, out int number) && number <= computeCapability
        && (kind == "compute" || kind == "sm" && number / 10 == computeCapability / 10));

    static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
