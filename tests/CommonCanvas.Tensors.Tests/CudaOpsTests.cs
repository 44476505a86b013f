using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>What CudaOps does beside its kernels: copies, memory, threads.</summary>
[Collection("CountedDriver")]
[Trait("Category", "Kernels")]
public sealed class CudaOpsTests
{
    public CudaOpsTests() => Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");

    /// <summary>Each upload's memory is changed at once, many are under way, and large ones go in pieces.</summary>
    [Fact]
    public void An_upload_does_not_read_memory_that_changes_after_it()
    {
        using var lease = GpuDevices.Emulator();
        var ops = lease.Ops;
        int[] counts = [1, 3, 1000, 1 << 20, (1 << 20) + 7];
        var host = new int[counts.Max()];
        var tensors = counts.Concat(counts).Select(count => ops.Arena.Rent(DType.I32, count)).ToArray();
        for (int i = 0; i < tensors.Length; i++)
        {
            for (int k = 0; k < host.Length; k++) host[k] = i * 7919 + k;
            ops.Upload<int>(host.AsSpan(0, (int)tensors[i].Count), tensors[i]);
        }
        Array.Clear(host);
        for (int i = 0; i < tensors.Length; i++)
        {
            var values = new int[tensors[i].Count];
            ops.Download<int>(tensors[i], values);
            Assert.Equal((i * 7919, i * 7919 + values.Length - 1), (values[0], values[^1]));
            ops.Arena.Release(tensors[i]);
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.I32)]
    [InlineData(DType.I32, DType.F32)]
    [InlineData(DType.F16, DType.BF16)]
    [InlineData(DType.BF16, DType.F16)]
    [InlineData(DType.F32, DType.F16)]
    [InlineData(DType.F32, DType.BF16)]
    public void Conversions_are_the_references_bit_for_bit(DType from, DType to)
    {
        float[] special = [0, -0f, 0.5f, 1.5f, 2.5f, -2.5f, 65504, 65520, 1e-7f, 6e-8f, -3e-8f, 1e9f, -1e9f, float.PositiveInfinity, 3.3895314e38f, 1.00390625f, 1.01171875f];
        using var reference = new CpuOps();
        using var lease = GpuDevices.Emulator();
        byte[] expected = Convert(reference), actual = Convert(lease.Ops);
        Assert.Equal(expected, actual);

        byte[] Convert(IOps ops)
        {
            Tensor wide = ops.Arena.Rent(DType.F32, special.Length), x = ops.Arena.Rent(from, special.Length), y = ops.Arena.Rent(to, special.Length);
            if (from == DType.I32) ops.Upload<int>([.. Enumerable.Range(-8, special.Length).Select(i => i * 123456789)], x);
            else
            {
                ops.Upload<float>(special, wide);
                ops.Cast(wide, x);
            }
            ops.Cast(x, y);
            var bytes = new byte[y.Bytes];
            if (to.Size() == 2) ops.Download(y, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ushort>(bytes.AsSpan()));
            else ops.Download(y, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, int>(bytes.AsSpan()));
            foreach (var tensor in new[] { wide, x, y }) ops.Arena.Release(tensor);
            return bytes;
        }
    }

    /// <summary>The context follows the thread that uses the device.</summary>
    [Fact]
    public void A_device_can_be_used_from_another_thread()
    {
        using var lease = GpuDevices.Emulator();
        var ops = lease.Ops;
        var tensor = ops.Arena.Rent(DType.F32, 4);
        var values = new float[4];
        var thread = new Thread(() =>
        {
            ops.Fill(3, tensor);
            ops.Scale(tensor, 2, tensor);
            ops.Download<float>(tensor, values);
        });
        thread.Start();
        thread.Join();
        Assert.Equal([6f, 6, 6, 6], values);
        ops.Arena.Release(tensor);
    }

    /// <summary>What a kernel did wrong is thrown where it surfaces, and not again, or in its place, by the end of a using block.</summary>
    [Fact]
    public void A_device_that_a_kernel_has_broken_can_be_disposed()
    {
        var ops = CudaOps.Open(EmulatedDriver.Create(), ptxOnly: true);
        Tensor x = ops.Arena.Rent(DType.F32, 64), freed = ops.Arena.Rent(DType.F32, 64);
        ops.Fill(1, x);
        ops.Arena.Release(freed);
        ops.Arena.Trim();
        ops.Add(x, x, freed);
        var fault = Assert.Throws<CudaException>(ops.Synchronize);
        Assert.Equal(CudaResult.IllegalAddress, fault.Result);
        Assert.Contains("elementwise.cu", fault.Message, StringComparison.Ordinal);
        ops.Dispose();
        using var next = CudaOps.Open(EmulatedDriver.Create(), ptxOnly: true);
        next.Synchronize();
    }

    /// <summary>What a step of other shapes has left free is given back before the device is called full; what a pool keeps is not.</summary>
    [Fact]
    public void Free_blocks_of_other_sizes_are_given_back_before_memory_runs_out()
    {
        using var ops = CudaOps.Open(EmulatedDriver.Create(new EmulatedDeviceOptions { MemoryBytes = 64 << 20 }), ptxOnly: true);
        using var pool = new ArenaPool(ops.Arena);
        pool.Run(() => ops.Arena.Release(ops.Arena.Rent(DType.F32, 1 << 20)));
        Tensor kept = ops.Arena.Rent(DType.F32, 1 << 20), first = ops.Arena.Rent(DType.F32, 6 << 20), second = ops.Arena.Rent(DType.F32, 4 << 20);
        ops.Arena.Release(first);
        ops.Arena.Release(second);
        var large = ops.Arena.Rent(DType.F32, 11 << 20);
        ops.Fill(1, large);
        ops.Fill(1, kept);
        ops.Synchronize();
        Assert.Equal(52 << 20, ops.Arena.Reserved);

        var full = Assert.Throws<CudaException>(() => ops.Arena.Rent(DType.F32, 16 << 20));
        Assert.Equal(CudaResult.OutOfMemory, full.Result);
        Assert.Contains("64.0 MiB asked for", full.Message, StringComparison.Ordinal);
        ops.Arena.Release(large);
        ops.Arena.Release(kept);
    }

    /// <summary>Launches, fills and copies, with the driver's own cost taken away.</summary>
    [Fact]
    public void Nothing_is_allocated_on_the_managed_heap()
    {
        using var ops = CudaOps.Open(CountedDriver.Idle(EmulatedDriver.Create()), ptxOnly: true);
        Tensor x = ops.Arena.Rent(DType.F16, 2, 5, 64), y = ops.Arena.Rent(DType.F16, 2, 64, 5), wide = ops.Arena.RentLike(x, DType.F32);
        var host = new float[wide.Count];
        long before = 0;
        for (int round = 0; round < 4; round++)
        {
            if (round == 3) before = GC.GetAllocatedBytesForCurrentThread();
            ops.Upload<float>(host, wide);
            ops.Cast(wide, x);
            ops.Add(x, x, x);
            ops.Fill(1, y);
            ops.Transpose(x, y);
            ops.Download<float>(wide, host);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
