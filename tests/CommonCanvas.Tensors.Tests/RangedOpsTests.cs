using CommonCanvas.Cuda;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>Ranges reach a profiler that speaks NVTX 3's protocol, balanced.</summary>
[Collection("Nvtx")]
public sealed class RangedOpsTests
{
    [Fact]
    public void Operations_are_shown_with_their_layers_name_within_the_ranges_around_them()
    {
        using var ops = new RangedOps(new CpuOps(), FakeProfiler.Attach()!);
        Tensor weight = ops.Arena.Rent(DType.F32, 2, 3), x = ops.Arena.Rent(DType.F32, 4, 3), y = ops.Arena.Rent(DType.F32, 4, 2);
        ops.Label(weight, "mid.linear.weight");
        ops.Upload<float>(new float[6], weight);
        using (ops.Range("forward"))
        {
            ops.Fill(1, x);
            for (int i = 0; i < 2; i++) ops.LinearForward(x, weight, Tensor.None, Tensor.None, y);
        }
        ops.Scale(weight.Reshape(6).Slice(0, 4), 2, weight.Reshape(6).Slice(0, 4));
        Assert.Equal(["Upload", "/", "forward", "Fill", "/", "mid.linear LinearForward", "/", "mid.linear LinearForward", "/", "/", "Scale", "/"], FakeProfiler.Events);
        Assert.False(((IOps)ops).Records);
        foreach (var tensor in new[] { weight, x, y }) ops.Arena.Release(tensor);
    }

    [Fact]
    public void An_exception_leaves_no_range_open()
    {
        using var ops = new RangedOps(new CpuOps(), FakeProfiler.Attach()!);
        var x = ops.Arena.Rent(DType.F32, 4);
        Assert.ThrowsAny<Exception>(() =>
        {
            using var outer = ops.Range("outer");
            using var inner = ops.Range("inner");
            ops.Add(x, Tensor.None, x);
        });
        Assert.ThrowsAny<Exception>(() => ops.Upload<float>(new float[3], x));
        Assert.Equal(["outer", "inner", "Add", "/", "/", "/", "Upload", "/"], FakeProfiler.Events);
        Assert.Equal(0, FakeProfiler.Open);
        ops.Arena.Release(x);
    }

    [Theory]
    [InlineData("everything")]
    [InlineData("push")]
    [InlineData("pop")]
    public void A_profiler_that_takes_no_ranges_is_left_alone(string missing) => Assert.Null(FakeProfiler.Attach(missing));

    [Fact]
    public void Without_a_profiler_there_are_no_ranges()
    {
        Assert.Null(Environment.GetEnvironmentVariable(Nvtx.Variable));
        Assert.Null(Nvtx.Attach(note => Assert.Fail(note)));
        using var ops = new CpuOps();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            using var range = ops.Range("forward");
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000);
    }

    [Fact]
    public void A_profiler_that_cannot_be_loaded_is_reported()
    {
        string? note = null;
        Environment.SetEnvironmentVariable(Nvtx.Variable, "/nowhere/libprofiler.so");
        try { Assert.Null(Nvtx.Attach(text => note = text)); }
        finally { Environment.SetEnvironmentVariable(Nvtx.Variable, null); }
        Assert.Equal("NVTX_INJECTION64_PATH: /nowhere/libprofiler.so cannot be loaded; the profile has no ranges", note);
    }
}
