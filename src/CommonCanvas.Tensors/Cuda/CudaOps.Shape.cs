using System.Runtime.CompilerServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>Copies that change the shape, and their sums backwards: <c>upsample.cu</c>, <c>concat.cu</c>, <c>embedding.cu</c>.</summary>
public sealed partial class CudaOps
{
    const string UpsampleFile = "upsample.cu";
    const string ConcatFile = "concat.cu";
    const string EmbeddingFile = "embedding.cu";

    int[] hostIds = [];

    /// <inheritdoc/>
    public void UpsampleForward(Tensor x, Tensor y)
    {
        OpChecks.UpsampleForward(x, y);
        int packed = PackedRows(x, Aligned(x, y));
        Launch(Kernel(UpsampleFile, x.Type, nameof(UpsampleForward)), RowGrid(y, packed), ElementThreads, 0,
            [x.Data, y.Data, x[1], x[2], x[3], y[1], y[2], packed]);
    }

    /// <inheritdoc/>
    public void UpsampleBackward(Tensor dY, Tensor dX)
    {
        OpChecks.UpsampleBackward(dY, dX);
        int packed = PackedRows(dX, Aligned(dY, dX));
        Launch(Kernel(UpsampleFile, dX.Type, nameof(UpsampleBackward)), RowGrid(dX, packed), ElementThreads, 0,
            [dY.Data, dX.Data, dX[1], dX[2], dX[3], dY[1], dY[2], packed]);
    }

    /// <summary>A grid of an image's rows in x, and of the parts of a row in y.</summary>
    static Dim3 RowGrid(Tensor image, int packed, [CallerMemberName] string op = "")
    {
        const int MaxY = 65535;
        long elements = (long)image[2] * image[3], work = packed != 0 ? elements / Lanes(image.Type) : elements;
        return new(Counted((long)image[0] * image[1], image, "rows of pixels", op), (int)Math.Min((work + ElementThreads - 1) / ElementThreads, MaxY));
    }

    /// <inheritdoc/>
    public void ConcatForward(Tensor a, Tensor b, Tensor y)
    {
        OpChecks.ConcatForward(a, b, y);
        bool packed = Aligned(a, b, y) && a.Channels % Lanes(y.Type) == 0 && b.Channels % Lanes(y.Type) == 0;
        LaunchOver(Pieces(y, packed), Kernel(ConcatFile, y.Type, nameof(ConcatForward)),
            [a.Data, b.Data, y.Data, Rows(y), a.Channels, b.Channels, packed ? 1 : 0]);
    }

    /// <inheritdoc/>
    public void ConcatBackward(Tensor dY, Tensor dA, Tensor dB)
    {
        OpChecks.ConcatBackward(dY, dA, dB);
        bool packed = Aligned(dY, dA, dB) && dA.Channels % Lanes(dY.Type) == 0 && dB.Channels % Lanes(dY.Type) == 0;
        LaunchOver(Pieces(dY, packed), Kernel(ConcatFile, dY.Type, nameof(ConcatBackward)),
            [dY.Data, dA.Data, dB.Data, Rows(dY), dA.Channels, dB.Channels, packed ? 1 : 0]);
    }

    /// <summary>As declared; waits for the device, because an id that is no row of the table is reported here.</summary>
    public void EmbeddingForward(Tensor ids, Tensor table, Tensor position, Tensor y)
    {
        OpChecks.EmbeddingForward(ids, table, position, y);
        CheckIds(ids, table[0]);
        Launch(Kernel(EmbeddingFile, table.Type, nameof(EmbeddingForward)), Counted(ids.Count, ids, "ids"), ElementThreads, 0,
            [ids.Data, table.Data, position.Data, y.Data, ids.Channels, table[1], PackedRows(table, Aligned(table, position, y))]);
    }

    /// <summary>As declared; waits for the device where there is a dTable.</summary>
    public void EmbeddingBackward(Tensor ids, Tensor dY, GradientTarget dTable, GradientTarget dPosition)
    {
        OpChecks.EmbeddingBackward(ids, dY, dTable, dPosition);
        int count = Counted(ids.Count, ids, "ids"), tokens = ids.Channels, channels = dY.Channels;
        if (!dTable.IsNone)
        {
            CheckIds(ids, dTable.Tensor[0]);
            if (!dTable.Accumulate) Fill(0, dTable.Tensor);
            Launch(Kernel(EmbeddingFile, dY.Type, "EmbeddingBackwardTable"), count, ElementThreads, 0, [ids.Data, dY.Data, dTable.Tensor.Data, count, channels]);
        }
        if (dPosition.IsNone) return;
        if (!dPosition.Accumulate) Fill(0, dPosition.Tensor);
        Launch(Kernel(EmbeddingFile, dY.Type, "EmbeddingBackwardPosition"), tokens, ElementThreads, 0,
            [dY.Data, dPosition.Tensor.Data, count / tokens, tokens, channels]);
    }

    void CheckIds(Tensor ids, int rows, [CallerMemberName] string op = "")
    {
        int count = Counted(ids.Count, ids, "ids", op);
        if (hostIds.Length < count) hostIds = new int[count];
        Download(ids, hostIds.AsSpan(0, count));
        OpChecks.Ids(hostIds.AsSpan(0, count), rows);
    }
}
