using System.IO.Hashing;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace CommonCanvas.Data;

/// <summary>The checksums that an index may name: those of Python's hashlib and xxhash that .NET has as well.</summary>
static class MdsHash
{
    /// <summary>Names that can be computed here.</summary>
    public static readonly string[] Supported = ["md5", "sha1", "sha256", "sha384", "sha512", "xxh128", "xxh32", "xxh3_128", "xxh3_64", "xxh64"];

    /// <summary>Lower-case hexadecimal digest of the parts, one after another.</summary>
    public static string Compute(string algorithm, params ReadOnlySpan<ReadOnlyMemory<byte>> parts)
    {
        using var digest = new Digest(algorithm);
        foreach (ReadOnlyMemory<byte> part in parts) digest.Append(part.Span);
        return digest.Finish();
    }

    /// <summary>Digests of a file's first <paramref name="length"/> bytes, read once.</summary>
    public static string[] Compute(IReadOnlyList<string> algorithms, SafeFileHandle file, long length)
    {
        using var running = new Running(algorithms);
        var block = new byte[(int)Math.Min(length, 1 << 20)];
        for (long at = 0; at < length;)
        {
            int n = RandomAccess.Read(file, block.AsSpan(0, (int)Math.Min(block.Length, length - at)), at);
            if (n == 0) break;
            running.Append(block.AsSpan(0, n));
            at += n;
        }
        return running.Finish();
    }

    /// <summary>Several digests of bytes that come piece by piece.</summary>
    public sealed class Running(IReadOnlyList<string> algorithms) : IDisposable
    {
        readonly Digest[] digests = [.. algorithms.Select(a => new Digest(a))];

        /// <summary>Takes the next piece.</summary>
        public void Append(ReadOnlySpan<byte> data)
        {
            foreach (Digest digest in digests) digest.Append(data);
        }

        /// <summary>Lower-case hexadecimal digests in the order of their names.</summary>
        public string[] Finish() => [.. digests.Select(d => d.Finish())];

        public void Dispose()
        {
            foreach (Digest digest in digests) digest.Dispose();
        }
    }

    /// <summary>Cryptographic and xxHash digests have no common base in .NET.</summary>
    sealed class Digest : IDisposable
    {
        readonly IncrementalHash? strong;
        readonly NonCryptographicHashAlgorithm? quick;

        public Digest(string algorithm)
        {
            quick = algorithm switch
            {
                "xxh32" => new XxHash32(),
                "xxh64" => new XxHash64(),
                "xxh3_64" => new XxHash3(),
                "xxh128" or "xxh3_128" => new XxHash128(),
                _ => null,
            };
            if (quick is null) strong = IncrementalHash.CreateHash(algorithm switch
            {
                "md5" => HashAlgorithmName.MD5,
                "sha1" => HashAlgorithmName.SHA1,
                "sha256" => HashAlgorithmName.SHA256,
                "sha384" => HashAlgorithmName.SHA384,
                "sha512" => HashAlgorithmName.SHA512,
                _ => throw new NotSupportedException($"hash '{DataError.Shown(algorithm)}' is not one of {string.Join(", ", Supported)}"),
            });
        }

        public void Append(ReadOnlySpan<byte> data)
        {
            quick?.Append(data);
            strong?.AppendData(data);
        }

        public string Finish() => Convert.ToHexStringLower(quick?.GetCurrentHash() ?? strong!.GetHashAndReset());

        public void Dispose() => strong?.Dispose();
    }
}
