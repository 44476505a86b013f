namespace CommonCanvas.Training.Tests;

public sealed class CropMemoryTests
{
    [Fact]
    public void Every_byte_comes_back_as_the_same_number()
    {
        var values = Enumerable.Range(0, 256).Select(p => (p - 127.5f) / 127.5f).ToArray();
        var memory = new CropMemory();
        memory.Add(3, values);
        var back = new float[256];
        Assert.True(memory.TryGet(3, back));
        Assert.Equal(values, back);
        Assert.False(memory.TryGet(4, back));
    }

    [Fact]
    public void Nothing_is_kept_beyond_the_limit()
    {
        var memory = new CropMemory(limit: 20);
        var values = new float[10];
        for (int i = 0; i < 3; i++) memory.Add(i, values);
        Assert.True(memory.TryGet(0, values));
        Assert.True(memory.TryGet(1, values));
        Assert.False(memory.TryGet(2, values));
    }
}
