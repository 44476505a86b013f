using CommonCanvas.Models;
using CsCheck;

namespace CommonCanvas.Training.Tests;

public class NoiseScheduleTests
{
    [Theory]
    [InlineData("linear")]
    [InlineData("scaled_linear")]
    [InlineData("squaredcos_cap_v2")]
    public void Signal_falls_and_powers_add_to_one(string name)
    {
        var schedule = new NoiseSchedule(name);
        for (int t = 0; t < schedule.Steps; t++)
        {
            Assert.Equal(1, schedule.Signal(t) * schedule.Signal(t) + schedule.NoiseLevel(t) * schedule.NoiseLevel(t), 1e-12);
            if (t > 0) Assert.True(schedule.Signal(t) < schedule.Signal(t - 1));
        }
    }

    [Fact]
    public void Zero_terminal_snr_ends_in_pure_noise_and_keeps_the_first_step()
    {
        var plain = new NoiseSchedule();
        var zero = new NoiseSchedule(zeroTerminalSnr: true);
        Assert.Equal(0, zero.Signal(999));
        Assert.Equal(1, zero.NoiseLevel(999));
        Assert.Equal(plain.Signal(0), zero.Signal(0), 1e-12);
        Assert.Equal(0, zero.Snr(999));
    }

    [Fact]
    public void Min_snr_weights_are_finite_and_follow_their_formulas()
    {
        foreach (bool zero in new[] { false, true })
        {
            var schedule = new NoiseSchedule(zeroTerminalSnr: zero);
            Gen.Select(Gen.Int[0, 999], Gen.Double[0.5, 20]).Sample((t, gamma) =>
            {
                double snr = schedule.Snr(t), capped = Math.Min(snr, gamma);
                double epsilon = schedule.MinSnrWeight(t, PredictionType.Epsilon, gamma);
                double v = schedule.MinSnrWeight(t, PredictionType.VPrediction, gamma);
                Assert.True(double.IsFinite(epsilon) && double.IsFinite(v));
                if (snr > 0) Assert.Equal(capped / snr, epsilon, 1e-12);
                Assert.Equal(capped / (snr + 1), v, 1e-12);
                Assert.Equal(capped, schedule.MinSnrWeight(t, PredictionType.Sample, gamma));
            });
        }
    }

    [Fact]
    public void Unknown_words_say_what_to_use()
    {
        Assert.Contains("scaled_linear", Assert.Throws<ArgumentException>(() => new NoiseSchedule("cosine")).Message);
        Assert.Contains("v_prediction", Assert.Throws<ArgumentException>(() => NoiseSchedule.ParsePrediction("v")).Message);
        Assert.Contains("dpmpp_2m", Assert.Throws<ArgumentException>(() => SamplerFactory.Create("lms", new SchedulerConfig(), 10)).Message);
    }

    [Fact]
    [Trait("Category", "Golden")]
    public void Tables_noise_and_velocity_agree_with_the_reference()
    {
        string folder = Golden.Require();
        using var tensors = new SafetensorsFile(Path.Combine(folder, "schedulers", "cases.safetensors"));
        var plain = new NoiseSchedule();
        var zero = new NoiseSchedule(zeroTerminalSnr: true);
        float[] alphas = tensors.ReadFloats("train.alphas_cumprod"), zeroAlphas = tensors.ReadFloats("train.zero_snr_alphas_cumprod");
        for (int t = 0; t < 1000; t++)
        {
            Assert.Equal(alphas[t], plain.AlphasCumprod[t], 1e-4);
            Assert.Equal(zeroAlphas[t], zero.AlphasCumprod[t], 1e-4);
        }
        long[] times = tensors.ReadIntegers("train.t");
        float[] x = tensors.ReadFloats("train.x"), noise = tensors.ReadFloats("train.noise");
        float[] noisy = tensors.ReadFloats("train.noisy"), velocity = tensors.ReadFloats("train.velocity");
        int size = x.Length / times.Length;
        for (int k = 0; k < x.Length; k++)
        {
            int t = (int)times[k / size];
            Assert.Equal(noisy[k], plain.Signal(t) * x[k] + plain.NoiseLevel(t) * noise[k], 1e-4);
            Assert.Equal(velocity[k], plain.Signal(t) * noise[k] - plain.NoiseLevel(t) * x[k], 1e-4);
        }
    }
}
