namespace CommonCanvas.Tensors.Tests;

public class CpuFeaturesTests
{
    [Fact]
    public void The_name_says_what_is_in_use()
    {
        using var ops = CpuFastOps.Create(2, CpuIsa.Portable);
        Assert.Equal("cpu (portable vectors, 2 threads)", ops.Name);
        Assert.Equal(CpuIsa.Portable, ops.Isa);
    }

    [Theory, InlineData("portable", CpuIsa.Portable), InlineData("Portable", CpuIsa.Portable), InlineData("", null), InlineData(null, null)]
    public void A_name_chooses_the_instruction_set(string? name, CpuIsa? expected) => Assert.Equal(expected ?? CpuFeatures.Best, CpuFeatures.Choose(name));

    [Fact]
    public void An_unknown_name_is_refused() =>
        Assert.Contains("must be avx512, avx2 or portable", Assert.Throws<PlatformNotSupportedException>(() => CpuFeatures.Choose("sse")).Message);
}
