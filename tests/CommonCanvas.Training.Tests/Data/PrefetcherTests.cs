namespace CommonCanvas.Training.Tests;

public class PrefetcherTests
{
    sealed class Box
    {
        public long Value;
    }

    [Fact]
    public void Gives_each_step_in_order_and_uses_few_batches()
    {
        int made = 0;
        using var prefetcher = new Prefetcher<Box>(() => { made++; return new Box(); }, (box, step) => box.Value = step, depth: 3);
        for (long step = 5; step < 200; step++) Assert.Equal(step, prefetcher.Next(step).Value);
        Assert.Equal(3, made);
        prefetcher.Seek(1);
        Assert.Equal(1, prefetcher.Next(1).Value);
        Assert.Equal(40, prefetcher.Next(40).Value);
    }

    [Fact]
    public void Errors_surface_at_their_step()
    {
        using var prefetcher = new Prefetcher<Box>(() => new Box(), (box, step) => box.Value = step < 4 ? step : throw new InvalidDataException("shard 7 is cut off"));
        for (long step = 1; step < 4; step++) Assert.Equal(step, prefetcher.Next(step).Value);
        Assert.Equal("shard 7 is cut off", Assert.Throws<InvalidDataException>(() => prefetcher.Next(4)).Message);
    }
}
