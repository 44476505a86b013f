namespace CommonCanvas.Tensors.Tests;

public sealed unsafe class ThreadTeamTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(7)]
    public void Every_thread_runs_each_job_once(int threads)
    {
        using var team = new ThreadTeam(threads);
        int* counts = stackalloc int[threads];
        for (int i = 0; i < threads; i++) counts[i] = 0;
        for (int repeat = 0; repeat < 300; repeat++)
        {
            if (repeat == 100) team.BeginStep();
            if (repeat == 200) team.EndStep();
            team.Run(&Count, counts);
        }
        for (int i = 0; i < threads; i++) Assert.Equal(300, counts[i]);
    }

    [Fact]
    public void Parked_workers_wake()
    {
        using var team = new ThreadTeam(3);
        int* counts = stackalloc int[3];
        for (int i = 0; i < 3; i++) counts[i] = 0;
        for (int repeat = 0; repeat < 5; repeat++)
        {
            Thread.Sleep(20);
            team.Run(&Count, counts);
        }
        Assert.Equal(15, counts[0] + counts[1] + counts[2]);
    }

    [Theory, InlineData(2), InlineData(5)]
    public void Nobody_passes_a_barrier_before_the_last_has_come(int threads)
    {
        using var team = new ThreadTeam(threads);
        int* state = stackalloc int[3];
        (state[0], state[1], state[2]) = (0, 0, threads);
        team.Run(&Rounds, state);
        Assert.Equal(200 * threads, state[0]);
        Assert.Equal(0, state[1]);
    }

    [Theory, InlineData(0), InlineData(1), InlineData(10), InlineData(17)]
    public void Shares_cover_everything_once(int count)
    {
        nint next = 0;
        for (int thread = 0; thread < 4; thread++)
        {
            var (start, end) = ThreadTeam.Share(count, thread, 4);
            Assert.Equal(next, start);
            Assert.InRange(end - start, count / 4, (count + 3) / 4);
            next = end;
        }
        Assert.Equal(count, next);
    }

    static void Count(ThreadTeam team, void* counts, int thread) => ((int*)counts)[thread]++;

    /// <summary>state: arrivals, rounds in which a thread saw fewer than all arrivals of the round, threads.</summary>
    static void Rounds(ThreadTeam team, void* argument, int thread)
    {
        int* state = (int*)argument;
        for (int round = 1; round <= 200; round++)
        {
            Interlocked.Increment(ref state[0]);
            team.Barrier();
            if (Volatile.Read(ref state[0]) < round * state[2]) Interlocked.Increment(ref state[1]);
            team.Barrier();
        }
    }
}
