namespace CommonCanvas.Training.Tests;

public class LossScalerTests
{
    [Fact]
    public void Halves_and_skips_on_overflow_doubles_after_clean_steps()
    {
        var scaler = new LossScaler(enabled: true, initialScale: 1024, growthInterval: 3);
        Assert.False(scaler.Update(finite: false));
        Assert.Equal(512, scaler.Scale);
        Assert.Equal(1, scaler.Skipped);
        Assert.True(scaler.Update(true));
        Assert.True(scaler.Update(true));
        Assert.Equal(512, scaler.Scale);
        Assert.True(scaler.Update(true));
        Assert.Equal(1024, scaler.Scale);
        Assert.Equal(0, scaler.CleanSteps);
    }

    [Fact]
    public void An_overflow_between_clean_steps_starts_their_count_again()
    {
        var scaler = new LossScaler(enabled: true, initialScale: 8, growthInterval: 2);
        scaler.Update(true);
        scaler.Update(false);
        scaler.Update(true);
        Assert.Equal(4, scaler.Scale);
    }

    [Fact]
    public void Overflow_at_scale_one_is_exhausted()
    {
        var scaler = new LossScaler(enabled: true, initialScale: 2);
        scaler.Update(false);
        Assert.False(scaler.Exhausted);
        scaler.Update(false);
        Assert.True(scaler.Exhausted);
    }

    [Fact]
    public void A_shorter_interval_than_the_clean_steps_that_are_restored_doubles_at_the_next()
    {
        var scaler = new LossScaler(enabled: true, growthInterval: 3);
        scaler.Restore(scale: 8, cleanSteps: 5, skipped: 2, scaled: true);
        scaler.Update(true);
        Assert.Equal((16f, 0, 2L), (scaler.Scale, scaler.CleanSteps, scaler.Skipped));
    }

    [Fact]
    public void Disabled_the_scale_is_one_and_nothing_is_counted()
    {
        var scaler = new LossScaler(enabled: false);
        Assert.False(scaler.Update(false));
        Assert.Equal((1f, 0L), (scaler.Scale, scaler.Skipped));
    }
}
