using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>
/// Numbers with which candidates are checked, chosen so that nothing is lost whatever the order of a sum. Activations and
/// addends are multiples of 2^-b in (-1, 1), b bits being what the storage type holds and 12 for F32; weights, and the gradient
/// that stands for them in a weight's gradient, are -1, 0 or 1. Every product and every partial sum is then a multiple of 2^-b.
/// Their size grows as a random walk, by 0.47 root(K) for K terms: six times that for K = 2^20 is below 2^12, and 12 + 12 bits
/// fit in fp32. So sums are exact in fp32 and all who round once agree to the bit; who sums or multiplies in less is found out,
/// TF32 among them, which would cut activations to 11 bits.
/// </summary>
sealed unsafe class ProductPattern(CudaDevice device, CudaStream stream) : IDisposable
{
    /// <summary>Numbers after which a pattern repeats: a prime, so that no row or plane of a tensor repeats with it.</summary>
    const int Period = 1048583;

    readonly Dictionary<(DType Storage, int Bits), nint> uploaded = [];

    /// <summary>Bits behind the point of activations.</summary>
    public static int Bits(DType type) => type switch { DType.F16 => 10, DType.BF16 => 8, _ => 12 };

    /// <summary>Fills a tensor with multiples of 2^-bits between -1 and 1; with 0 bits: -1, 0 and 1.</summary>
    public void Fill(Tensor tensor, int bits)
    {
        int size = tensor.Type.Size();
        nint pattern = Upload(tensor.Type, bits);
        for (long done = 0; done < tensor.Count; done += Period)
            stream.Copy(pattern, tensor.Data + (nint)(done * size), Math.Min(Period, tensor.Count - done) * size);
    }

    nint Upload(DType type, int bits)
    {
        if (uploaded.TryGetValue((type, bits), out nint address)) return address;
        var values = new byte[Period * type.Size()];
        ulong state = 0x9E3779B97F4A7C15ul + (ulong)bits;
        int most = bits == 0 ? 1 : (1 << bits) - 1;
        for (int i = 0; i < Period; i++)
        {
            // xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            uint drawn = (uint)((state * 2685821657736338717ul) >> 32);
            float value = MathF.ScaleB((int)(drawn % (uint)(2 * most + 1)) - most, -bits);
            switch (type)
            {
                case DType.F32: MemoryMarshal.Cast<byte, float>(values.AsSpan())[i] = value; break;
                case DType.F16: MemoryMarshal.Cast<byte, Half>(values.AsSpan())[i] = (Half)value; break;
                default: MemoryMarshal.Cast<byte, ushort>(values.AsSpan())[i] = Rounding.ToBFloat16(value); break;
            }
        }
        address = device.Allocate(values.Length);
        uploaded.Add((type, bits), address);
        fixed (byte* from = values)
        {
            stream.CopyToDevice((nint)from, address, values.Length);
            stream.Synchronize();
        }
        return address;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (nint address in uploaded.Values) device.Free(address);
        uploaded.Clear();
    }
}
