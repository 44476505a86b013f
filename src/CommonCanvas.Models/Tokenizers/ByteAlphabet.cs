using System.Text;

namespace CommonCanvas.Models;

/// <summary>
/// GPT-2's and CLIP's way to write any bytes as visible characters: printable Latin-1 bytes stand for themselves, the
/// others take the characters from U+0100 on.
/// </summary>
static class ByteAlphabet
{
    static readonly char[] charOf = new char[256];

    static ByteAlphabet()
    {
        var order = new List<char>();
        for (int b = 0; b < 256; b++)
            if (b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE) order.Add(charOf[b] = (char)b);
        for (int b = 0, next = 0x100; b < 256; b++)
            if (charOf[b] == 0) order.Add(charOf[b] = (char)next++);
        InVocabularyOrder = [.. order];
    }

    /// <summary>All 256 characters in the order in which CLIP's vocabulary numbers them.</summary>
    internal static IReadOnlyList<char> InVocabularyOrder { get; }

    /// <summary>The UTF-8 bytes of <paramref name="piece"/>, each as its character.</summary>
    internal static string Write(ReadOnlySpan<char> piece)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetMaxByteCount(piece.Length)];
        int count = Encoding.UTF8.GetBytes(piece, bytes);
        return string.Create(count, bytes, static (text, bytes) =>
        {
            for (int i = 0; i < text.Length; i++) text[i] = charOf[bytes[i]];
        });
    }
}
