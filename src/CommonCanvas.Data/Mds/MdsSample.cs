using System.Numerics;
using System.Text.Json.Nodes;

namespace CommonCanvas.Data;

/// <summary>One sample: the bytes of every column, turned into values on demand.</summary>
public sealed class MdsSample
{
    readonly string file;
    readonly long number;
    readonly IReadOnlyList<MdsColumn> columns;
    readonly ReadOnlyMemory<byte>[] payloads;

    internal MdsSample(string file, long number, IReadOnlyList<MdsColumn> columns, ReadOnlyMemory<byte>[] payloads) =>
        (this.file, this.number, this.columns, this.payloads) = (file, number, columns, payloads);

    /// <summary>The columns in stored order.</summary>
    public IReadOnlyList<MdsColumn> Columns => columns;

    /// <summary>True where there is such a column.</summary>
    public bool Has(string column) => Find(column) >= 0;

    /// <summary>A column's stored bytes as they are: for <c>bytes</c>, <c>jpeg</c> and <c>png</c> the value itself.</summary>
    /// <exception cref="InvalidDataException">There is no such column.</exception>
    public ReadOnlyMemory<byte> Bytes(string column)
    {
        int i = Find(column);
        return i >= 0 ? payloads[i] : throw Missing(column);
    }

    /// <summary>A column's value; its type is listed at <see cref="MdsEncoding"/>.</summary>
    /// <exception cref="InvalidDataException">There is no such column, or its bytes are no such value.</exception>
    public object Value(string column)
    {
        int i = Find(column);
        if (i < 0) throw Missing(column);
        try { return columns[i].Encoding.Decode(payloads[i]); }
        catch (FormatException cause) { throw DataError.In(file, $"sample {number}, column '{DataError.Shown(column)}': {cause.Message}", cause); }
    }

    /// <summary>A column of text.</summary>
    public string Text(string column) => Value(column) is string text ? text : throw WrongKind(column, "text");

    /// <summary>A column of integers of any width.</summary>
    public long Integer(string column)
    {
        long? value = Value(column) switch
        {
            long v => v, int v => v, short v => v, sbyte v => v, byte v => v, ushort v => v, uint v => v,
            ulong v when v <= long.MaxValue => (long)v,
            BigInteger v when v >= long.MinValue && v <= long.MaxValue => (long)v,
            _ => null,
        };
        return value ?? throw WrongKind(column, "an integer of 64 bits");
    }

    /// <summary>A column of real numbers of any width.</summary>
    public double Real(string column) =>
        Value(column) switch { double v => v, float v => v, Half v => (double)v, _ => throw WrongKind(column, "a real number") };

    /// <summary>A column of arrays.</summary>
    public NdArray Array(string column) => Value(column) as NdArray ?? throw WrongKind(column, "an array");

    /// <summary>A column of JSON; null where the value is <c>null</c>.</summary>
    public JsonNode? Json(string column) => Value(column) switch
    {
        JsonNode node => node,
        DBNull => null,
        _ => throw WrongKind(column, "JSON"),
    };

    int Find(string column)
    {
        for (int i = 0; i < columns.Count; i++)
            if (columns[i].Name == column) return i;
        return -1;
    }

    InvalidDataException Missing(string column) =>
        DataError.In(file, $"has no column '{column}'; it has {DataError.Shown(string.Join(", ", columns.Select(c => c.Name)), 400)}");

    InvalidDataException WrongKind(string column, string wanted) =>
        DataError.In(file, $"sample {number}, column '{column}' of encoding '{columns[Find(column)].Encoding.Text}' is not {wanted}");
}
