using System.Runtime.InteropServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// Working memory of the fast operations, outside the arena: it grows to the largest request and stays, so that a training
/// step allocates nothing after the first.
/// </summary>
internal sealed unsafe class Scratch : IDisposable
{
    /// <summary>The shared buffers; an operation uses each for one thing.</summary>
    public enum Slot { Packed, WideX, WideDY, WideWeight, WideResult, WideResidual, Partial, Small, Sums }

    readonly nint[] blocks = new nint[9];
    readonly nint[] sizes = new nint[9];
    nint threadBlock, threadSize, zeroBlock, zeroSize;

    /// <summary>At least <paramref name="bytes"/>, aligned to 64; the contents are whatever was left there.</summary>
    public void* Get(Slot slot, nint bytes)
    {
        int i = (int)slot;
        Grow(ref blocks[i], ref sizes[i], bytes);
        return (void*)blocks[i];
    }

    /// <summary>For each of <paramref name="threads"/> threads at least <paramref name="bytes"/>, a multiple of 4096 apart.</summary>
    public byte* PerThread(int threads, nint bytes, out nint apart)
    {
        apart = (bytes + 4095) / 4096 * 4096;
        Grow(ref threadBlock, ref threadSize, apart * threads);
        return (byte*)threadBlock;
    }

    /// <summary>At least <paramref name="count"/> zeros, which nobody may overwrite: the pixels outside an image.</summary>
    public float* Zeros(nint count)
    {
        if (Grow(ref zeroBlock, ref zeroSize, count * sizeof(float))) NativeMemory.Clear((void*)zeroBlock, (nuint)zeroSize);
        return (float*)zeroBlock;
    }

    static bool Grow(ref nint block, ref nint size, nint bytes)
    {
        if (bytes <= size) return false;
        if (block != 0) NativeMemory.AlignedFree((void*)block);
        (block, size) = (0, 0);
        block = (nint)NativeMemory.AlignedAlloc((nuint)bytes, 4096);
        size = bytes;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int i = 0; i < blocks.Length; i++)
        {
            if (blocks[i] != 0) NativeMemory.AlignedFree((void*)blocks[i]);
            (blocks[i], sizes[i]) = (0, 0);
        }
        if (threadBlock != 0) NativeMemory.AlignedFree((void*)threadBlock);
        if (zeroBlock != 0) NativeMemory.AlignedFree((void*)zeroBlock);
        (threadBlock, threadSize, zeroBlock, zeroSize) = (0, 0, 0, 0);
    }
}
