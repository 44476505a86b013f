using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;

namespace CommonCanvas.Tensors;

/// <summary>The gradients of several layers' weights in one launch: <c>linear_weights.cu</c>.</summary>
public sealed unsafe partial class CudaOps
{
    const string WeightsFile = "linear_weights.cu";

    /// <summary>Products of a launch: MaxProducts of <c>linear_weights.cu</c>.</summary>
    const int MaxProducts = 16;

    static readonly ProductTile[] weightTiles = [.. new ProductKernels(WeightsFile, nameof(LinearBackwardWeights), resultBytes: 8).Tensor
        .Where(tile => tile is { M: 160, N: 160 } or { M: 128, N: 128 } or { M: 64, N: 64 })];

    readonly List<(ProductSize[] Products, GroupPlan Plan)> groupPlans = [];

    /// <summary>A product as the kernels take it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct WeightProduct
    {
        public nint DY, X, DWeight, Shares;
        public int Rows, Inputs, Outputs, Splits, Accumulate;
        public int First; // block, or four of numbers
    }

    [InlineArray(MaxProducts)]
    internal struct WeightProducts
    {
        WeightProduct first;
    }

    /// <inheritdoc/>
    public bool GathersWeights => tuner is null;

    /// <inheritdoc/>
    public void LinearBackwardWeights(IReadOnlyList<LinearGradient> gradients)
    {
        OpChecks.LinearBackwardWeights(gradients);
        Span<int> together = stackalloc int[MaxProducts];
        int count = 0;
        for (int i = 0; i < gradients.Count; i++)
        {
            var (x, dY, dWeight) = gradients[i];
            if (!GathersWeights || !Groups(x, dY, dWeight))
            {
                LinearBackwardWeight(x, x.Channels, dY, dWeight);
                continue;
            }
            together[count++] = i;
            if (count < MaxProducts) continue;
            LinearBackwardWeights(gradients, together);
            count = 0;
        }
        if (count > 0) LinearBackwardWeights(gradients, together[..count]);
    }

    /// <summary>Whether a product can share a launch: on tensor cores, with 16 bytes of everything in one line.</summary>
    bool Groups(Tensor x, Tensor dY, GradientTarget dWeight) =>
        linearBackwardWeight.For(dY.Type, device.ComputeCapability, WholePacks(dY, dY.Channels) && WholePacks(x, x.Channels)) == linearBackwardWeight.Tensor
        && Aligned(dWeight.Tensor) && x.Rows > 0 && dWeight.Tensor.Count > 0 && dWeight.Tensor.Count <= int.MaxValue / MaxProducts;

    void LinearBackwardWeights(IReadOnlyList<LinearGradient> gradients, ReadOnlySpan<int> together)
    {
        var type = gradients[together[0]].DY.Type;
        Span<ProductSize> sizes = stackalloc ProductSize[together.Length];
        for (int i = 0; i < together.Length; i++)
        {
            var (x, dY, _) = gradients[together[i]];
            sizes[i] = new(dY.Channels, x.Channels, Rows(dY));
        }
        var plan = Plan(sizes);

        Span<Tensor> shares = stackalloc Tensor[together.Length];
        WeightProducts all = default, split = default;
        for (int i = 0; i < MaxProducts; i++) all[i].First = split[i].First = int.MaxValue;
        int blocks = 0, fours = 0, splits = 0;
        for (int place = 0; place < together.Length; place++)
        {
            int i = plan.Order[place];
            var (x, dY, dWeight) = gradients[together[i]];
            bool whole = plan.Splits[i] == 1;
            shares[place] = whole ? Tensor.None : Arena.Rent(DType.F32, plan.Splits[i], dY.Channels, x.Channels);
            all[place] = new()
            {
                DY = dY.Data, X = x.Data, DWeight = dWeight.Tensor.Data, Shares = shares[place].Data, Rows = Rows(dY), Inputs = x.Channels,
                Outputs = dY.Channels, Splits = plan.Splits[i], Accumulate = Flag(dWeight), First = blocks,
            };
            blocks = checked(blocks + (int)plan.Blocks(i, sizes[i]));
            if (whole) continue;
            split[splits] = all[place];
            split[splits++].First = fours;
            fours += checked((int)(dWeight.Tensor.Count / 4));
        }
        Launch(Kernel(WeightsFile, type, plan.Tile.Kernel), blocks, plan.Tile.Threads, plan.Tile.SharedBytes, [KernelArgument.Struct(&all)]);
        if (splits > 0) LaunchOver(fours, Kernel(WeightsFile, type, "FinishWeights"), [KernelArgument.Struct(&split), fours]);
        foreach (var memory in shares)
            if (!memory.IsNone) Arena.Release(memory);
    }

    GroupPlan Plan(ReadOnlySpan<ProductSize> sizes)
    {
        if (FixedPlan is var (tile, splits)) return GroupPlan.Fixed(weightTiles[Math.Min(tile, weightTiles.Length - 1)], splits, sizes.Length);
        foreach (var (products, plan) in groupPlans)
            if (sizes.SequenceEqual(products)) return plan;
        var chosen = GroupPlan.Choose(weightTiles, sizes, device.Multiprocessors, device.SharedMemoryPerBlock);
        groupPlans.Add((sizes.ToArray(), chosen));
        return chosen;
    }
}
