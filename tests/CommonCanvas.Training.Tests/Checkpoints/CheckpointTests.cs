using System.Diagnostics;

namespace CommonCanvas.Training.Tests;

public sealed class CheckpointTests : IDisposable
{
    readonly TempFolder folder = new();
    readonly string cache;

    public CheckpointTests()
    {
        cache = folder["cache"];
        TinyModels.WriteCache(cache, 15);
    }

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_failure_to_write_leaves_nothing_behind_and_the_earlier_checkpoint_whole(int failsAtFile)
    {
        using var run = new TinyRun(cache, folder["run"], 3);
        run.Loop.Run();
        var state = State(run);
        state.Step = 4;
        int files = 0;
        var full = new CheckpointStore(folder["run"]) { Written = path => { if (++files == failsAtFile) throw new IOException("No space left on device"); } };
        string message = Assert.Throws<IOException>(() => full.Save(state)).Message;
        Assert.Contains("No space left on device", message);
        Assert.Contains("earlier checkpoints are whole", message);
        Assert.Equal(["step-00000003"], Directory.GetFileSystemEntries(folder["run", "checkpoints"]).Select(Path.GetFileName));
        Assert.True(new CheckpointStore(folder["run"]).Restore(State(run), _ => { }));
    }

    // A checksum stands over every byte, so a damaged one is never read.
    [Fact, Trait("Category", "Fuzz")]
    public void Damaged_checkpoints_are_never_read()
    {
        using var run = new TinyRun(cache, folder["run"], 3);
        run.Loop.Run();
        string path = new CheckpointStore(folder["run"]).PathOf(3);
        string[] names = ["state.json", "checksums.txt"];
        byte[][] originals = [.. names.Select(n => File.ReadAllBytes(Path.Combine(path, n)))];
        Mutator.Run(originals, 200, (bytes, which) =>
        {
            for (int i = 0; i < names.Length; i++) File.WriteAllBytes(Path.Combine(path, names[i]), i == which ? bytes : originals[i]);
            Checkpoint.Verify(path);
            Assert.Equal(originals[which], bytes);
        }, e => e is InvalidDataException && e.Message.Contains("is damaged", StringComparison.Ordinal));
    }

    // A real full disk, where the test may make a small one.
    [Fact]
    public void A_full_disk_is_a_clear_error_and_the_earlier_checkpoint_is_whole()
    {
        string disk = folder["disk"];
        Directory.CreateDirectory(disk);
        Assert.SkipUnless(OperatingSystem.IsLinux() && Run("mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk), "no small disk can be mounted here");
        try
        {
            using var run = new TinyRun(cache, folder["run"], 3);
            run.Loop.Run();
            var store = new CheckpointStore(disk, keepLast: 100);
            var state = State(run);
            store.Save(state);
            IOException? error = null;
            for (int step = 4; step < 40 && error is null; step++)
            {
                state.Step = step;
                try { store.Save(state); }
                catch (IOException e) { error = e; }
            }
            Assert.NotNull(error);
            Assert.Contains("earlier checkpoints are whole", error.Message);
            Assert.True(store.Restore(state, _ => Assert.Fail("a checkpoint is damaged")));
            Assert.Equal(store.Steps[^1], state.Step);
            Assert.Empty(Directory.GetDirectories(Path.Combine(disk, "checkpoints"), "*.tmp"));
        }
        finally
        {
            Run("umount", disk);
        }
    }

    [Theory]
    [InlineData("weights.safetensors")]
    [InlineData("moment2.safetensors")]
    [InlineData("state.json")]
    [InlineData("checksums.txt")]
    public void Any_change_of_any_file_is_noticed(string file)
    {
        using var run = new TinyRun(cache, folder["run"], 3);
        run.Loop.Run();
        string path = folder["run", "checkpoints", "step-00000003", file];
        byte[] original = File.ReadAllBytes(path);
        for (int i = 0; i < 20; i++)
        {
            byte[] damaged = [.. original];
            damaged[(int)((long)i * (original.Length - 1) / 19)] ^= 0x10;
            File.WriteAllBytes(path, damaged);
            Assert.Throws<InvalidDataException>(() => Checkpoint.Verify(Path.GetDirectoryName(path)!));
        }
        File.WriteAllBytes(path, original[..(original.Length / 2)]);
        Assert.Throws<InvalidDataException>(() => Checkpoint.Verify(Path.GetDirectoryName(path)!));
        File.Delete(path);
        Assert.Throws<InvalidDataException>(() => Checkpoint.Verify(Path.GetDirectoryName(path)!));
    }

    [Fact]
    public void Folders_that_are_named_otherwise_are_left_alone()
    {
        using var run = new TinyRun(cache, folder["run"], 3);
        run.Loop.Run();
        foreach (string name in new[] { "step-5", "step-000000007", "step-99999999999999999999", "step-00000004 copy", "step-" }) Directory.CreateDirectory(folder["run", "checkpoints", name]);
        var store = new CheckpointStore(folder["run"]);
        Assert.Equal([3], store.Steps);
        Assert.True(store.Restore(State(run), _ => Assert.Fail("nothing is damaged")));
    }

    [Fact]
    public void With_no_whole_checkpoint_the_run_does_not_start_over_silently()
    {
        using var run = new TinyRun(cache, folder["run"], 3);
        run.Loop.Run();
        File.Delete(folder["run", "checkpoints", "step-00000003", "state.json"]);
        var reports = new List<string>();
        var error = Assert.Throws<InvalidDataException>(() => new CheckpointStore(folder["run"]).Restore(State(run), reports.Add));
        Assert.Contains("none of its checkpoints is whole", error.Message);
        Assert.Single(reports);
        // Nor does the next start, which finds none at all.
        Assert.Contains("none of its checkpoints is whole", Assert.Throws<InvalidDataException>(() => new CheckpointStore(folder["run"]).Restore(State(run), reports.Add)).Message);
    }

    static TrainState State(TinyRun run) => new(run.Ops, run.UNet.Parameters, run.Loop.Optimizer, new LossScaler(false)) { Step = run.Loop.Step, Position = run.Loop.Step * 3 };

    static bool Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
