using System.Runtime.InteropServices;
using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Decoding;

/// <summary>A kernel ready to run.</summary>
internal sealed unsafe class KernelCode : IDisposable
{
    bool disposed;

    /// <summary>Takes what the decoder made; the memory is freed with it.</summary>
    public KernelCode(PtxModule module, PtxKernel kernel, Instruction* instructions, BlockCode* blocks, int blockCount, RegisterFile file)
    {
        (Module, Kernel, BlockCount, RegisterBytes, Registers) = (module, kernel, blockCount, file.Bytes, file.Pressure);
        Instructions = instructions;
        Blocks = blocks;
        Template = file.Template();
        Specials = [.. file.Specials.Select(special => (special.Key, special.Value))];
    }

    /// <summary>Where it comes from.</summary>
    public PtxModule Module { get; }

    /// <summary>Its PTX.</summary>
    public PtxKernel Kernel { get; }

    /// <summary>All instructions.</summary>
    public Instruction* Instructions { get; }

    /// <summary>Its blocks, in the order of the text.</summary>
    public BlockCode* Blocks { get; }

    /// <summary>Number of <see cref="Blocks"/>.</summary>
    public int BlockCount { get; }

    /// <summary>Size of a warp's register file.</summary>
    public int RegisterBytes { get; }

    /// <summary>The register file that a warp begins with.</summary>
    public byte* Template { get; }

    /// <summary>Special registers and their places.</summary>
    public (string Name, int Place)[] Specials { get; }

    /// <summary>32-bit registers that are live at once, at most.</summary>
    public int Registers { get; }

    /// <summary>Whether it has a fence of the whole device, with which blocks can order their accesses.</summary>
    public bool HasDeviceFence => Kernel.Instructions.Exists(IsDeviceFence);

    /// <summary>Whether an instruction is such a fence.</summary>
    public static bool IsDeviceFence(PtxInstruction i) => i.Parts[0] is "membar" or "fence" && !i.Has("proxy") && (i.Has("gl") || i.Has("sys") || i.Has("gpu"));

    /// <summary>Static shared memory up to where dynamic shared memory begins.</summary>
    public static int DynamicSharedOffset(PtxKernel kernel) =>
        kernel.DynamicShared.Count == 0 ? kernel.SharedBytes : (kernel.SharedBytes + 127) / 128 * 128;

    /// <summary>The line of the source that an instruction comes from, such as <c>norm.cu:41</c>, else its line in the PTX.</summary>
    public string Where(int source)
    {
        if (source < 0 || source >= Kernel.Instructions.Count) return "its end";
        var instruction = Kernel.Instructions[source];
        var at = instruction.Location;
        if (at.File == 0 || !Module.Files.TryGetValue(at.File, out string? file)) return $"PTX line {instruction.PtxLine} ({instruction})";
        string text = $"{Path.GetFileName(file)}:{at.Line}";
        if (at.CallerFile != 0 && Module.Files.TryGetValue(at.CallerFile, out string? caller)) text += $" (in line at {Path.GetFileName(caller)}:{at.CallerLine})";
        return $"{text} ({instruction})";
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        for (int b = 0; b < BlockCount; b++) NativeMemory.Free(Blocks[b].Targets);
        NativeMemory.Free(Instructions);
        NativeMemory.Free(Blocks);
        NativeMemory.AlignedFree(Template);
    }
}
