using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

public class WatchedOpsTests
{
    /// <summary>Of a tensor of which an operation writes some columns, only those are its results.</summary>
    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    public void What_stands_beside_the_columns_of_a_result_is_not_its_fault(DType type)
    {
        using var ops = new WatchedOps(new CpuOps());
        Tensor Filled(float value, int width)
        {
            var tensor = ops.Arena.Rent(type, 1, 3, width);
            ops.Fill(value, tensor);
            return tensor;
        }
        Tensor x = Filled(0.5f, 4), dY = Filled(1, 4), slopes = Filled(float.NaN, 9), logSumExp = ops.Arena.Rent(DType.F32, 1, 2, 3);
        string? Watch(Columns dV) => ops.Watch(() =>
        {
            ops.AttentionForward(x, x, x, 2, false, x, logSumExp);
            ops.AttentionBackward(x, x, x, x, logSumExp, dY, 2, false, default, default, dV);
        });
        Assert.Null(Watch(new Columns(slopes, 3, 4)));
        ops.Fill(float.PositiveInfinity, dY);
        Assert.StartsWith("AttentionBackward", Watch(new Columns(slopes, 3, 4)), StringComparison.Ordinal);
        foreach (var tensor in new[] { x, dY, slopes, logSumExp }) ops.Arena.Release(tensor);
    }
}
