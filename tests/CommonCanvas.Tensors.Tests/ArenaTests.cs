using CsCheck;

namespace CommonCanvas.Tensors.Tests;

public sealed class ArenaTests : IDisposable
{
    readonly HostArena arena = new();

    public void Dispose() => arena.Dispose();

    [Fact]
    public void A_rented_tensor_is_aligned_and_writable()
    {
        foreach (int count in new[] { 1, 3, 16, 17, 1000 })
        {
            var tensor = arena.Rent(DType.F32, count);
            Assert.Equal(0, tensor.Data % 64);
            tensor.Span<float>().Fill(1);
        }
        Assert.Equal(5, arena.LiveBlocks);
    }

    [Fact]
    public void An_empty_tensor_can_be_rented_and_returned()
    {
        var tensor = arena.Rent(DType.F32, 0, 4);
        Assert.False(tensor.IsNone);
        Assert.Equal(0, tensor.Count);
        arena.Release(tensor);
        Assert.Equal(0, arena.LiveBlocks);
    }

    [Fact]
    public void Rent_like_takes_the_shape_and_if_asked_another_type()
    {
        foreach (var like in new[] { arena.Rent(DType.F32, 2), arena.Rent(DType.F32, 2, 3), arena.Rent(DType.F32, 2, 3, 4), arena.Rent(DType.F32, 2, 3, 4, 5) })
        {
            var same = arena.RentLike(like);
            var half = arena.RentLike(like, DType.F16);
            Assert.True(same.SameShape(like) && half.SameShape(like));
            Assert.Equal((DType.F32, DType.F16), (same.Type, half.Type));
            Assert.NotEqual(like.Data, same.Data);
        }
        Assert.Throws<ArgumentException>(() => arena.RentLike(Tensor.None));
    }

    [Fact]
    public void A_returned_block_is_handed_out_again()
    {
        var first = arena.Rent(DType.F32, 100);
        arena.Release(first);
        var second = arena.Rent(DType.F32, 10, 10);
        Assert.Equal(first.Data, second.Data);
        Assert.Equal(1, arena.DeviceAllocations);
    }

    [Fact]
    public void A_block_is_free_only_when_its_last_owner_lets_go()
    {
        var tensor = arena.Rent(DType.F32, 8);
        arena.Retain(tensor.Reshape(2, 4));
        arena.Release(tensor);
        Assert.Equal(1, arena.LiveBlocks);
        Assert.NotEqual(tensor.Data, arena.Rent(DType.F32, 8).Data);
        arena.Release(tensor);
        Assert.Equal(tensor.Data, arena.Rent(DType.F32, 8).Data);
    }

    [Fact]
    public void A_second_release_and_the_release_of_a_slice_are_errors_that_name_the_tensor()
    {
        var tensor = arena.Rent(DType.F32, 32, 16);
        var error = Assert.Throws<InvalidOperationException>(() => arena.Release(tensor.Slice(1, 2)));
        Assert.Contains("F32[2, 16]", error.Message, StringComparison.Ordinal);
        arena.Release(tensor);
        Assert.Throws<InvalidOperationException>(() => arena.Release(tensor));
        Assert.Throws<InvalidOperationException>(() => arena.Retain(tensor));
    }

    [Fact]
    public void The_absent_tensor_is_ignored_and_drop_clears_the_field()
    {
        arena.Release(Tensor.None);
        var field = arena.Rent(DType.F32, 8);
        arena.Drop(ref field);
        Assert.True(field.IsNone);
        arena.Drop(ref field);
        Assert.Equal(0, arena.LiveBlocks);
    }

    [Fact]
    public void Trim_gives_back_what_is_free_and_keeps_what_is_in_use()
    {
        var kept = arena.Rent(DType.F32, 16);
        arena.Release(arena.Rent(DType.F32, 1000));
        Assert.True(arena.Reserved > arena.InUse);
        arena.Trim();
        Assert.Equal(arena.InUse, arena.Reserved);
        kept.Span<float>().Fill(2);
    }

    [Fact]
    public void A_warm_step_allocates_nothing()
    {
        Step();
        Step();
        long device = arena.DeviceAllocations;
        long managed = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - managed);
        Assert.Equal(device, arena.DeviceAllocations);

        void Step()
        {
            var a = arena.Rent(DType.F32, 4, 16, 16, 32);
            var b = arena.RentLike(a, DType.BF16);
            var c = arena.Retain(a);
            arena.Release(a);
            var d = arena.Rent(DType.F32, 77, 64);
            arena.Release(b);
            arena.Release(c);
            arena.Release(d);
        }
    }

    /// <summary>Against a model: live tensors never overlap, each keeps its contents, and the counters are the sums.</summary>
    [Fact]
    public void Any_order_of_renting_and_releasing_keeps_tensors_apart() =>
        Gen.Select(Gen.Int[0, 3], Gen.Int[1, 40]).Array[1, 60].Sample(moves =>
        {
            using var mine = new HostArena();
            var live = new List<(Tensor Tensor, int Mark)>();
            long highest = 0;
            foreach (var (kind, size) in moves)
            {
                if (kind > 0 || live.Count == 0)
                {
                    var tensor = mine.Rent(DType.I32, size);
                    tensor.Span<int>().Fill(live.Count * 1000 + size);
                    live.Add((tensor, live.Count * 1000 + size));
                }
                else
                {
                    int at = size % live.Count;
                    mine.Release(live[at].Tensor);
                    live.RemoveAt(at);
                }
                foreach (var (tensor, mark) in live) Assert.All(tensor.Span<int>().ToArray(), v => Assert.Equal(mark, v));
                Assert.Equal(live.Sum(l => (l.Tensor.Bytes + 63) / 64 * 64), mine.InUse);
                highest = Math.Max(highest, mine.InUse);
            }
            Assert.Equal(live.Count, mine.LiveBlocks);
            Assert.Equal(highest, mine.HighWater);
            Assert.InRange(mine.InUse, 0, mine.Reserved);
        });

    [Fact]
    public void Threads_may_share_an_arena()
    {
        Parallel.For(0, 8, worker =>
        {
            for (int i = 0; i < 500; i++)
            {
                var tensor = arena.Rent(DType.I32, 1 + (i + worker) % 7 * 32);
                tensor.Span<int>().Fill(worker);
                Assert.DoesNotContain(tensor.Span<int>().ToArray(), v => v != worker);
                arena.Release(tensor);
            }
        });
        Assert.Equal(0, arena.LiveBlocks);
        Assert.Equal(0, arena.InUse);
    }
}
