using System.Diagnostics;
using System.Numerics;
using System.Runtime.Intrinsics;
using CommonCanvas.Tensors;

namespace CommonCanvas.Trainer.Profiling;

/// <summary>What a device reaches, measured.</summary>
/// <param name="Gigaflops">1e9 operations a second.</param>
/// <param name="Gigabytes">1e9 bytes a second, read from memory and written to it.</param>
/// <param name="Arithmetic">What the operations are of, in words.</param>
public sealed record Peaks(double Gigaflops, double Gigabytes, string Arithmetic = "fp32")
{
    /// <summary>
    /// Measures a GPU: a large square product of a type, by whatever the device computes products with, and a sum of tensors
    /// that no cache holds. The best of several tries of a few launches each.
    /// </summary>
    /// <param name="device">The GPU; nothing else may use it meanwhile.</param>
    /// <param name="type">Element type of the product.</param>
    /// <param name="side">Rows and columns of its matrices.</param>
    /// <param name="elements">Of each F32 tensor of the sum.</param>
    public static Peaks Measure(IOps device, DType type, int side = 4096, int elements = 1 << 26)
    {
        var (x, weight, y) = (device.Arena.Rent(type, side, side), device.Arena.Rent(type, side, side), device.Arena.Rent(type, side, side));
        var (a, b, sum) = (device.Arena.Rent(DType.F32, elements), device.Arena.Rent(DType.F32, elements), device.Arena.Rent(DType.F32, elements));
        foreach (var tensor in (ReadOnlySpan<Tensor>)[x, weight, a, b]) device.Fill(1, tensor);
        double product = Fastest(device, () => device.LinearForward(x, weight, default, default, y)), add = Fastest(device, () => device.Add(a, b, sum));
        foreach (var tensor in (ReadOnlySpan<Tensor>)[x, weight, y, a, b, sum]) device.Arena.Release(tensor);
        return new(2e-9 * side * side * side / product, 1e-9 * 3 * a.Bytes / add, $"{type.ToString().ToLowerInvariant()} in a product of {side} x {side} matrices");
    }

    static double Fastest(IOps device, Action queue)
    {
        const int Tries = 5, Launches = 4;
        double best = double.PositiveInfinity;
        queue();
        device.Synchronize();
        for (int attempt = 0; attempt < Tries; attempt++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int launch = 0; launch < Launches; launch++) queue();
            device.Synchronize();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds / Launches);
        }
        return best;
    }

    /// <summary>
    /// Measures this machine's processors, by fp32 multiply-adds on registers, and its memory, with <paramref name="threads"/>
    /// threads, about a quarter of a second each; the best of several tries.
    /// </summary>
    public static Peaks Measure(int threads)
    {
        double flops = 0, bytes = 0;
        for (int attempt = 0; attempt < 3; attempt++)
        {
            flops = Math.Max(flops, Parallel(threads, MultiplyAdds));
            bytes = Math.Max(bytes, Parallel(threads, Copies));
        }
        return new(flops / 1e9, bytes / 1e9);
    }

    // Sums up what all threads did in the same stretch of time.
    static double Parallel(int threads, Func<long, double> work)
    {
        var results = new double[threads];
        long until = Stopwatch.GetTimestamp() + Stopwatch.Frequency / 12;
        var team = Enumerable.Range(0, threads).Select(i => new Thread(() => results[i] = work(until))).ToArray();
        foreach (var thread in team) thread.Start();
        foreach (var thread in team) thread.Join();
        return results.Sum();
    }

    static double MultiplyAdds(long until)
    {
        long start = Stopwatch.GetTimestamp();
        double operations = 0;
        while (Stopwatch.GetTimestamp() < until)
            operations += Vector512.IsHardwareAccelerated ? Chains512() : Vector256.IsHardwareAccelerated ? Chains256() : ChainsAny();
        return operations / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    const int Rounds = 20_000;

    // Ten independent chains hide the latency of a multiply-add (4 cycles, 2 a cycle).
    static double Chains512()
    {
        var a = Vector512.Create(1f);
        Vector512<float> x0 = a, x1 = a, x2 = a, x3 = a, x4 = a, x5 = a, x6 = a, x7 = a, x8 = a, x9 = a;
        var b = Vector512.Create(0.999f);
        for (int i = 0; i < Rounds; i++)
        {
            x0 = Vector512.FusedMultiplyAdd(x0, b, a); x1 = Vector512.FusedMultiplyAdd(x1, b, a); x2 = Vector512.FusedMultiplyAdd(x2, b, a);
            x3 = Vector512.FusedMultiplyAdd(x3, b, a); x4 = Vector512.FusedMultiplyAdd(x4, b, a); x5 = Vector512.FusedMultiplyAdd(x5, b, a);
            x6 = Vector512.FusedMultiplyAdd(x6, b, a); x7 = Vector512.FusedMultiplyAdd(x7, b, a); x8 = Vector512.FusedMultiplyAdd(x8, b, a);
            x9 = Vector512.FusedMultiplyAdd(x9, b, a);
        }
        return Keep(Vector512.Sum(x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9)) * Rounds * 10.0 * 16 * 2;
    }

    static double Chains256()
    {
        var a = Vector256.Create(1f);
        Vector256<float> x0 = a, x1 = a, x2 = a, x3 = a, x4 = a, x5 = a, x6 = a, x7 = a, x8 = a, x9 = a;
        var b = Vector256.Create(0.999f);
        for (int i = 0; i < Rounds; i++)
        {
            x0 = Vector256.FusedMultiplyAdd(x0, b, a); x1 = Vector256.FusedMultiplyAdd(x1, b, a); x2 = Vector256.FusedMultiplyAdd(x2, b, a);
            x3 = Vector256.FusedMultiplyAdd(x3, b, a); x4 = Vector256.FusedMultiplyAdd(x4, b, a); x5 = Vector256.FusedMultiplyAdd(x5, b, a);
            x6 = Vector256.FusedMultiplyAdd(x6, b, a); x7 = Vector256.FusedMultiplyAdd(x7, b, a); x8 = Vector256.FusedMultiplyAdd(x8, b, a);
            x9 = Vector256.FusedMultiplyAdd(x9, b, a);
        }
        return Keep(Vector256.Sum(x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9)) * Rounds * 10.0 * 8 * 2;
    }

    static double ChainsAny()
    {
        Vector<float> a = Vector<float>.One, b = new(0.999f), x0 = a, x1 = a, x2 = a, x3 = a;
        for (int i = 0; i < Rounds; i++)
        {
            x0 = x0 * b + a; x1 = x1 * b + a; x2 = x2 * b + a; x3 = x3 * b + a;
        }
        return Keep(Vector.Sum(x0 + x1 + x2 + x3)) * Rounds * 4.0 * Vector<float>.Count * 2;
    }

    // 1, in a way that the compiler cannot foresee, so that the sums are computed.
    static double Keep(float sum) => float.IsNaN(sum) ? 0 : 1;

    static double Copies(long until)
    {
        const int Bytes = 48 << 20;
        byte[] from = GC.AllocateUninitializedArray<byte>(Bytes), to = GC.AllocateUninitializedArray<byte>(Bytes);
        from.AsSpan().Fill(1);
        to.AsSpan().Fill(2);
        long start = Stopwatch.GetTimestamp();
        double moved = 0;
        do
        {
            from.CopyTo(to, 0);
            moved += 2.0 * Bytes;
        }
        while (Stopwatch.GetTimestamp() < until);
        return moved / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
