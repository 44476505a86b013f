namespace CommonCanvas.Tensors.Tests;

public class OpsFactoryTests
{
    public static TheoryData<string> Devices => [.. OpsFactory.Devices];

    /// <summary>Each device works, whatever number of threads is asked for; 0 is one on each core.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void Each_name_makes_a_device(string device)
    {
        foreach (int threads in new[] { 0, 1, 3 })
        {
            using var ops = OpsFactory.Create(device, threads);
            Assert.StartsWith("cpu", ops.Name, StringComparison.Ordinal);
            using var run = new OpRun(ops, DType.F32);
            ops.Add(run.Values("a", DType.F32, [1, 2], 2), run.Values("b", DType.F32, [10, 20], 2), run.Output("y", 2));
            Assert.Equal([11f, 22], run.Read("y"));
        }
    }

    [Fact]
    public void An_unknown_name_is_an_error_that_lists_the_known()
    {
        string message = Assert.Throws<ArgumentException>(() => OpsFactory.Create("gpu9")).Message;
        Assert.All([.. OpsFactory.Devices, "gpu9"], name => Assert.Contains(name, message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_negative_number_of_threads_is_an_error() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => OpsFactory.Create("cpu", -1));
}
