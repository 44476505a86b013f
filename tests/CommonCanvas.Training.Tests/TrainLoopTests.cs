using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

public sealed class TrainLoopTests : IDisposable
{
    readonly TempFolder folder = new();
    readonly string cache;

    public TrainLoopTests()
    {
        cache = folder["cache"];
        TinyModels.WriteCache(cache, 15);
    }

    public void Dispose() => folder.Dispose();

    (float[] State, string Curve) Whole()
    {
        using var run = new TinyRun(cache, folder["whole"], 12);
        Assert.True(run.Loop.Run().Finished);
        return (run.State, TinyRun.Curve(folder["whole"]));
    }

    [Fact]
    public void Two_runs_of_one_seed_are_the_same_bit_for_bit()
    {
        var (state, curve) = Whole();
        using var again = new TinyRun(cache, folder["again"], 12);
        again.Loop.Run();
        Assert.Equal(state, again.State);
        Assert.Equal(curve, TinyRun.Curve(folder["again"]));
        Assert.Equal(12, curve.Split('\n').Length);
        Assert.Contains("validation_loss", curve.Split('\n')[3]);
    }

    [Fact]
    public void The_number_of_threads_changes_no_bit()
    {
        float[] Weights(int threads)
        {
            string name = folder[$"threads{threads}"];
            using var run = new TinyRun(cache, name, 1, device: OpsFactory.Create("cpu", threads));
            run.Loop.Run();
            return run.State;
        }
        float[] one = Weights(1);
        Assert.Equal(one, Weights(2));
        Assert.Equal(one, Weights(3));
    }

    [Fact]
    public void A_run_that_is_asked_to_stop_finishes_its_step_and_resumes_bit_for_bit()
    {
        var (state, curve) = Whole();
        string name = folder["stopped"];
        using var stop = new CancellationTokenSource();
        var progress = new RecordingProgress { OnStep = report => { if (report.Step == 5) stop.Cancel(); } };
        using (var first = new TinyRun(cache, name, 12, progress: progress))
        {
            var result = first.Loop.Run(stop.Token);
            Assert.Equal((5L, false), (result.Steps, result.Finished));
            Assert.True(Directory.Exists(result.Checkpoint));
        }
        using var second = new TinyRun(cache, name, 12);
        Assert.True(second.Loop.Run().Finished);
        Assert.Equal(state, second.State);
        Assert.Equal(curve, TinyRun.Curve(name));
    }

    // A kill leaves no chance to save: the step in hand and those since the last checkpoint are lost and done again.
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void A_run_that_was_killed_resumes_from_its_checkpoint_bit_for_bit(int diesAt)
    {
        var (state, curve) = Whole();
        string name = folder["killed"];
        var progress = new RecordingProgress { OnStep = report => { if (report.Step == diesAt) throw new OperationCanceledException("killed"); } };
        using (var first = new TinyRun(cache, name, 12, progress: progress)) Assert.Throws<OperationCanceledException>(() => first.Loop.Run());
        File.AppendAllText(Path.Combine(name, MetricsWriter.FileName), "{\"step\": 99, \"lo");
        using var second = new TinyRun(cache, name, 12);
        second.Loop.Run();
        Assert.Equal(state, second.State);
        Assert.Equal(curve, TinyRun.Curve(name));
    }

    [Fact]
    public void Damaged_data_costs_none_of_the_steps_before_it()
    {
        var (state, curve) = Whole();
        string name = folder["unread"];
        using (var first = new TinyRun(cache, name, 12, s => s with { CheckpointEvery = 100 }, wrap: step => new UnreadableStep(step, at: 6)))
            Assert.Contains("damaged", Assert.Throws<InvalidDataException>(() => first.Loop.Run()).Message, StringComparison.Ordinal);
        Assert.Equal([5], new CheckpointStore(name).Steps);
        using var second = new TinyRun(cache, name, 12);
        second.Loop.Run();
        Assert.Equal(state, second.State);
        Assert.Equal(curve, TinyRun.Curve(name));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_validation_or_a_grid_that_fails_costs_no_step(bool validation)
    {
        var (state, _) = Whole();
        string name = folder["beside"];
        using (var first = new TinyRun(cache, name, 12, s => s with { CheckpointEvery = 100, SampleEvery = validation ? 0 : 8 }, wrap: step => validation ? new UnreadableStep(step, at: 5, validating: true) : step))
        {
            first.Loop.Sample = (_, _) => throw new NotSupportedException("out of memory");
            Assert.ThrowsAny<Exception>(() => first.Loop.Run());
        }
        Assert.Equal([8], new CheckpointStore(name).Steps);
        Assert.EndsWith("}", File.ReadAllLines(Path.Combine(name, MetricsWriter.FileName))[7], StringComparison.Ordinal);
        using var second = new TinyRun(cache, name, 12);
        second.Loop.Run();
        Assert.Equal(state, second.State);
    }

    [Fact]
    public void A_damaged_newest_checkpoint_is_reported_and_the_one_before_used()
    {
        var (state, curve) = Whole();
        string name = folder["damaged"];
        using (var first = new TinyRun(cache, name, 9)) first.Loop.Run();
        string newest = Path.Combine(name, "checkpoints", "step-00000009", "moment1.safetensors");
        byte[] bytes = File.ReadAllBytes(newest);
        bytes[^100] ^= 1;
        File.WriteAllBytes(newest, bytes);
        var progress = new RecordingProgress();
        using var second = new TinyRun(cache, name, 12, progress: progress);
        second.Loop.Run();
        Assert.Contains("moment1.safetensors does not match its checksum", Assert.Single(progress.Notes));
        Assert.Equal(state, second.State);
        Assert.Equal(curve, TinyRun.Curve(name));
    }

    [Fact]
    public void The_last_checkpoints_and_every_nth_are_kept()
    {
        string name = folder["kept"];
        using var run = new TinyRun(cache, name, 11, s => s with { CheckpointEvery = 1, KeepLast = 2, KeepEvery = 4 });
        run.Loop.Run();
        Assert.Equal([4, 8, 10, 11], new CheckpointStore(name).Steps);
    }

    /// <summary>The second one would overwrite what the first one writes.</summary>
    [Fact]
    public void Two_runs_in_one_folder_at_once_are_refused()
    {
        string name = folder["shared"];
        using var second = new TinyRun(cache, name, 2);
        var progress = new RecordingProgress { OnStep = _ => Assert.Contains("another run writes to this folder", Assert.Throws<IOException>(() => second.Loop.Run()).Message, StringComparison.Ordinal) };
        using (var first = new TinyRun(cache, name, 2, progress: progress)) Assert.True(first.Loop.Run().Finished);
        Assert.True(second.Loop.Run().Finished);
    }

    /// <summary>What changed is said; where a run writes to does not change it.</summary>
    [Theory]
    [InlineData("model: unet\noutput: elsewhere\n", null)]
    [InlineData("model: unet\nsteps: 9\n", "'steps: 9' is new")]
    [InlineData("", "'model: unet' is gone")]
    public void A_run_that_is_resumed_says_what_its_configuration_changed(string configuration, string? note)
    {
        string name = folder["changed"];
        using (var before = new TinyRun(cache, name, 1)) before.Loop.Run();
        var progress = new RecordingProgress();
        using (var after = new TinyRun(cache, name, 2, change: s => s with { Configuration = configuration }, progress: progress)) after.Loop.Run();
        var said = progress.Notes.Where(text => text.Contains("configuration", StringComparison.Ordinal)).ToArray();
        if (note is null) Assert.Empty(said);
        else Assert.Contains(note, Assert.Single(said), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_of_other_data_or_batch_size_is_not_resumed()
    {
        string name = folder["mixed"];
        using (var first = new TinyRun(cache, name, 3)) first.Loop.Run();
        using var other = new TinyRun(cache, name, 6, s => s with { Data = "another" });
        Assert.Contains("(tiny)", Assert.Throws<InvalidDataException>(() => other.Loop.Run()).Message);
        // What says the same and more is no other data.
        using (var more = new TinyRun(cache, name, 4, s => s with { Data = "tiny, names abc" })) more.Loop.Run();
        using var lessAgain = new TinyRun(cache, name, 6, s => s with { Data = "tiny, names abd" });
        Assert.Contains("(tiny, names abc)", Assert.Throws<InvalidDataException>(() => lessAgain.Loop.Run()).Message);
    }

    [Fact]
    public void A_weight_that_is_not_finite_stops_the_run_and_names_its_layer_and_step()
    {
        string name = folder["nan"];
        TinyRun? run = null;
        var progress = new RecordingProgress
        {
            OnStep = report => { if (report.Step == 4) run!.UNet.Parameters["mid_block.resnets.0.conv1.weight"].Slice(run.UNet.Parameters.Master).Span<float>()[7] = float.NaN; },
        };
        using (run = new TinyRun(cache, name, 12, progress: progress))
        {
            var error = Assert.Throws<NonFiniteException>(() => run.Loop.Run());
            Assert.Equal(5, error.Step);
            Assert.Contains("ConvForward of mid_block.resnets.0.conv1.weight", error.Message);
            Assert.Contains("the checkpoint of step 3 is good", error.Message);
        }
        using var resumed = new TinyRun(cache, name, 6);
        Assert.True(resumed.Loop.Run().Finished);
        Assert.All(resumed.State, value => Assert.True(float.IsFinite(value)));
    }

    [Fact]
    public void Weights_that_are_not_finite_are_not_saved_over_good_ones()
    {
        string name = folder["bad"];
        TinyRun? run = null;
        var progress = new RecordingProgress
        {
            OnStep = report => { if (report.Step == 6) run!.UNet.Parameters["conv_out.weight"].Slice(run.UNet.Parameters.Master).Span<float>()[0] = float.PositiveInfinity; },
        };
        using (run = new TinyRun(cache, name, 12, s => s with { KeepLast = 1 }, progress: progress))
            Assert.Contains("step 6: the update left conv_out.weight not finite; the checkpoint of step 3 is good", Assert.Throws<NonFiniteException>(() => run.Loop.Run()).Message);
        Assert.Equal([3], new CheckpointStore(name).Steps);
    }

    [Fact]
    public void An_overflow_under_loss_scaling_skips_the_step_and_goes_on()
    {
        var progress = new RecordingProgress();
        using var run = new TinyRun(cache, folder["scaled"], 6, s => s with { LossScaling = true, InitialLossScale = 1 << 30, LossScaleGrowth = 100 }, progress: progress, type: DType.F16);
        Assert.True(run.Loop.Run().Finished);
        Assert.NotEmpty(progress.Notes);
        Assert.Matches("step 1: skipped, for .*Backward (of|after) .* gave a value that is not finite; loss scale now", progress.Notes[0]);
        Assert.Contains("\"skipped_steps\": ", TinyRun.Curve(folder["scaled"]));
        Assert.All(run.UNet.Parameters.Master.Span<float>().ToArray(), value => Assert.True(float.IsFinite(value)));
    }

    /// <summary>A scale of 1 would let small fp16 gradients vanish; one of 1024 has no place in fp32.</summary>
    [Theory]
    [InlineData(false, true, 1024)]
    [InlineData(true, false, 1)]
    public void A_run_that_goes_on_in_another_precision_begins_with_that_ones_loss_scale(bool before, bool after, float scale)
    {
        TrainSettings Settings(TrainSettings s, bool scaled) => s with { LossScaling = scaled, InitialLossScale = 1024 };
        string name = folder["precision"];
        using (var first = new TinyRun(cache, name, 3, s => Settings(s, before), type: before ? DType.F16 : DType.F32)) first.Loop.Run();
        using (var second = new TinyRun(cache, name, 4, s => Settings(s, after), type: after ? DType.F16 : DType.F32)) second.Loop.Run();
        using var state = System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(new CheckpointStore(name).PathOf(4), "state.json")));
        Assert.Equal(scale, state.RootElement.GetProperty("loss_scale").GetSingle());
    }

    [Fact]
    public void Samples_are_drawn_with_the_average_and_the_weights_come_back()
    {
        using var run = new TinyRun(cache, folder["samples"], 6, s => s with { SampleEvery = 5 });
        var drawn = new List<long>();
        run.Loop.Sample = (step, _) =>
        {
            drawn.Add(step);
            Assert.Equal(run.Average, run.UNet.Parameters.Master.Span<float>().ToArray());
        };
        run.Loop.Run();
        Assert.Equal([5L, 6L], drawn);
        Assert.NotEqual(run.Average, run.UNet.Parameters.Master.Span<float>().ToArray());
        using var whole = new TinyRun(cache, folder["plain"], 6);
        whole.Loop.Run();
        Assert.Equal(whole.State, run.State);
    }
}
