using CommonCanvas.Models;

namespace CommonCanvas.Training.Tests;

public class SamplerTests
{
    public static TheoryData<string, string, string> All()
    {
        var data = new TheoryData<string, string, string>();
        foreach (string name in SamplerFactory.Names)
            foreach (string spacing in new[] { "leading", "trailing", "linspace" })
                foreach (string prediction in new[] { "epsilon", "v_prediction", "sample" })
                    if (name != "pndm" || prediction != "sample") data.Add(name, spacing, prediction);
        return data;
    }

    // A model that knows the one clean latent must lead every sampler to it, whatever it is asked to predict.
    [Theory]
    [MemberData(nameof(All))]
    public void Reaches_the_latent_that_a_perfect_model_knows(string name, string spacing, string prediction)
    {
        var config = new SchedulerConfig { TimestepSpacing = spacing, PredictionType = prediction, SetAlphaToOne = true };
        var sampler = SamplerFactory.Create(name, config, 20);
        var schedule = NoiseSchedule.From(config);
        float[] clean = [0.7f, -0.3f, 0.1f, 0.9f], sample = [1.1f, -0.4f, 0.2f, -1.3f], input = new float[4], output = new float[4], noise = [0.3f, -0.8f, 1.2f, 0.1f];
        for (int k = 0; k < 4; k++) sample[k] *= sampler.InitialNoiseSigma;
        for (int i = 0; i < sampler.Timesteps.Count; i++)
        {
            sampler.ScaleModelInput(sample, i, input);
            double ratio = sampler is SigmaSampler sigmas ? sigmas.Sigmas[i] : schedule.Sigma((int)sampler.Timesteps[i]);
            double signal = 1 / Math.Sqrt(1 + ratio * ratio), level = ratio * signal;
            for (int k = 0; k < 4; k++)
            {
                double epsilon = (input[k] - signal * clean[k]) / level;
                output[k] = (float)(prediction switch { "epsilon" => epsilon, "v_prediction" => signal * epsilon - level * clean[k], _ => clean[k] });
            }
            sampler.Step(output, i, sample, noise);
        }
        for (int k = 0; k < 4; k++) Assert.Equal(clean[k], sample[k], 0.12);
    }

    [Theory]
    [InlineData("euler")]
    [InlineData("dpmpp_2m")]
    [InlineData("ddim")]
    public void A_second_picture_from_one_sampler_is_the_same(string name)
    {
        var sampler = SamplerFactory.Create(name, new SchedulerConfig(), 8);
        float[] first = Walk(sampler), second = Walk(sampler);
        Assert.Equal(first, second);
    }

    [Theory]
    [InlineData("pndm")]
    [InlineData("heun")]
    [InlineData("unipc")]
    public void Samplers_that_remember_start_anew_at_step_zero(string name)
    {
        var sampler = SamplerFactory.Create(name, new SchedulerConfig(), 8);
        float[] first = Walk(sampler), second = Walk(sampler);
        Assert.Equal(first, second);
    }

    [Theory]
    [InlineData("epsilon", "euler")]
    [InlineData("v_prediction", "ddim")]
    [InlineData("v_prediction", "euler")]
    [InlineData("v_prediction", "dpmpp_2m")]
    [InlineData("v_prediction", "unipc")]
    [InlineData("v_prediction", "ddpm")]
    public void Zero_terminal_snr_stays_finite(string prediction, string name)
    {
        var config = new SchedulerConfig { RescaleBetasZeroSnr = true, PredictionType = prediction, TimestepSpacing = "trailing" };
        foreach (float value in Walk(SamplerFactory.Create(name, config, 10))) Assert.True(float.IsFinite(value));
    }

    // NumPy's numbers: a half falls on the side where its order of operations puts it.
    [Theory]
    [InlineData("linspace", 30, true, 15, 499)]
    [InlineData("linspace", 27, false, 13, 499)]
    [InlineData("trailing", 48, false, 3, 936)]
    [InlineData("trailing", 16, false, 1, 937)]
    public void Halves_are_rounded_as_by_the_reference(string spacing, int steps, bool multistep, int index, double expected) =>
        Assert.Equal(expected, TimestepSpacing.Descending(spacing, 1000, steps, 0, multistep)[index]);

    [Fact]
    public void Refuses_what_cannot_work()
    {
        var zero = new SchedulerConfig { RescaleBetasZeroSnr = true };
        Assert.Contains("zero terminal SNR", Assert.Throws<ArgumentException>(() => SamplerFactory.Create("ddim", zero, 10)).Message);
        Assert.Contains("1 to 1000", Assert.Throws<ArgumentException>(() => SamplerFactory.Create("ddim", new SchedulerConfig(), 1001)).Message);
        Assert.Contains("timestep_spacing", Assert.Throws<ArgumentException>(() => SamplerFactory.Create("euler", new SchedulerConfig { TimestepSpacing = "even" }, 10)).Message);
    }

    static float[] Walk(ISampler sampler)
    {
        float[] sample = [1.1f, -0.4f, 0.2f], input = new float[3], output = new float[3], noise = [0.2f, 0.5f, -1f];
        for (int i = 0; i < sampler.Timesteps.Count; i++)
        {
            sampler.ScaleModelInput(sample, i, input);
            for (int k = 0; k < 3; k++) output[k] = MathF.Sin(input[k]);
            sampler.Step(output, i, sample, noise);
        }
        return sample;
    }
}
