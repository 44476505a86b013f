using CommonCanvas.Cuda;

namespace CommonCanvas.Cuda.Tests;

public class KernelHeadTests
{
    const string Head = """
        // WHAT:    y = a + b,
        //          for each element
        // SHAPES:  a, b, y [n]
        // LAUNCH:  one thread for each element
        // TRAFFIC: the minimum
        // NEEDS:   Add: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
        // NEEDS:   Product: 128 threads, 255 registers, 61440 bytes of shared memory, sm_75, mma
        // WRITES:  =
        // ORDER:   deterministic
        // DEFINES: STORAGE_F32
        // SOURCE:  -
        // TRIED:   -
        #include "types.cuh"
        // WHAT:    no part of the head
        """;

    public static TheoryData<string> Files => [.. KernelSources.Files];

    [Fact]
    public void Fields_continue_and_needs_are_read()
    {
        var head = KernelHead.Parse("add.cu", Head);
        Assert.Equal(("y = a + b, for each element", "the minimum"), (head.What, head.Traffic));
        Assert.Equal([new KernelNeeds("Add", 256, 32, 0, 70, false), new KernelNeeds("Product", 128, 255, 61440, 75, true)], head.Kernels.Values);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_kernel_file_has_a_head(string file) => Assert.NotEmpty(KernelHead.Of(file).Kernels);

    [Theory]
    [InlineData("// TRAFFIC: the minimum\n", "", "add.cu: the head lacks TRAFFIC")]
    [InlineData("ORDER:", "ODER:", "add.cu(9): unknown field 'ODER'")]
    [InlineData("ORDER:", "WRITES:", "add.cu(9): a second WRITES")]
    [InlineData("Product", "Add", "add.cu(7): a second NEEDS for Add")]
    [InlineData("32 registers", "some registers", "add.cu(6): NEEDS")]
    [InlineData("//          for", "// for", "add.cu(2)")]
    [InlineData("WRITES: ", "       ", "add.cu(8): '=' continues no field")]
    public void What_is_wrong_is_named_with_its_line(string text, string replacement, string message) =>
        Assert.Contains(message, Assert.Throws<FormatException>(() => KernelHead.Parse("add.cu", Head.Replace("\r", "").Replace(text, replacement))).Message);
}
