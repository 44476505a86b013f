using System.Diagnostics;
using System.Runtime.InteropServices;

namespace CommonCanvas.Tensors;

/// <summary>What one operation did since the last reset.</summary>
/// <param name="Name">The method of <see cref="IOps"/>.</param>
/// <param name="Calls">How often it was called.</param>
/// <param name="Time">Wall-clock time of all calls.</param>
/// <param name="Bytes">The least that had to be moved: each input once, each assigned output once, each updated one twice.</param>
/// <param name="Flops">Floating-point operations, by <see cref="OpCost"/>'s count.</param>
public readonly record struct OpTiming(string Name, long Calls, TimeSpan Time, long Bytes, double Flops)
{
    /// <summary>1e9 floating-point operations a second.</summary>
    public double GigaflopsPerSecond => Time > TimeSpan.Zero ? Flops / Time.TotalSeconds / 1e9 : 0;

    /// <summary>1e9 bytes a second.</summary>
    public double GigabytesPerSecond => Time > TimeSpan.Zero ? Bytes / Time.TotalSeconds / 1e9 : 0;
}

/// <summary>Told of a call when it has been done: what it took and with what.</summary>
/// <param name="call">Its name, time, bytes and operations.</param>
/// <param name="arguments">What it was given; none for copies between host and device.</param>
public delegate void OpObserver(OpTiming call, ReadOnlySpan<OpArgument> arguments);

/// <summary>
/// Records calls, time, bytes and floating-point operations of each operation. A device that queues its work is waited for
/// after each call, so that the time is the operation's own.
/// </summary>
/// <param name="inner">The device.</param>
/// <param name="observer">Told of every call.</param>
public sealed class TimedOps(IOps inner, OpObserver? observer = null) : OpsDecorator(inner)
{
    readonly Dictionary<string, OpTiming> timings = [];

    /// <summary>A row for each operation that was called, the longest time first.</summary>
    public IReadOnlyList<OpTiming> Rows => [.. timings.Values.OrderByDescending(row => row.Time)];

    /// <summary>Time of all operations.</summary>
    public TimeSpan Total => TimeSpan.FromTicks(timings.Values.Sum(row => row.Time.Ticks));

    /// <summary>Forgets everything, after warm-up.</summary>
    public void Reset() => timings.Clear();

    /// <inheritdoc/>
    public override void Upload<T>(ReadOnlySpan<T> host, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.Upload(host, y);
        Inner.Synchronize();
        Record(nameof(Upload), Stopwatch.GetElapsedTime(start), 2 * y.Bytes, 0, []);
    }

    /// <inheritdoc/>
    public override void Download<T>(Tensor x, Span<T> host)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.Download(x, host);
        Record(nameof(Download), Stopwatch.GetElapsedTime(start), 2 * x.Bytes, 0, []);
    }

    private protected override void Run(string op, ReadOnlySpan<OpArgument> arguments, Func<OpCost> cost, Action<IOps, TensorMap> operation)
    {
        long start = Stopwatch.GetTimestamp();
        operation(Inner, static argument => argument);
        Inner.Synchronize();
        var elapsed = Stopwatch.GetElapsedTime(start);
        var (flops, _, untouched, _) = cost();
        long bytes = -untouched;
        foreach (var (_, columns, use) in arguments) bytes += use == ArgumentUse.Update ? 2 * columns.Bytes : columns.Bytes;
        Record(op, elapsed, bytes, flops, arguments);
    }

    void Record(string op, TimeSpan elapsed, long bytes, double flops, ReadOnlySpan<OpArgument> arguments)
    {
        ref var row = ref CollectionsMarshal.GetValueRefOrAddDefault(timings, op, out _);
        row = new OpTiming(op, row.Calls + 1, row.Time + elapsed, row.Bytes + bytes, row.Flops + flops);
        observer?.Invoke(new OpTiming(op, 1, elapsed, bytes, flops), arguments);
    }
}
