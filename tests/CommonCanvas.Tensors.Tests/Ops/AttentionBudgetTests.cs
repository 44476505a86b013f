using CommonCanvas.Emulator;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>What attention costs at the first level of Stable Diffusion 2's U-Net, five heads of 64, counted by the emulated GPU.</summary>
[Trait("Category", "Kernels")]
public sealed class AttentionBudgetTests : IDisposable
{
    const int Heads = 5, Channels = 320, Tokens = 1024, TextTokens = 77;

    readonly CudaOps ops;

    public AttentionBudgetTests()
    {
        Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");
        ops = CudaOps.Open(EmulatedDriver.Create(new EmulatedDeviceOptions { Counted = true, Threads = 2, MemoryBytes = 1L << 30 }), ptxOnly: true);
    }

    public void Dispose() => ops.Dispose();

    /// <summary>Forward at most 1.1 times the bytes of its operands, backward 1.3 times, and no bank conflict in either.</summary>
    [Theory, InlineData(Tokens), InlineData(TextTokens)]
    public void Attention_moves_little_more_than_its_operands(int keys)
    {
        Tensor q = Filled(Tokens), k = Filled(keys), v = Filled(keys), y = Filled(Tokens), dY = Filled(Tokens);
        Tensor dQ = Filled(Tokens), dK = Filled(keys), dV = Filled(keys), logSumExp = ops.Arena.Rent(DType.F32, 1, Heads, Tokens);
        Costs(2 * q.Bytes + 2 * k.Bytes + logSumExp.Bytes, 1.1, () => ops.AttentionForward(q, k, v, Heads, false, y, logSumExp));
        Costs(4 * q.Bytes + 4 * k.Bytes + logSumExp.Bytes, 1.3, () => ops.AttentionBackward(q, k, v, y, logSumExp, dY, Heads, false, dQ, dK, dV));
    }

    /// <summary>The same of columns, as a self-attention and a cross-attention have them.</summary>
    [Theory, InlineData(Tokens), InlineData(TextTokens)]
    public void Columns_move_as_little(int keys)
    {
        var (q, k, v) = Split();
        var (dQ, dK, dV) = Split();
        Tensor y = Filled(Tokens), dY = Filled(Tokens), logSumExp = ops.Arena.Rent(DType.F32, 1, Heads, Tokens);
        Costs(2 * q.Bytes + 2 * k.Bytes + logSumExp.Bytes, 1.1, () => ops.AttentionForward(q, k, v, Heads, false, y, logSumExp));
        Costs(4 * q.Bytes + 4 * k.Bytes + logSumExp.Bytes, 1.3, () => ops.AttentionBackward(q, k, v, y, logSumExp, dY, Heads, false, dQ, dK, dV));

        (Columns, Columns, Columns) Split()
        {
            bool self = keys == Tokens;
            Tensor all = Filled(keys, self ? 3 * Channels : 2 * Channels);
            Columns Part(int i) => new(all, i * Channels, Channels);
            return self ? (Part(0), Part(1), Part(2)) : (Filled(Tokens), Part(0), Part(1));
        }
    }

    void Costs(long bytes, double allowed, Action operation)
    {
        ops.Synchronize();
        EmulatedDriver.TakeCounts();
        operation();
        ops.Synchronize();
        var launches = EmulatedDriver.TakeCounts();
        Assert.InRange(launches.Sum(launch => launch.DramRead + launch.DramWritten) / bytes, 1, allowed);
        Assert.All(launches, launch => Assert.Equal(0, launch.BankConflicts));
    }

    Tensor Filled(int tokens, int width = Channels)
    {
        var tensor = ops.Arena.Rent(DType.F16, 1, tokens, width);
        ops.Fill(0.5f, tensor);
        return tensor;
    }
}
