namespace CommonCanvas.Tensors.Tests;

/// <summary>The library of native/: that the build brings it along, and each kernel alone against plain loops.</summary>
public sealed unsafe class NativeKernelsTests
{
    const int Columns = 32;

    [Fact]
    public void The_build_puts_the_library_beside_the_program()
    {
        string name = OperatingSystem.IsWindows() ? "commoncanvas_native.dll" : OperatingSystem.IsMacOS() ? "libcommoncanvas_native.dylib" : "libcommoncanvas_native.so";
        bool built = Directory.EnumerateFiles(AppContext.BaseDirectory, name).Any();
        if (!built && !(OnPath("cmake") && OnPath("c++"))) Assert.Skip("this machine has no CMake or no C++ compiler");
        Assert.True(built, $"{name} is not in {AppContext.BaseDirectory}: build/native/configure.log says why CMake did not make it");
    }

    [Theory, InlineData(1, 1), InlineData(1, 37), InlineData(9, 16), InlineData(3, 0)]
    public void Rows_are_multiplied_with_a_panel(int segments, int pairs)
    {
        Need();
        const int Height = 8;
        ushort[] a = Random(1, segments * Height * pairs * 2), b = Random(2, segments * pairs * Columns * 2);
        float[] expected = new float[Height * Columns];
        for (int r = 0; r < Height; r++)
            for (int c = 0; c < Columns; c++)
            {
                double sum = 0;
                for (int s = 0; s < segments; s++)
                    for (int k = 0; k < 2 * pairs; k++)
                        sum += (double)Rounding.FromBFloat16(a[(s * Height + r) * 2 * pairs + k]) * Rounding.FromBFloat16(b[((s * pairs + k / 2) * Columns + c) * 2 + k % 2]);
                expected[r * Columns + c] = (float)sum;
            }
        using var memory = new Scratch();
        ushort* rows = Copy(memory, Scratch.Slot.WideX, a);
        var addresses = stackalloc float*[segments * Height];
        for (int i = 0; i < segments * Height; i++) addresses[i] = (float*)(rows + (nint)i * 2 * pairs);
        float* tile = (float*)memory.Get(Scratch.Slot.Small, expected.Length * sizeof(float));
        NativeKernels.Rows(segments, addresses, pairs, (float*)Copy(memory, Scratch.Slot.Packed, b), tile);
        Close(expected, tile, 2 * segments * pairs);
    }

    [Theory, InlineData(1, 14), InlineData(50, 14), InlineData(7, 20)]
    public void Outer_products_are_summed(int pairs, int stride)
    {
        Need();
        const int Height = 14;
        ushort[] a = Random(3, pairs * stride * 2), b = Random(4, pairs * Columns * 2);
        float[] expected = new float[Height * Columns];
        for (int r = 0; r < Height; r++)
            for (int c = 0; c < Columns; c++)
            {
                double sum = 0;
                for (int k = 0; k < 2 * pairs; k++)
                    sum += (double)Rounding.FromBFloat16(a[(k / 2 * stride + r) * 2 + k % 2]) * Rounding.FromBFloat16(b[(k / 2 * Columns + c) * 2 + k % 2]);
                expected[r * Columns + c] = (float)sum;
            }
        using var memory = new Scratch();
        float* tile = (float*)memory.Get(Scratch.Slot.Small, expected.Length * sizeof(float));
        NativeKernels.Outer(pairs, (float*)Copy(memory, Scratch.Slot.WideX, a), stride, (float*)Copy(memory, Scratch.Slot.Packed, b), tile);
        Close(expected, tile, 2 * pairs);
    }

    [Fact]
    public void Narrower_instruction_sets_compute_in_fp32()
    {
        Assert.Contains("need AVX-512", CpuFeatures.MissingBf16(CpuIsa.Portable), StringComparison.Ordinal);
        using var ops = CpuFastOps.Create(1, CpuIsa.Portable);
        Assert.False(ops.NativeBf16);
        Assert.Contains("no native bf16 kernels", Assert.Throws<PlatformNotSupportedException>(() => CpuFastOps.Create(1, CpuIsa.Portable, nativeBf16: true)).Message, StringComparison.Ordinal);
    }

    /// <summary>Where they are slower they are taken only when asked for.</summary>
    [Fact]
    public void Kernels_that_do_not_pay_are_left_alone()
    {
        Need();
        using CpuFastOps usual = CpuFastOps.Create(1, CpuIsa.Avx512), forced = CpuFastOps.Create(1, CpuIsa.Avx512, nativeBf16: true);
        Assert.Equal(NativeKernels.Slower is null, usual.NativeBf16);
        Assert.Equal(NativeKernels.Slower, CpuFeatures.UnusedBf16(CpuIsa.Avx512));
        Assert.True(forced.NativeBf16);
    }

    static void Need()
    {
        if (NativeKernels.Missing is { } reason) Assert.Skip("no native bf16 kernels: " + reason);
    }

    static void Close(float[] expected, float* actual, int terms) =>
        Assert.Equal(-1, Agreement.FirstDifference(DType.F32, expected, new ReadOnlySpan<float>(actual, expected.Length), terms));

    static ushort[] Random(uint seed, int count)
    {
        var values = new float[count];
        Philox.Normal(new RandomKey(seed, RandomPurpose.Noise, 0, 0), values);
        return [.. values.Select(Rounding.ToBFloat16)];
    }

    static ushort* Copy(Scratch memory, Scratch.Slot slot, ushort[] values)
    {
        var to = (ushort*)memory.Get(slot, Math.Max(1, values.Length) * sizeof(ushort));
        values.CopyTo(new Span<ushort>(to, values.Length));
        return to;
    }

    static bool OnPath(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));
}
