namespace CommonCanvas.Tensors.Tests;

public abstract class MemoryTests(TestDevice device) : OpTests(device)
{
    /// <summary>
    /// A layer's worth of operations of every kind, in F32 and in F16 (whose widened copies are rented): in the
    /// fourth round nothing comes from the device, nor, on the calling thread, from the managed heap.
    /// </summary>
    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    public void A_warm_step_allocates_nothing(DType type)
    {
        using var run = new OpRun(Device, type);
        Tensor x = run.Input("x", 1, 8, 8, 32), gradient = run.Input("dY", 1, 8, 8, 32), weight = run.Input("weight", 32, 3, 3, 32), square = run.Input("square", 32, 32), narrow = run.Input("narrow", 32, 16);
        Tensor vector = run.Input("vector", 32), mean = run.Output("mean", DType.F32, 1, 8), rstd = run.Output("rstd", DType.F32, 1, 8);
        Tensor rowMean = run.Output("rowMean", DType.F32, 64), rowRstd = run.Output("rowRstd", DType.F32, 64), lse = run.Output("lse", DType.F32, 1, 4, 64);
        Tensor y = run.Output("y", 1, 8, 8, 32), z = run.Output("z", 1, 8, 8, 32), u = run.Output("u", 1, 8, 8, 32), half = run.Output("half", 1, 8, 8, 16);
        Tensor dWeight = run.Sum("dWeight", 32, 3, 3, 32), dSquare = run.Sum("dSquare", 32, 32), dVector = run.Sum("dVector", 32), one = run.Output("one", DType.F32, 1), two = run.Output("two", DType.F32, 1);
        Tensor weights = run.Values("weights", DType.F32, [1], 1), m = run.Sum("m", 32, 32), v = run.Sum("v", 32, 32), master = run.Sum("master", 32, 32);
        Tensor ids = run.Ids("ids", 32, 1, 64);
        Tensor tokens = x.Reshape(1, 64, 32), tokensY = y.Reshape(1, 64, 32), slope = gradient.Reshape(1, 64, 32);
        Tensor tokensZ = z.Reshape(1, 64, 32), tokensU = u.Reshape(1, 64, 32);
        ReadOnlySpan<RandomKey> keys = [new RandomKey(1, RandomPurpose.Noise, 2, 3)];
        var settings = new AdamWSettings(1e-4, 0.9, 0.999, 1e-8, 0.01, 1);
        float[] metric = new float[1];
        long reserved = 0, managed = 0;
        for (int round = 0; round < 4; round++)
        {
            if (round == 3) (reserved, managed) = (Device.Arena.DeviceAllocations, GC.GetAllocatedBytesForCurrentThread());
            Device.BeginStep();
            Device.RandomNormal(keys, x);
            Device.AddNoise(x, gradient, weights, weights, y);
            Device.ConvForward(x, weight, vector, default, default, ConvGeometry.Same3, y);
            Device.ConvBackward(x, weight, gradient, ConvGeometry.Same3, z, dWeight, dVector, default);
            Device.GroupNormForward(x, vector, vector, 8, 1e-5f, true, y, mean, rstd);
            Device.GroupNormBackward(x, vector, vector, mean, rstd, gradient, 8, true, gradient, z, dVector, dVector);
            Device.LayerNormForward(x, vector, vector, 1e-5f, y, rowMean, rowRstd);
            Device.LayerNormBackward(x, vector, rowMean, rowRstd, gradient, gradient, z, dVector, dVector);
            Device.LinearForward(x, square, vector, default, y);
            Device.LinearBackward(x, square, gradient, gradient, z, dSquare, dVector);
            Device.AttentionForward(tokens, tokens, tokens, 4, false, tokensY, lse);
            Device.AttentionBackward(tokens, tokens, tokens, tokensY, lse, slope, 4, false, tokensZ, tokensU, default);
            Device.LinearGegluForward(x, square, vector, default, half);
            Device.LinearGegluForward(x, square, vector, y, half);
            Device.LinearGegluBackward(y, narrow, gradient, z);
            Device.GegluForward(x, half);
            Device.GegluBackward(x, half, z);
            Device.ActivationForward(x, Activation.Silu, y);
            Device.ActivationBackward(x, Activation.Gelu, gradient, z);
            Device.Add(x, gradient, y);
            Device.Scale(x, 2, y);
            Device.EmbeddingForward(ids, square, default, tokensY);
            Device.EmbeddingBackward(ids, slope, dSquare, default);
            Device.MseForward(x, gradient, weights, one);
            Device.MseBackward(x, gradient, weights, 1, z);
            Device.SumSquares(dSquare, one);
            Device.ClipScale(one, 1, 1, one, two);
            Device.AdamW(master, dSquare, m, v, two, settings, square);
            Device.Ema(master, dSquare, 0.99);
            Device.EndStep();
            Device.Download<float>(one, metric); // as every step does: a device that lags behind would need more memory for what is under way
        }
        managed = GC.GetAllocatedBytesForCurrentThread() - managed; // before Assert allocates
        // The emulated driver is managed code itself; CudaOpsTests counts without it.
        if (!Device.Name.Contains("Emulated", StringComparison.Ordinal)) Assert.Equal(0, managed);
        Assert.Equal(reserved, Device.Arena.DeviceAllocations);
    }
}
