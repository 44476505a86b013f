using System.Buffers.Binary;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Machine;

/// <summary>
/// Counts of launches by what determines them where values do not: kernel, grid, block, shared memory and arguments, of
/// which a pointer counts by whether it is null and how it is aligned. The layers of a model repeat most of them.
/// </summary>
internal sealed class SampledLaunches
{
    const ulong AlignmentMask = 255;

    readonly Dictionary<string, LaunchCount> known = [];

    /// <summary>The counts of a launch; counted where it is new.</summary>
    public LaunchCount Get(Launch launch, DeviceMemory memory, Func<Launch, LaunchCount> count)
    {
        string key = Key(launch, memory);
        if (!known.TryGetValue(key, out var counts)) known[key] = counts = count(launch);
        return counts;
    }

    static string Key(Launch launch, DeviceMemory memory)
    {
        byte[] arguments = [.. launch.Parameters];
        foreach (var parameter in launch.Code.Kernel.Parameters)
        {
            if (parameter.Bytes != sizeof(ulong)) continue;
            var bytes = arguments.AsSpan(parameter.Offset, sizeof(ulong));
            ulong value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            if (value - memory.View.Address < memory.View.Bytes) BinaryPrimitives.WriteUInt64LittleEndian(bytes, ulong.MaxValue - (value & AlignmentMask));
        }
        return $"{launch.Code.Kernel.Name} {launch.Code.Module.GetHashCode()} {launch.Grid} {launch.Block} {launch.SharedBytes} {Convert.ToHexString(arguments)}";
    }
}
