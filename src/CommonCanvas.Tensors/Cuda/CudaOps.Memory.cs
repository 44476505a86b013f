using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>Copies to, from and within the device, and between element types: <c>memory.cu</c>, <c>transpose.cu</c>.</summary>
public sealed unsafe partial class CudaOps
{
    const string MemoryFile = "memory.cu";
    const string TransposeFile = "transpose.cu";

    /// <summary>Elements that a thread converts at once.</summary>
    const int CastGroup = 8;

    /// <summary>Bytes that are staged at once: a span has fewer than 2 GiB.</summary>
    const int MostBytes = 1 << 30;

    /// <summary>Side of the square that a block transposes.</summary>
    const int TransposeTile = 32;

    /// <summary>Copies host values into a tensor without waiting; they may change as soon as this returns.</summary>
    public void Upload<T>(ReadOnlySpan<T> host, Tensor y) where T : unmanaged
    {
        OpChecks.Upload(host.Length, sizeof(T), y);
        RefuseInCapture();
        for (nint to = y.Data; !host.IsEmpty;)
        {
            var part = host[..Math.Min(host.Length, MostBytes / sizeof(T))];
            staging.Upload(MemoryMarshal.AsBytes(part), to);
            host = host[part.Length..];
            to += (nint)part.Length * sizeof(T);
        }
    }

    /// <inheritdoc/>
    public void Download<T>(Tensor x, Span<T> host) where T : unmanaged
    {
        OpChecks.Download(host.Length, sizeof(T), x);
        RefuseInCapture();
        for (nint from = x.Data; !host.IsEmpty;)
        {
            var part = host[..Math.Min(host.Length, MostBytes / sizeof(T))];
            staging.Download(from, MemoryMarshal.AsBytes(part));
            host = host[part.Length..];
            from += (nint)part.Length * sizeof(T);
        }
    }

    /// <inheritdoc/>
    public void Fill(float value, Tensor y)
    {
        OpChecks.Fill(y);
        switch (y.Type)
        {
            case DType.F32: stream.Fill32(y.Data, BitConverter.SingleToUInt32Bits(value), y.Count); break;
            case DType.I32: stream.Fill32(y.Data, (uint)(int)value, y.Count); break;
            case DType.F16: stream.Fill16(y.Data, BitConverter.HalfToUInt16Bits((Half)value), y.Count); break;
            case DType.BF16: stream.Fill16(y.Data, Rounding.ToBFloat16(value), y.Count); break;
        }
    }

    /// <inheritdoc/>
    public void Cast(Tensor x, Tensor y)
    {
        OpChecks.Cast(x, y);
        if (x.Type == y.Type)
        {
            stream.Copy(x.Data, y.Data, y.Bytes);
            return;
        }
        var kernel = x.Type == DType.I32 ? Kernel(MemoryFile, y.Type, "CastFromI32") : Kernel(MemoryFile, x.Type, CastTo(y.Type));
        LaunchOver((y.Count + CastGroup - 1) / CastGroup, kernel, [x.Data, y.Data, y.Count, Aligned(x, y) ? 1 : 0]);
    }

    static string CastTo(DType type) => type switch
    {
        DType.F32 => "CastToF32",
        DType.F16 => "CastToF16",
        DType.BF16 => "CastToBF16",
        _ => "CastToI32",
    };

    /// <inheritdoc/>
    public void Transpose(Tensor x, Tensor y)
    {
        OpChecks.Transpose(x, y);
        int rows = x[1], columns = x[2];
        int tiles = Counted((long)Tiles(rows) * Tiles(columns) * x[0], x, "tiles");
        Launch(Kernel(TransposeFile, x.Type, nameof(Transpose)), tiles, new Dim3(TransposeTile, ElementThreads / TransposeTile), 0,
            [x.Data, y.Data, rows, columns]);
    }

    static int Tiles(int size) => (int)((size + TransposeTile - 1L) / TransposeTile);
}
