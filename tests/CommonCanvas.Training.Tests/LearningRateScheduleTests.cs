namespace CommonCanvas.Training.Tests;

public class LearningRateScheduleTests
{
    [Fact]
    public void Warms_up_linearly_then_stays()
    {
        var schedule = new LearningRateSchedule(1e-4, WarmupSteps: 10_000);
        Assert.Equal(1e-8, schedule.At(1), 1e-15);
        Assert.Equal(5e-5, schedule.At(5_000), 1e-12);
        Assert.Equal(1e-4, schedule.At(10_000), 1e-12);
        Assert.Equal(1e-4, schedule.At(550_000), 1e-12);
    }

    [Fact]
    public void Cosine_falls_from_the_peak_to_the_floor()
    {
        var schedule = new LearningRateSchedule(2, WarmupSteps: 100, LearningRateDecay.Cosine, TotalSteps: 1100, Floor: 0.1);
        Assert.Equal(1, schedule.At(50), 1e-12);
        Assert.Equal(2, schedule.At(100), 1e-12);
        Assert.Equal(2 * (0.1 + 0.9 / 2), schedule.At(600), 1e-12);
        Assert.Equal(0.2, schedule.At(1100), 1e-12);
        Assert.Equal(0.2, schedule.At(2000), 1e-12);
        for (int step = 101; step <= 1100; step++) Assert.True(schedule.At(step) < schedule.At(step - 1));
    }

    [Fact]
    public void No_warm_up_starts_at_the_peak() => Assert.Equal(3, new LearningRateSchedule(3).At(1));
}
