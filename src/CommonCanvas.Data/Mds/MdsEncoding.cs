using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace CommonCanvas.Data;

/// <summary>A picture's pixels as PIL holds them: <c>mode</c> is PIL's name (<c>RGB</c>, <c>L</c>, ...).</summary>
public sealed record MdsRawPicture(uint Width, uint Height, string Mode, ReadOnlyMemory<byte> Pixels);

/// <summary>
/// How one column's values become bytes. Values are, by encoding: <c>bytes</c>, <c>jpeg</c>, <c>png</c>
/// <see cref="ReadOnlyMemory{T}"/> of byte (the writer also takes <c>byte[]</c>); <c>str</c> string; <c>json</c>
/// <see cref="JsonNode"/> (null is <see cref="DBNull"/>); <c>str_int</c> <see cref="BigInteger"/>; <c>str_float</c> double; <c>str_decimal</c> decimal;
/// <c>int</c>, <c>int8</c>..<c>uint64</c>, <c>float16</c>..<c>float64</c> the .NET number of that width; <c>pil</c>
/// <see cref="MdsRawPicture"/>; <c>jpeg_array</c> and <c>list[...]</c> an array of byte memories; <c>ndarray</c>
/// <see cref="NdArray"/>. The writer takes any number that the column holds without loss of range.
/// </summary>
public sealed class MdsEncoding
{
    static readonly UTF8Encoding StrictUtf8 = new(false, true);
    static readonly JsonDocumentOptions OneValueAKey = new() { AllowDuplicateProperties = false };
    readonly string kind;
    readonly string? dtype;
    readonly int[]? shape;

    MdsEncoding(string text, string kind, int? size, string? dtype = null, int[]? shape = null) =>
        (Text, this.kind, FixedSize, this.dtype, this.shape) = (text, kind, size, dtype, shape);

    /// <summary>The name that stands in the index.</summary>
    public string Text { get; }

    /// <summary>Bytes of every value, or null where they vary.</summary>
    public int? FixedSize { get; }

    /// <summary>Reads a name such as <c>ndarray:float16:4,3</c>.</summary>
    /// <exception cref="FormatException">Unknown, or <c>pkl</c>, which runs code when it is read.</exception>
    public static MdsEncoding Parse(string text)
    {
        int? size = text switch
        {
            "uint8" or "int8" => 1,
            "uint16" or "int16" or "float16" => 2,
            "uint32" or "int32" or "float32" => 4,
            "int" or "uint64" or "int64" or "float64" => 8,
            "bytes" or "str" or "json" or "str_int" or "str_float" or "str_decimal" or "pil" or "jpeg" or "png"
                or "jpeg_array" or "list[pil]" or "list[jpeg]" or "list[png]" => null,
            "pkl" => throw new FormatException("encoding 'pkl' is refused: a pickle can run any code when it is read; write the column as bytes, json or ndarray"),
            _ => -1,
        };
        if (size != -1) return new MdsEncoding(text, text == "int" ? "int64" : text, size);
        string[] parts = text.Split(':');
        if (parts[0] != "ndarray" || parts.Length > 3) throw new FormatException($"encoding '{DataError.Shown(text)}' is unknown");
        if (parts.Length == 1) return new MdsEncoding(text, "ndarray", null);
        int element = NdArray.SizeOf(parts[1]) ?? throw new FormatException($"encoding '{DataError.Shown(text)}': element type unknown");
        if (parts.Length == 2) return new MdsEncoding(text, "ndarray", null, parts[1]);
        string[] sides = parts[2].Split(',');
        var shape = new int[sides.Length];
        Int128 bytes = element;
        for (int i = 0; i < sides.Length; i++)
        {
            if (!int.TryParse(sides[i], NumberStyles.None, CultureInfo.InvariantCulture, out shape[i]) || shape[i] < 1 || (bytes *= shape[i]) > int.MaxValue)
                throw new FormatException($"encoding '{DataError.Shown(text)}': dimensions must be 1 or more, and below 2 GiB in all");
        }
        return new MdsEncoding(text, "ndarray", (int)bytes, parts[1], shape);
    }

    /// <summary>Appends a value's bytes.</summary>
    /// <exception cref="ArgumentException">The value is not of this encoding's kind or range.</exception>
    internal void Encode(object value, ByteBuffer to)
    {
        switch (kind)
        {
            case "bytes" or "jpeg" or "png": to.Append(Bytes(value).Span); break;
            case "str": AppendText(to, Need<string>(value)); break;
            case "json": AppendText(to, value is DBNull ? "null" : PythonJson.Text(Need<JsonNode>(value))); break;
            case "str_int": AppendText(to, Integer(value).ToString(CultureInfo.InvariantCulture)); break;
            case "str_float": AppendText(to, PythonJson.Number(Real(value))); break;
            case "str_decimal": AppendText(to, Need<decimal>(value).ToString(CultureInfo.InvariantCulture)); break;
            case "pil": AppendPicture(to, Need<MdsRawPicture>(value)); break;
            case "jpeg_array" or "list[pil]" or "list[jpeg]" or "list[png]": AppendBlobs(to, Need<ReadOnlyMemory<byte>[]>(value)); break;
            case "ndarray":
                var array = Need<NdArray>(value);
                if (dtype is not null && array.DType != dtype || shape is not null && !shape.AsSpan().SequenceEqual(array.Shape))
                    throw new ArgumentException($"an array {array.DType}[{string.Join(',', array.Shape)}] does not belong into a column '{Text}'");
                array.Encode(to, dtype is null, shape is null);
                break;
            default: AppendNumber(to, value); break;
        }
    }

    /// <summary>Reads a value; memories refer to <paramref name="from"/>.</summary>
    /// <exception cref="FormatException">The bytes are no such value.</exception>
    internal object Decode(ReadOnlyMemory<byte> from)
    {
        ReadOnlySpan<byte> span = from.Span;
        if (FixedSize is int size && span.Length != size) throw new FormatException($"{span.Length} bytes where '{Text}' has {size}");
        try
        {
            return kind switch
            {
                "bytes" or "jpeg" or "png" => from,
                "str" => StrictUtf8.GetString(span),
                "json" => JsonNode.Parse(span, null, OneValueAKey) is JsonNode node ? Read(node) : DBNull.Value,
                "str_int" => BigInteger.Parse(Limited(span), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture),
                "str_float" => ParseReal(Limited(span)),
                "str_decimal" => decimal.Parse(Limited(span), NumberStyles.Float, CultureInfo.InvariantCulture),
                "uint8" => span[0],
                "int8" => (sbyte)span[0],
                "uint16" => BinaryPrimitives.ReadUInt16LittleEndian(span),
                "int16" => BinaryPrimitives.ReadInt16LittleEndian(span),
                "uint32" => BinaryPrimitives.ReadUInt32LittleEndian(span),
                "int32" => BinaryPrimitives.ReadInt32LittleEndian(span),
                "uint64" => BinaryPrimitives.ReadUInt64LittleEndian(span),
                "int64" => BinaryPrimitives.ReadInt64LittleEndian(span),
                "float16" => BinaryPrimitives.ReadHalfLittleEndian(span),
                "float32" => BinaryPrimitives.ReadSingleLittleEndian(span),
                "float64" => BinaryPrimitives.ReadDoubleLittleEndian(span),
                "pil" => DecodePicture(from),
                "jpeg_array" or "list[pil]" or "list[jpeg]" or "list[png]" => DecodeBlobs(from),
                _ => NdArray.Decode(from, dtype, shape),
            };
        }
        catch (Exception cause) when (cause is DecoderFallbackException or JsonException or OverflowException or ArgumentException or InvalidOperationException)
        {
            throw new FormatException($"the bytes are no '{Text}' ({cause.Message})", cause);
        }
    }

    /// <summary>Text inside JSON is decoded when it is first asked for; asks for all of it, so that damage shows here.</summary>
    static JsonNode Read(JsonNode node)
    {
        _ = PythonJson.Text(node);
        return node;
    }

    static void AppendText(ByteBuffer to, string text)
    {
        try { to.Advance(StrictUtf8.GetBytes(text, to.GetSpan(StrictUtf8.GetMaxByteCount(text.Length)))); }
        catch (EncoderFallbackException cause) { throw new ArgumentException("text with half a surrogate pair cannot be stored as UTF-8", cause); }
    }

    static void AppendPicture(ByteBuffer to, MdsRawPicture picture)
    {
        to.AppendU32(picture.Width);
        to.AppendU32(picture.Height);
        to.AppendU32((uint)StrictUtf8.GetByteCount(picture.Mode));
        AppendText(to, picture.Mode);
        to.Append(picture.Pixels.Span);
    }

    static MdsRawPicture DecodePicture(ReadOnlyMemory<byte> from)
    {
        if (from.Length < 12) throw new FormatException("a picture without its size");
        uint width = U32(from, 0), height = U32(from, 4), mode = U32(from, 8);
        if (mode > from.Length - 12) throw new FormatException("a picture whose mode is cut off");
        return new MdsRawPicture(width, height, StrictUtf8.GetString(from.Span.Slice(12, (int)mode)), from[(12 + (int)mode)..]);
    }

    void AppendBlobs(ByteBuffer to, ReadOnlyMemory<byte>[] blobs)
    {
        if (kind != "jpeg_array") to.AppendU32(0);
        to.AppendU32((uint)blobs.Length);
        foreach (ReadOnlyMemory<byte> blob in blobs) to.AppendU32((uint)blob.Length);
        foreach (ReadOnlyMemory<byte> blob in blobs) to.Append(blob.Span);
    }

    ReadOnlyMemory<byte>[] DecodeBlobs(ReadOnlyMemory<byte> from)
    {
        int at = 4;
        if (from.Length < 4) throw new FormatException("a list without its length");
        uint n = U32(from, 0);
        if (kind != "jpeg_array")
        {
            if (n != 0 || from.Length < 8) throw new FormatException("a list without its head");
            n = U32(from, 4);
            at = 8;
        }
        if (n > (from.Length - at) / 4) throw new FormatException($"a list of {n} entries in {from.Length} bytes");
        var blobs = new ReadOnlyMemory<byte>[n];
        int end = at + (int)n * 4;
        for (int i = 0; i < blobs.Length; i++)
        {
            uint length = U32(from, at + i * 4);
            if (length > from.Length - end) throw new FormatException($"entry {i} of a list is cut off");
            blobs[i] = from.Slice(end, (int)length);
            end += (int)length;
        }
        return end == from.Length ? blobs : throw new FormatException("bytes after the end of a list");
    }

    void AppendNumber(ByteBuffer to, object value)
    {
        Span<byte> bytes = to.GetSpan(8);
        switch (kind)
        {
            case "float16": BinaryPrimitives.WriteHalfLittleEndian(bytes, value is Half half ? half : (Half)Real(value)); break;
            case "float32": BinaryPrimitives.WriteSingleLittleEndian(bytes, value is float single ? single : (float)Real(value)); break;
            case "float64": BinaryPrimitives.WriteDoubleLittleEndian(bytes, Real(value)); break;
            default:
                BigInteger number = Integer(value);
                int bits = FixedSize!.Value * 8;
                bool signed = kind[0] == 'i';
                BigInteger low = signed ? -(BigInteger.One << (bits - 1)) : 0, high = (BigInteger.One << (signed ? bits - 1 : bits)) - 1;
                if (number < low || number > high) throw new ArgumentException($"{number} does not fit into a column '{Text}'");
                BinaryPrimitives.WriteUInt64LittleEndian(bytes, signed ? (ulong)(long)number : (ulong)number);
                break;
        }
        to.Advance(FixedSize!.Value);
    }

    T Need<T>(object value) => value is T right ? right : throw Wrong(value);

    ArgumentException Wrong(object value) => new($"a value of type {value.GetType().Name} does not belong into a column '{Text}'");

    ReadOnlyMemory<byte> Bytes(object value) => value as byte[] ?? Need<ReadOnlyMemory<byte>>(value);

    BigInteger Integer(object value) => value switch
    {
        int v => v, long v => v, byte v => v, sbyte v => v, short v => v, ushort v => v, uint v => v, ulong v => v,
        BigInteger v => v,
        _ => throw Wrong(value),
    };

    double Real(object value) => value switch { double v => v, float v => v, Half v => (double)v, int v => v, long v => v, _ => throw Wrong(value) };

    /// <summary>Numbers as text are short; a long one would cost quadratic time to parse.</summary>
    static string Limited(ReadOnlySpan<byte> span) => span.Length <= 4096 ? StrictUtf8.GetString(span) : throw new FormatException($"a number of {span.Length} digits");

    static double ParseReal(string text) => text switch
    {
        "nan" => double.NaN,
        "inf" => double.PositiveInfinity,
        "-inf" => double.NegativeInfinity,
        _ => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture),
    };

    static uint U32(ReadOnlyMemory<byte> from, int at) => BinaryPrimitives.ReadUInt32LittleEndian(from.Span[at..]);
}
