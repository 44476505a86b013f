using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// The conditions on the arguments of every operation, for all devices; one method for each operation, of its name. A
/// violation is an <see cref="ArgumentException"/> that names the operation, the argument, what it is and what it has to be.
/// Nothing is allocated where the arguments are right.
/// </summary>
static partial class OpChecks
{
    // The caller's name is the operation's, and the argument's expression is its name.

    /// <summary>F32, F16 or BF16 of at least one dimension and, where given, of this rank.</summary>
    static void Floating(Tensor t, int rank = 0, [CallerArgumentExpression(nameof(t))] string name = "", [CallerMemberName] string op = "")
    {
        if (t.IsNone || t.Type == DType.I32 || (rank > 0 && t.Rank != rank))
            Fail(op, name, t, rank > 0 ? $"F32, F16 or BF16 with {rank} dimensions" : "F32, F16 or BF16");
    }

    /// <summary>Exactly this type and shape.</summary>
    static void Is(Tensor t, DType type, int d0, int d1 = -1, int d2 = -1, int d3 = -1,
        [CallerArgumentExpression(nameof(t))] string name = "", [CallerMemberName] string op = "")
    {
        var expected = new Tensor(0, type, d0, d1, d2, d3);
        if (t.IsNone || t.Type != type || !t.SameShape(expected)) Fail(op, name, t, expected.ToString());
    }

    /// <summary>Absent, or exactly this type and shape.</summary>
    static void IsOptional(Tensor t, DType type, int d0, int d1 = -1, int d2 = -1, int d3 = -1,
        [CallerArgumentExpression(nameof(t))] string name = "", [CallerMemberName] string op = "")
    {
        if (!t.IsNone) Is(t, type, d0, d1, d2, d3, name, op);
    }

    /// <summary>The type of <paramref name="other"/> and as many elements.</summary>
    static void Alike(Tensor t, Tensor other, [CallerArgumentExpression(nameof(t))] string name = "", [CallerMemberName] string op = "")
    {
        if (t.IsNone || t.Type != other.Type || t.Count != other.Count) Fail(op, name, t, $"{other} or a view of it");
    }

    /// <summary>Absent, or the type of <paramref name="other"/> and as many elements.</summary>
    static void AlikeOptional(Tensor t, Tensor other, [CallerArgumentExpression(nameof(t))] string name = "", [CallerMemberName] string op = "")
    {
        if (!t.IsNone) Alike(t, other, name, op);
    }

    /// <summary>A matrix [rows, columns], or a tensor that is one with its leading dimensions joined.</summary>
    static void Matrix(Tensor t, DType type, long rows, int columns, [CallerArgumentExpression(nameof(t))] string name = "", [CallerMemberName] string op = "")
    {
        if (t.IsNone || t.Type != type || t.Channels != columns || t.Count != rows * columns) Fail(op, name, t, $"{type} of {rows} rows of {columns}");
    }

    /// <summary>This type and as many elements, in any shape.</summary>
    static void Holds(Tensor t, DType type, long count, [CallerArgumentExpression(nameof(t))] string name = "", [CallerMemberName] string op = "")
    {
        if (t.IsNone || t.Type != type || t.Count != count) Fail(op, name, t, $"{type} of {count} elements");
    }

    /// <summary>Absent, or this type and as many elements.</summary>
    static void HoldsOptional(Tensor t, DType type, long count, [CallerArgumentExpression(nameof(t))] string name = "", [CallerMemberName] string op = "")
    {
        if (!t.IsNone) Holds(t, type, count, name, op);
    }

    /// <summary>A condition that has its own words.</summary>
    static void Require(bool condition, Tensor t, string expected, [CallerArgumentExpression(nameof(t))] string name = "", [CallerMemberName] string op = "")
    {
        if (!condition) Fail(op, name, t, expected);
    }

    [DoesNotReturn]
    static void Fail(string op, string name, Columns t, string expected) => throw new ArgumentException($"{op}: {name} is {t}, must be {expected}", name);

    public static void Upload(int count, int size, Tensor y) =>
        Require(!y.IsNone && y.Count == count && y.Type.Size() == size, y, "of the host's count and element size");

    public static void Download(int count, int size, Tensor x) =>
        Require(!x.IsNone && x.Count == count && x.Type.Size() == size, x, "of the host's count and element size");

    public static void Fill(Tensor y) => Require(!y.IsNone, y, "present");

    public static void Cast(Tensor x, Tensor y)
    {
        Require(!x.IsNone, x, "present");
        Require(y.Count == x.Count && !y.IsNone, y, "of as many elements as x");
        Require(!(x.Type == DType.I32 && y.Type.IsReduced()), y, "I32 or F32 where x is I32");
        Require(!(y.Type == DType.I32 && x.Type.IsReduced()), x, "I32 or F32 where y is I32");
    }

    public static void Transpose(Tensor x, Tensor y)
    {
        Floating(x, 3);
        Is(y, x.Type, x[0], x[2], x[1]);
    }

    public static void ActivationForward(Tensor x, Tensor y)
    {
        Floating(x);
        Alike(y, x);
    }

    public static void ActivationBackward(Tensor x, Tensor dY, Tensor dX)
    {
        Floating(x);
        Alike(dY, x);
        Alike(dX, x);
    }

    public static void GegluForward(Tensor x, Tensor y)
    {
        Floating(x);
        Require(x.Channels % 2 == 0, x, "of an even last dimension, values beside gates");
        Matrix(y, x.Type, x.Rows, x.Channels / 2);
    }

    public static void GegluBackward(Tensor x, Tensor dY, Tensor dX)
    {
        Floating(x);
        Require(x.Channels % 2 == 0, x, "of an even last dimension, values beside gates");
        Matrix(dY, x.Type, x.Rows, x.Channels / 2);
        Alike(dX, x);
    }

    public static void Add(Tensor a, Tensor b, Tensor y)
    {
        Floating(a);
        Alike(b, a);
        Alike(y, a);
    }

    public static void Scale(Tensor x, Tensor y)
    {
        Floating(x);
        Alike(y, x);
    }

    public static void UpsampleForward(Tensor x, Tensor y)
    {
        Floating(x, 4);
        Floating(y, 4);
        Is(y, x.Type, x[0], y[1], y[2], x[3]);
    }

    public static void UpsampleBackward(Tensor dY, Tensor dX)
    {
        Floating(dY, 4);
        Floating(dX, 4);
        Is(dX, dY.Type, dY[0], dX[1], dX[2], dY[3]);
    }

    public static void ConcatForward(Tensor a, Tensor b, Tensor y)
    {
        Floating(a);
        Floating(b);
        Matrix(b, a.Type, a.Rows, b.Channels);
        Matrix(y, a.Type, a.Rows, a.Channels + b.Channels);
    }

    public static void ConcatBackward(Tensor dY, Tensor dA, Tensor dB)
    {
        Floating(dY);
        Floating(dA);
        Matrix(dA, dY.Type, dY.Rows, dA.Channels);
        Matrix(dB, dY.Type, dY.Rows, dY.Channels - dA.Channels);
    }

    public static void EmbeddingForward(Tensor ids, Tensor table, Tensor position, Tensor y)
    {
        Require(!ids.IsNone && ids.Type == DType.I32, ids, "I32");
        Floating(table, 2);
        if (!position.IsNone)
        {
            Floating(position, 2);
            Is(position, table.Type, Math.Max(position[0], ids.Channels), table[1]);
        }
        Matrix(y, table.Type, ids.Count, table[1]);
    }

    public static void EmbeddingBackward(Tensor ids, Tensor dY, GradientTarget dTable, GradientTarget dPosition)
    {
        Require(!ids.IsNone && ids.Type == DType.I32, ids, "I32");
        Floating(dY);
        Matrix(dY, dY.Type, ids.Count, dY.Channels);
        if (!dTable.IsNone) Is(dTable.Tensor, DType.F32, dTable.Tensor[0], dY.Channels);
        if (!dPosition.IsNone) Is(dPosition.Tensor, DType.F32, Math.Max(dPosition.Tensor[0], ids.Channels), dY.Channels);
    }

    /// <summary>Every id is a row of the table.</summary>
    public static void Ids(ReadOnlySpan<int> ids, int rows)
    {
        for (int i = 0; i < ids.Length; i++)
            if ((uint)ids[i] >= (uint)rows) throw new ArgumentException($"Embedding: ids[{i}] is {ids[i]}, must be 0 to {rows - 1}, a row of the table");
    }
}
