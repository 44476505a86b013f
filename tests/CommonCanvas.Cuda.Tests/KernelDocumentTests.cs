using System.Text;
using CommonCanvas.Cuda;

namespace CommonCanvas.Cuda.Tests;

/// <summary>
/// <c>docs/kernels.md</c> is what the heads of the kernel files and the machine code say; <c>COMMONCANVAS_WRITE_DOCS=1</c>
/// writes it.
/// </summary>
[Trait("Category", "Kernels")]
public class KernelDocumentTests
{
    const int Architecture = 80;
    static readonly Version Reference = new(11, 8);

    [Fact]
    public void The_document_is_up_to_date()
    {
        var compiler = KernelImages.Compiler;
        if (compiler.Version != Reference) Assert.Skip($"the numbers of docs/kernels.md are NVRTC {Reference}'s, this is {compiler.Version}");
        string path = Path.Combine(Root(), "docs", "kernels.md"), document = Document();
        if (Environment.GetEnvironmentVariable("COMMONCANVAS_WRITE_DOCS") == "1") File.WriteAllText(path, document);
        string written = File.Exists(path) ? File.ReadAllText(path).Replace("\r", "", StringComparison.Ordinal) : "";
        Assert.True(written == document, "docs/kernels.md is out of date: run this test with COMMONCANVAS_WRITE_DOCS=1");
    }

    static string Document()
    {
        var text = new StringBuilder($"""
            # The CUDA kernels

            Generated from the heads of the files in `kernels/` and from the machine code that NVRTC {Reference} makes for
            sm_{Architecture}; [CONTRIBUTING.md](../CONTRIBUTING.md) says how to write it anew. Columns by storage type; "-": the
            kernel does not exist for it. Registers are a thread's, shared memory is a block's in bytes, static and dynamic, at
            most. HMMA counts the matrix instructions in the code, not how often they run.

            """.Replace("\r", "", StringComparison.Ordinal));
        foreach (string file in KernelSources.Files) AddFile(text, KernelHead.Of(file));
        return text.ToString();
    }

    static void AddFile(StringBuilder text, KernelHead head)
    {
        var images = KernelImages.Storages.Select(storage => KernelImages.Of(head.File, storage, Architecture)).ToArray();
        static string Columns(IEnumerable<IReadOnlyDictionary<string, KernelImage>> images, string kernel, Func<KernelImage, int> number) =>
            string.Join(" | ", images.Select(image => image.TryGetValue(kernel, out var found) ? $"{number(found)}" : "-"));
        text.Append($"\n## {head.File}\n\n{Escaped(head.What)}.\n\nTraffic: {Escaped(head.Traffic)}.\n\n");
        text.Append("| Kernel | Threads | Shared | Registers F32 | F16 | BF16 | HMMA F16 | BF16 |\n|:--|--:|--:|--:|--:|--:|--:|--:|\n");
        foreach (var kernel in head.Kernels.Values)
            text.Append($"| {kernel.Name} | {kernel.Threads} | {kernel.SharedBytes} | {Columns(images, kernel.Name, image => image.Registers)} | {Columns(images[1..], kernel.Name, image => image.MatrixInstructions)} |\n");
    }

    static string Escaped(string text) => text.Replace("*", "\\*", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal);

    static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "CommonCanvas.sln"))) folder = folder.Parent;
        if (folder is null) Assert.Skip("no checkout around the tests");
        return folder!.FullName;
    }
}
