using System.Buffers.Binary;
using System.Diagnostics;

namespace CommonCanvas.Tests;

/// <summary>
/// Damages bytes at random but repeatably, for fuzzing parsers: bit flips, cuts, copies, insertions, and integers at the
/// edges. <see cref="Run"/> does a small fixed number in every test run and as many as <c>COMMONCANVAS_FUZZ</c> says in a long one.
/// </summary>
public static class Mutator
{
    static readonly ulong[] Edges = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF];

    /// <summary>How many inputs to try: <paramref name="usual"/>, or what <c>COMMONCANVAS_FUZZ</c> says.</summary>
    public static int Count(int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable("COMMONCANVAS_FUZZ"), out int wanted) && wanted > 0 ? wanted : usual;

    /// <summary>A damaged copy of <paramref name="original"/>; the same seed gives the same bytes.</summary>
    public static byte[] Mutate(ReadOnlySpan<byte> original, int seed)
    {
        var random = new Random(seed);
        List<byte> bytes = [.. original];
        for (int round = random.Next(1, 5); round > 0; round--) Once(bytes, random);
        return [.. bytes];
    }

    /// <summary>
    /// Feeds damaged inputs to <paramref name="parse"/>, which may return or throw an exception that
    /// <paramref name="allowed"/> accepts. Any other exception, and a single input that takes longer than
    /// <paramref name="secondsEach"/>, fails the test and names seed and sample. Returns how many were accepted and refused.
    /// </summary>
    public static (int Accepted, int Refused) Run(IReadOnlyList<byte[]> originals, int usual, Action<byte[], int> parse, Func<Exception, bool> allowed, double secondsEach = 20)
    {
        int accepted = 0, refused = 0;
        bool again = false;
        for (int seed = 0, n = Count(usual); seed < n; seed++)
        {
            int which = seed % originals.Count;
            byte[] input = Mutate(originals[which], seed);
            long start = Stopwatch.GetTimestamp();
            try
            {
                parse(input, which);
                accepted++;
            }
            catch (Exception e) when (allowed(e)) { refused++; }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}, original {which}: {e.GetType().Name}: {e.Message}", e);
            }
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (seconds > secondsEach && again) throw new TimeoutException($"seed {seed}, original {which}: {seconds:0.0} s for one input, twice");
            // The machine may have slept; an input that takes long does so again.
            again = seconds > secondsEach;
            if (again) seed--;
        }
        TestContext.Current.SendDiagnosticMessage($"{accepted + refused} damaged inputs: {accepted} accepted, {refused} refused");
        return (accepted, refused);
    }

    static void Once(List<byte> bytes, Random random)
    {
        if (bytes.Count == 0)
        {
            bytes.Add((byte)random.Next(256));
            return;
        }
        // Heads and ends of files hold the structure, so half of the places are near them.
        int at = random.Next(4) switch
        {
            0 => random.Next(Math.Min(bytes.Count, 64)),
            1 => bytes.Count - 1 - random.Next(Math.Min(bytes.Count, 64)),
            _ => random.Next(bytes.Count),
        };
        switch (random.Next(8))
        {
            case 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 3:
                bytes.RemoveRange(at, Math.Min(bytes.Count - at, random.Next(1, 32)));
                break;
            case 4:
                var noise = new byte[random.Next(1, 32)];
                random.NextBytes(noise);
                bytes.InsertRange(at, noise);
                break;
            case 5:
                List<byte> piece = bytes.GetRange(at, Math.Min(bytes.Count - at, random.Next(1, 256)));
                bytes.InsertRange(random.Next(bytes.Count + 1), piece);
                break;
            case 6:
                Overwrite(bytes, at & ~3, Edges[random.Next(Edges.Length)], 1 << random.Next(4));
                break;
            default:
                int to = random.Next(bytes.Count);
                for (int i = 0, n = Math.Min(random.Next(1, 64), bytes.Count - Math.Max(at, to)); i < n; i++) bytes[to + i] = bytes[at + i];
                break;
        }
    }

    static void Overwrite(List<byte> bytes, int at, ulong value, int width)
    {
        Span<byte> eight = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(eight, value);
        for (int i = 0; i < width && at + i < bytes.Count; i++) bytes[at + i] = eight[i];
    }
}
