using System.Runtime.InteropServices;
using CsCheck;

namespace CommonCanvas.Tensors.Tests;

public unsafe class TensorTests
{
    [Fact]
    public void Default_is_the_absent_tensor()
    {
        var none = default(Tensor);
        Assert.True(none.IsNone);
        Assert.Equal(Tensor.None, none);
        Assert.Equal((byte)0, none.Rank);
        Assert.Equal(0, none.Count);
        Assert.Equal(0, none.Bytes);
        Assert.Equal("none", none.ToString());
    }

    [Theory]
    [InlineData(DType.F32, 4, false)]
    [InlineData(DType.F16, 2, true)]
    [InlineData(DType.BF16, 2, true)]
    [InlineData(DType.I32, 4, false)]
    public void An_element_type_knows_its_size(DType type, int bytes, bool reduced)
    {
        Assert.Equal(bytes, type.Size());
        Assert.Equal(reduced, type.IsReduced());
        Assert.Equal(6 * bytes, new Tensor(0, type, 2, 3).Bytes);
    }

    [Fact]
    public void Rank_counts_and_dimensions_follow_the_shape() =>
        Shapes.Sample(shape =>
        {
            var tensor = Make(0, shape);
            Assert.Equal(shape.Length, tensor.Rank);
            Assert.Equal(shape.Aggregate(1L, (a, b) => a * b), tensor.Count);
            for (int i = 0; i < shape.Length; i++)
            {
                Assert.Equal(shape[i], tensor[i]);
                Assert.Equal(shape[i], tensor[i - shape.Length]);
            }
            Assert.Equal(shape[^1], tensor.Channels);
            Assert.Equal(tensor.Channels == 0 ? 0 : tensor.Count / tensor.Channels, tensor.Rows);
        });

    [Theory]
    [InlineData(2)]
    [InlineData(-3)]
    public void A_dimension_that_is_not_there_is_an_error_naming_the_shape(int index)
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => new Tensor(0, DType.F32, 4, 5)[index]);
        Assert.Contains("F32[4, 5]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_largest_activations_do_not_overflow_the_count() =>
        Assert.Equal(4L * 4096 * 4096 * 64, new Tensor(0, DType.F32, 4, 4096, 4096, 64).Count);

    [Fact]
    public void A_reshape_keeps_memory_type_and_count()
    {
        var tensor = new Tensor(64, DType.F16, 2, 3, 4, 5);
        Assert.Equal(new Tensor(64, DType.F16, 2, 12, 5), tensor.Reshape(2, 12, 5));
        Assert.Equal(new Tensor(64, DType.F16, 24, 5), tensor.Reshape(-2, 5));
        Assert.Equal(new Tensor(64, DType.F16, 2, 60), tensor.Reshape(2, -2));
        Assert.Equal(new Tensor(64, DType.F16, 120), tensor.Reshape(-2));
        Assert.Equal(tensor, tensor.Reshape(120).Reshape(2, 3, -2, 5));
    }

    [Fact]
    public void A_reshape_to_another_count_is_an_error_naming_both_shapes()
    {
        var tensor = new Tensor(64, DType.F32, 2, 3);
        foreach (var reshape in new Action[] { () => tensor.Reshape(7), () => tensor.Reshape(-2, 4), () => tensor.Reshape(0, -2) })
            Assert.Contains("F32[2, 3]", Assert.Throws<ArgumentException>(reshape).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_slice_is_a_view_of_its_rows() =>
        Gen.Select(Gen.Int[1, 6], Gen.Int[1, 5], Gen.Int[0, 6], Gen.Int[0, 6]).Sample((rows, columns, from, to) =>
        {
            (from, to) = (Math.Min(from % (rows + 1), to % (rows + 1)), Math.Max(from % (rows + 1), to % (rows + 1)));
            var values = new float[rows * columns];
            for (int i = 0; i < values.Length; i++) values[i] = i;
            fixed (float* data = values)
            {
                var slice = new Tensor((nint)data, DType.F32, rows, columns).Slice(from, to - from);
                Assert.Equal(to - from, slice[0]);
                Assert.Equal(columns, slice[1]);
                Assert.Equal(values[(from * columns)..(to * columns)], slice.Span<float>().ToArray());
            }
        });

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 4)]
    [InlineData(3, 1)]
    [InlineData(1, -1)]
    [InlineData(2, int.MaxValue)]
    public void A_slice_outside_is_an_error(int start, int count) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new Tensor(0, DType.F32, 3, 2).Slice(start, count));

    [Fact]
    public void Equality_looks_at_memory_type_and_shape()
    {
        var tensor = new Tensor(64, DType.F32, 2, 3);
        Assert.True(tensor == new Tensor(64, DType.F32, 2, 3));
        Assert.Equal(tensor.GetHashCode(), new Tensor(64, DType.F32, 2, 3).GetHashCode());
        Assert.True(tensor != new Tensor(128, DType.F32, 2, 3));
        Assert.True(tensor != new Tensor(64, DType.I32, 2, 3));
        Assert.True(tensor != new Tensor(64, DType.F32, 3, 2));
        Assert.True(tensor != new Tensor(64, DType.F32, 2, 3, 1));
        Assert.True(tensor.SameShape(new Tensor(128, DType.F16, 2, 3)));
        Assert.False(tensor.SameShape(new Tensor(64, DType.F32, 2, 3, 1)));
    }

    [Fact]
    public void A_span_of_another_width_is_refused()
    {
        var data = (nint)NativeMemory.AlignedAlloc(64, 64);
        var tensor = new Tensor(data, DType.F16, 4);
        Assert.Equal(4, tensor.Span<Half>().Length);
        Assert.Contains("F16[4]", Assert.Throws<ArgumentException>(() => _ = tensor.Span<float>()).Message, StringComparison.Ordinal);
        NativeMemory.AlignedFree((void*)data);
    }

    static readonly Gen<int[]> Shapes = Gen.Int[0, 9].Array[1, 4];

    static Tensor Make(nint data, int[] shape) =>
        new(data, DType.F32, shape[0], shape.ElementAtOrDefault(1, -1), shape.ElementAtOrDefault(2, -1), shape.ElementAtOrDefault(3, -1));
}

static class Arrays
{
    public static int ElementAtOrDefault(this int[] values, int index, int otherwise) => index < values.Length ? values[index] : otherwise;
}
