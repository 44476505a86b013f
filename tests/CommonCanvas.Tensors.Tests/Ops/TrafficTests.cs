using CommonCanvas.Emulator;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// Bytes that an operation moves to and from device memory, counted by the emulated GPU at shapes of Stable Diffusion 2, against
/// the passes that its kernel file declares; 5 % more are allowed for statistics and partial sums.
/// </summary>
[Trait("Category", "Kernels")]
public sealed class TrafficTests : IDisposable
{
    const int Tokens = 1024, Channels = 320, Groups = 32;
    const double Allowed = 1.05;

    readonly CudaOps ops;

    public TrafficTests()
    {
        Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");
        ops = CudaOps.Open(EmulatedDriver.Create(new EmulatedDeviceOptions { Counted = true, Threads = 2, MemoryBytes = 1L << 30 }), ptxOnly: true);
    }

    public void Dispose() => ops.Dispose();

    [Fact]
    public void GroupNorm_reads_twice_and_writes_once()
    {
        Tensor x = Image(), dY = Image(), residual = Image(), y = Image(), gamma = Vector(DType.F16), mean = Full(DType.F32, 1, Groups), rstd = Full(DType.F32, 1, Groups);
        Moves(3 * x.Bytes, () => ops.GroupNormForward(x, gamma, gamma, Groups, 1e-5f, true, y, mean, rstd));
        Tensor dGamma = Vector(DType.F32), dBeta = Vector(DType.F32);
        Moves(5 * x.Bytes, () => ops.GroupNormBackward(x, gamma, gamma, mean, rstd, dY, Groups, true, default, y, dGamma, dBeta));
        Moves(6 * x.Bytes, () => ops.GroupNormBackward(x, gamma, gamma, mean, rstd, dY, Groups, true, residual, y, dGamma, dBeta));
    }

    /// <summary>Sums of the parameters' gradients, a block's with 16 rows or more, are written and read: little where rows are many.</summary>
    [Theory, InlineData(Tokens, Tokens / 16), InlineData(16 * Tokens, 0)]
    public void LayerNorm_reads_rows_once(int rows, int slabs)
    {
        Tensor x = Full(DType.F16, rows, Channels), dY = Full(DType.F16, rows, Channels), residual = Full(DType.F16, rows, Channels), y = Full(DType.F16, rows, Channels);
        Tensor gamma = Vector(DType.F16), mean = Full(DType.F32, rows), rstd = Full(DType.F32, rows), dGamma = Vector(DType.F32), dBeta = Vector(DType.F32);
        Moves(2 * x.Bytes, () => ops.LayerNormForward(x, gamma, gamma, 1e-5f, y, mean, rstd));
        long sums = 16L * Channels * slabs;
        Moves(3 * x.Bytes + sums, () => ops.LayerNormBackward(x, gamma, mean, rstd, dY, default, y, dGamma, dBeta));
        Moves(4 * x.Bytes + sums, () => ops.LayerNormBackward(x, gamma, mean, rstd, dY, residual, y, dGamma, dBeta));
    }

    [Fact]
    public void LayerNorm_reads_rows_twice_backward_where_16_bytes_do_not_lie_in_one()
    {
        const int Odd = Channels + 4;
        Tensor x = Full(DType.F16, Tokens, Odd), dY = Full(DType.F16, Tokens, Odd), residual = Full(DType.F16, Tokens, Odd), dX = Full(DType.F16, Tokens, Odd);
        Tensor gamma = Full(DType.F16, Odd), mean = Full(DType.F32, Tokens), rstd = Full(DType.F32, Tokens), dGamma = Full(DType.F32, Odd), dBeta = Full(DType.F32, Odd);
        Moves(5 * x.Bytes, () => ops.LayerNormBackward(x, gamma, mean, rstd, dY, default, dX, dGamma, dBeta));
        Moves(6 * x.Bytes, () => ops.LayerNormBackward(x, gamma, mean, rstd, dY, residual, dX, dGamma, dBeta));
    }

    [Fact]
    public void Element_wise_operations_move_each_operand_once()
    {
        Tensor x = Image(), dY = Image(), y = Image();
        Moves(2 * x.Bytes, () => ops.ActivationForward(x, Activation.Silu, y));
        Moves(3 * x.Bytes, () => ops.ActivationBackward(x, Activation.Gelu, dY, y));
        Moves(3 * x.Bytes, () => ops.Add(x, dY, y));
        Tensor hidden = Full(DType.F16, 64, 8 * Channels), gated = Full(DType.F16, 64, 4 * Channels), dHidden = Full(DType.F16, 64, 8 * Channels);
        Moves(hidden.Bytes + gated.Bytes, () => ops.GegluForward(hidden, gated));
        Moves(2 * hidden.Bytes + gated.Bytes, () => ops.GegluBackward(hidden, gated, dHidden));
    }

    /// <summary>64 rows between 320 channels and 1280: operands, and what GEGLU reads or writes; its product or the gradient of that never.</summary>
    [Fact]
    public void Geglu_within_a_product_moves_each_operand_once()
    {
        Tensor x = Full(DType.F16, 64, Channels), weight = Full(DType.F16, 8 * Channels, Channels), next = Full(DType.F16, Channels, 4 * Channels);
        Tensor u = Full(DType.F16, 64, 8 * Channels), y = Full(DType.F16, 64, 4 * Channels);
        Moves(x.Bytes + weight.Bytes + u.Bytes + y.Bytes, () => ops.LinearGegluForward(x, weight, default, u, y));
        Moves(x.Bytes + weight.Bytes + y.Bytes, () => ops.LinearGegluForward(x, weight, default, default, y));
        Moves(x.Bytes + next.Bytes + 2 * u.Bytes, () => ops.LinearGegluBackward(u, next, x, u));
    }

    [Fact]
    public void Copies_move_each_operand_once()
    {
        Tensor x = Full(DType.F16, 1, 16, 16, 640), y = Full(DType.F16, 1, 32, 32, 640);
        Moves(x.Bytes + y.Bytes, () => ops.UpsampleForward(x, y));
        Moves(x.Bytes + y.Bytes, () => ops.UpsampleBackward(y, x));
        Tensor a = Full(DType.F16, 256, 640), b = Full(DType.F16, 256, 320), joined = Full(DType.F16, 256, 960);
        Moves(2 * joined.Bytes, () => ops.ConcatForward(a, b, joined));
        Moves(2 * joined.Bytes, () => ops.ConcatBackward(joined, a, b));
    }

    [Fact]
    public void The_optimizer_moves_each_operand_once()
    {
        const int Count = 1 << 18;
        Tensor master = Full(DType.F32, Count), gradient = Full(DType.F32, Count), m = Full(DType.F32, Count), v = Full(DType.F32, Count), compute = Full(DType.F16, Count);
        Tensor one = Full(DType.F32, 1);
        Moves(30L * Count, () => ops.AdamW(master, gradient, m, v, one, new AdamWSettings(1e-4, 0.9, 0.999, 1e-8, 0.01, 1), compute));
        Moves(12L * Count, () => ops.Ema(master, gradient, 0.9999));
        Moves(4L * Count, () => ops.SumSquares(gradient, one));
    }

    /// <summary>Whole and with the contraction split, whose shares are written and read; 64 rows are few beside the gradient.</summary>
    [Theory, InlineData(1), InlineData(2)]
    public void A_gradient_that_is_assigned_is_not_read(int splits)
    {
        const int Rows = 64, Side = 1024;
        Tensor x = Full(DType.F16, Rows, Side), dY = Full(DType.F16, Rows, Side), weight = Full(DType.F16, Side, Side), dWeight = Full(DType.F32, Side, Side);
        long shares = splits == 1 ? 0 : 2 * splits * dWeight.Bytes;
        ops.FixedPlan = (1, splits);
        foreach (bool accumulate in new[] { false, true })
            Moves(2 * x.Bytes + shares + dWeight.Bytes * (accumulate ? 2 : 1), () => ops.LinearBackward(x, weight, dY, default, default, new(dWeight, accumulate), default));
        ops.FixedPlan = null;
    }

    /// <summary>Whole and with the contractions split.</summary>
    [Theory, InlineData(1), InlineData(2)]
    public void Gradients_of_several_weights_move_each_operand_once(int splits)
    {
        const int Rows = 64, Side = 1024;
        Tensor x = Full(DType.F16, Rows, Side), dY = Full(DType.F16, Rows, Side), first = Full(DType.F32, Side, Side), second = Full(DType.F32, Side, Side);
        ops.FixedPlan = (1, splits);
        Moves(2 * x.Bytes + first.Bytes + 2 * second.Bytes + (splits == 1 ? 0 : 4 * splits * first.Bytes),
            () => ops.LinearBackwardWeights([new(x, dY, new(first, Accumulate: false)), new(x, dY, new(second, Accumulate: true))]));
        ops.FixedPlan = null;
    }

    void Moves(long bytes, Action operation)
    {
        ops.Synchronize();
        EmulatedDriver.TakeCounts();
        operation();
        ops.Synchronize();
        double moved = EmulatedDriver.TakeCounts().Sum(launch => launch.DramRead + launch.DramWritten);
        Assert.InRange(moved / bytes, 1, Allowed);
    }

    Tensor Image() => Full(DType.F16, 1, 32, 32, Channels);

    Tensor Vector(DType type) => Full(type, Channels);

    Tensor Full(DType type, params int[] shape)
    {
        var tensor = ops.Arena.Rent(type, shape[0], shape.Length > 1 ? shape[1] : -1, shape.Length > 2 ? shape[2] : -1, shape.Length > 3 ? shape[3] : -1);
        ops.Fill(0.5f, tensor);
        return tensor;
    }
}
