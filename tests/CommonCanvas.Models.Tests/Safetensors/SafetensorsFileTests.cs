using System.Buffers.Binary;
using System.Text;
using CommonCanvas.Models;
using CommonCanvas.Tests;
using CsCheck;

namespace CommonCanvas.Models.Tests;

public sealed class SafetensorsFileTests : IDisposable
{
    readonly TempFolder folder = new();

    string File => folder["a.safetensors"];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void What_is_written_is_read_back()
    {
        var genShape = Gen.Long[0, 5].Array[0, 4];
        var genItem = Gen.Select(Gen.String[1, 12], genShape, Gen.Enum<SafetensorsType>(), Gen.Int);
        Gen.Select(genItem.Array[0, 8], Gen.Dictionary(Gen.String[0, 5], Gen.String[0, 9])[0, 3]).Sample((items, metadata) =>
        {
            // Half a surrogate pair has no UTF-8 and cannot be a name.
            items = items.Where(i => Sound(i.Item1)).DistinctBy(i => i.Item1).ToArray();
            metadata = metadata.Where(m => Sound(m.Key) && Sound(m.Value)).ToDictionary();
            byte[] Content((string Name, long[] Shape, SafetensorsType Type, int Seed) i)
            {
                byte[] bytes = new byte[i.Shape.Aggregate(1L, (a, d) => a * d) * i.Type.Size()];
                new Random(i.Seed).NextBytes(bytes);
                return bytes;
            }

            SafetensorsWriter.Write(File, items.Select(i => SafetensorsItem.Raw(i.Item1, i.Item3, i.Item2, () => Content(i))), metadata);
            using var read = new SafetensorsFile(File);
            Assert.Equal(metadata, read.Metadata);
            Assert.Equal(items.Select(i => i.Item1).Order(StringComparer.Ordinal), read.Names.Order(StringComparer.Ordinal));
            foreach (var i in items)
            {
                Assert.Equal(i.Item3, read.Entry(i.Item1).Type);
                Assert.Equal(i.Item2, read.Entry(i.Item1).Shape);
                Assert.Equal(Content(i), read.Bytes(i.Item1).ToArray());
                Assert.Equal(0, read.Pointer(i.Item1) % i.Item3.Size());
            }
        }, iter: 300, threads: 1);
    }

    [Theory]
    [InlineData(SafetensorsType.F64)]
    [InlineData(SafetensorsType.F32)]
    [InlineData(SafetensorsType.F16)]
    [InlineData(SafetensorsType.BF16)]
    public void Floats_are_rounded_to_nearest_even(SafetensorsType type)
    {
        float[] values = [0f, -0f, 1f, 1f + 1f / 256, 1f + 3f / 256, 65504f, -3.14159274f, 1e-8f, 6.1e-5f, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue,
            BitConverter.UInt32BitsToSingle(0x7F800001), .. Enumerable.Range(0, 70_000).Select(i => MathF.Sin(i) * MathF.Exp(i % 20 - 10))];
        SafetensorsWriter.Write(File, [SafetensorsItem.Floats("x", [values.Length], values, type)]);
        using var read = new SafetensorsFile(File);
        float[] back = read.ReadFloats("x");
        for (int i = 0; i < values.Length; i++) Assert.Equal(Rounded(values[i], type), back[i]);
    }

    [Fact]
    public void Integers_of_every_type_are_read()
    {
        SafetensorsWriter.Write(File,
        [
            SafetensorsItem.Integers("i64", [3], [-1, long.MaxValue, 5]),
            SafetensorsItem.Raw("i32", SafetensorsType.I32, [1], () => new byte[] { 0xFE, 0xFF, 0xFF, 0xFF }),
            SafetensorsItem.Raw("u32", SafetensorsType.U32, [1], () => new byte[] { 0xFE, 0xFF, 0xFF, 0xFF }),
            SafetensorsItem.Raw("i16", SafetensorsType.I16, [1], () => new byte[] { 0xFE, 0xFF }),
            SafetensorsItem.Raw("u16", SafetensorsType.U16, [], () => new byte[] { 0xFE, 0xFF }),
            SafetensorsItem.Raw("i8", SafetensorsType.I8, [1], () => new byte[] { 0xFE }),
            SafetensorsItem.Raw("u8", SafetensorsType.U8, [2], () => new byte[] { 0xFE, 3 }),
            SafetensorsItem.Raw("b", SafetensorsType.Bool, [2, 1], () => new byte[] { 1, 0 }),
            SafetensorsItem.Raw("u64", SafetensorsType.U64, [1], () => new byte[] { 0, 0, 0, 0, 0, 0, 0, 0x80 }),
        ]);
        using var read = new SafetensorsFile(File);
        Assert.Equal([-1, long.MaxValue, 5], read.ReadIntegers("i64"));
        Assert.Equal([-2], read.ReadIntegers("i32"));
        Assert.Equal([4294967294], read.ReadIntegers("u32"));
        Assert.Equal([-2], read.ReadIntegers("i16"));
        Assert.Equal([65534], read.ReadIntegers("u16"));
        Assert.Equal([-2], read.ReadIntegers("i8"));
        Assert.Equal([254, 3], read.ReadIntegers("u8"));
        Assert.Equal([1, 0], read.ReadIntegers("b"));
        Assert.Throws<InvalidDataException>(() => read.ReadIntegers("u64"));
        Assert.Throws<InvalidDataException>(() => read.ReadFloats("i64"));
        Assert.Throws<KeyNotFoundException>(() => read.ReadFloats("none"));
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "overlaps")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}""", 16, "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 12, "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "cut off")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "needs 12 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "overflows")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,0]}}""", 0, "shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}""", 0, "shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,0]}}""", 0, "shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "end before")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}}""", 8, "data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0],"data_offsets":[9223372036854775807,9223372036854775807]}}""", 8, "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}""", 2, "F8_E4M3")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""", 8, "lacks")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"extra":1}}""", 8, "extra")]
    [InlineData("""{"a":[]}""", 0, "instead of an object")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "instead of a string")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", 0, "twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[[[[[[[[[[1]]]]]]]]]],"data_offsets":[0,4]}}""", 4, "shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x""", 8, "JSON")]
    [InlineData("""{"a\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""", 8, "JSON")]
    [InlineData("""[1]""", 0, "start with")]
    [InlineData("", 0, "start with")]
    public void A_header_that_lies_is_refused(string json, int dataBytes, string reason)
    {
        WriteRaw(Encoding.UTF8.GetBytes(json), dataBytes);
        var error = Assert.Throws<InvalidDataException>(() => new SafetensorsFile(File));
        Assert.StartsWith(File, error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(0x7FFFFFFFFFFFFFFFul)]
    [InlineData(100_000_001ul)]
    [InlineData(99_999_999ul)]
    public void A_huge_header_length_costs_nothing(ulong length)
    {
        byte[] bytes = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        System.IO.File.WriteAllBytes(File, bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<InvalidDataException>(() => new SafetensorsFile(File));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void Deep_nesting_is_an_error()
    {
        WriteRaw(Encoding.UTF8.GetBytes("{\"a\":" + new string('{', 100_000)), 0);
        Assert.Throws<InvalidDataException>(() => new SafetensorsFile(File));
        WriteRaw(Encoding.UTF8.GetBytes("{\"a\":{\"dtype\":" + new string('[', 1_000_000)), 0);
        Assert.Throws<InvalidDataException>(() => new SafetensorsFile(File));
    }

    [Fact]
    public void A_file_of_a_few_bytes_is_an_error()
    {
        for (int n = 0; n < 8; n++)
        {
            System.IO.File.WriteAllBytes(File, new byte[n]);
            Assert.Throws<InvalidDataException>(() => new SafetensorsFile(File));
        }
    }

    [Fact, Trait("Category", "Fuzz")]
    public void Damaged_files_are_refused_or_read_within_their_bounds()
    {
        SafetensorsWriter.Write(File,
        [
            SafetensorsItem.Floats("conv.weight", [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]),
            SafetensorsItem.Floats("conv.bias", [2], [1, 2], SafetensorsType.F16),
            SafetensorsItem.Integers("ids", [1, 2], [7, 8]),
        ]);
        byte[] sound = System.IO.File.ReadAllBytes(File);
        Mutator.Run([sound], 2000, (bytes, _) =>
        {
            System.IO.File.WriteAllBytes(File, bytes);
            using var read = new SafetensorsFile(File);
            long total = read.Names.Sum(n => (long)read.Bytes(n).ToArray().Length);
            // What is accepted accounts for every byte of the file.
            Assert.Equal(bytes.Length, 8 + (long)BinaryPrimitives.ReadUInt64LittleEndian(bytes) + total);
        }, e => e is InvalidDataException && e.Message.StartsWith(File, StringComparison.Ordinal));
    }

    void WriteRaw(byte[] header, int dataBytes)
    {
        byte[] bytes = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, header.Length);
        header.CopyTo(bytes, 8);
        System.IO.File.WriteAllBytes(File, bytes);
    }

    static bool Sound(string text)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetByteCount(text) >= 0;
        }
        catch (EncoderFallbackException) { return false; }
    }

    static float Rounded(float value, SafetensorsType type)
    {
        if (type == SafetensorsType.F16) return (float)(Half)value;
        if (type != SafetensorsType.BF16 || !float.IsFinite(value)) return value;
        // The two neighbours of 16 bits; the nearer one, or at equal distance the one with an even last bit.
        uint bits = BitConverter.SingleToUInt32Bits(value), low = bits & 0xFFFF0000, rest = bits & 0xFFFF;
        bool up = rest > 0x8000 || rest == 0x8000 && (low & 0x10000) != 0;
        return BitConverter.UInt32BitsToSingle(up ? low + 0x10000 : low);
    }
}
