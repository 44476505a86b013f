using System.Numerics;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>Checks of local memory: that what is read was written, by a byte for each byte.</summary>
internal static unsafe class LocalChecks
{
    /// <summary>Checks an access of each lane in <paramref name="lanes"/>.</summary>
    public static void On(Warp* warp, Instruction* i, byte** pointers, uint lanes, int bytes, Access access)
    {
        for (; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            long offset = pointers[lane] - warp->Local;
            var written = new Span<byte>(warp->Watch->Local + offset, bytes);
            int wrong = access == Access.Write ? -1 : written.IndexOf((byte)0);
            if (wrong >= 0)
                throw new KernelFault(CudaResult.LaunchFailed,
                    $"local memory at offset {offset % (long)warp->LocalBytes + wrong} is read before anything was written there", lane, i->Source);
            written.Fill(1);
        }
    }
}
