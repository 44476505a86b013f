using System.Runtime.InteropServices;
using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Decoding;

/// <summary>
/// The layout of a warp's register file: virtual registers share places by the linear scan of their live ranges (Poletto and
/// Sarkar, Linear scan register allocation, 1999); constants and special registers have places of their own.
/// </summary>
internal sealed unsafe class RegisterFile
{
    readonly int[] places;
    readonly Dictionary<(ulong Bits, char Kind), int> constants = [];
    readonly Dictionary<string, int> specials = [];
    int top = Warp.FirstRegister;

    /// <summary>Gives each register of the kernel its place.</summary>
    public RegisterFile(PtxKernel kernel, Liveness liveness)
    {
        places = new int[kernel.Registers.Count];
        foreach (int width in (int[])[64, 32, 0])
        {
            int peak = 0;
            var free = new Stack<int>();
            var active = new PriorityQueue<int, int>();
            foreach (var register in kernel.Registers.Where(r => r.Width == width && liveness.Last[r.Index] >= 0).OrderBy(r => liveness.First[r.Index]))
            {
                while (active.Count > 0 && liveness.Last[active.Peek()] < liveness.First[register.Index]) free.Push(places[active.Dequeue()]);
                places[register.Index] = free.Count > 0 ? free.Pop() : Allocate(width);
                active.Enqueue(register.Index, liveness.Last[register.Index]);
                peak = Math.Max(peak, active.Count);
            }
            Pressure += width == 64 ? 2 * peak : width == 32 ? peak : 0;
            top = (top + 255) / 256 * 256;
        }
    }

    /// <summary>Most 32-bit registers that hold values at once.</summary>
    public int Pressure { get; }

    /// <summary>Size of the file.</summary>
    public int Bytes => (top + 255) / 256 * 256;

    /// <summary>Special registers with their places.</summary>
    public IReadOnlyDictionary<string, int> Specials => specials;

    /// <summary>The place of a register.</summary>
    public int this[PtxRegister register] => places[register.Index];

    /// <summary>The place of a value that nobody reads.</summary>
    public int Sink(int width) => Constant(0xdead, width == 64 ? 'Q' : width == 32 ? 'W' : 'P');

    /// <summary>A new place for a value within an instruction.</summary>
    public int Scratch(int width) => Allocate(width);

    /// <summary>A new place for a bit for each lane, none of them set when a warp begins.</summary>
    public int Flags() => Allocate(0);

    /// <summary>The place of a constant: kind <c>w</c>, <c>q</c> or <c>p</c> as in <see cref="Operation.Shape"/>.</summary>
    public int Constant(ulong bits, char kind)
    {
        if (kind is 'w') bits = (uint)bits;
        if (constants.TryGetValue((bits, kind), out int place)) return place;
        return constants[(bits, kind)] = Allocate(kind is 'q' or 'Q' ? 64 : kind is 'w' or 'W' ? 32 : 0);
    }

    /// <summary>The place of a special register of 32 bits.</summary>
    public int Special(string name)
    {
        if (!specials.TryGetValue(name, out int place)) specials[name] = place = Allocate(32);
        return place;
    }

    /// <summary>The register file that a warp begins with: all zero but the constants. Freed by the caller.</summary>
    public byte* Template()
    {
        byte* file = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        NativeMemory.Clear(file, (nuint)Bytes);
        foreach (var ((bits, kind), place) in constants)
        {
            if (kind is 'q') new Span<ulong>(file + place, Warp.Lanes).Fill(bits);
            else if (kind is 'w') new Span<uint>(file + place, Warp.Lanes).Fill((uint)bits);
            else if (kind is 'p') *(uint*)(file + place) = bits != 0 ? uint.MaxValue : 0;
        }
        return file;
    }

    int Allocate(int width)
    {
        int bytes = width == 64 ? 256 : width == 32 ? 128 : 4;
        if (width != 0) top = (top + 63) / 64 * 64;
        int place = top;
        top += bytes;
        return place;
    }
}
