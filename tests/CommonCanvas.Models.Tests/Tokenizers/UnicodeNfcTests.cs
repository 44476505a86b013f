using System.Text;
using CsCheck;

namespace CommonCanvas.Models.Tests;

public sealed class UnicodeNfcTests
{
    // From the definition's own tables and examples (UAX 15, NormalizationTest.txt).
    [Theory]
    [InlineData("a\u0301", "\u00E1")]
    [InlineData("\u0041\u030A", "\u00C5")]
    [InlineData("\u212B", "\u00C5")]
    [InlineData("\u2126", "\u03A9")]
    [InlineData("\u1E9B\u0323", "\u1E9B\u0323")]
    [InlineData("\u0044\u0307\u0323", "\u1E0C\u0307")]
    [InlineData("\u1E0A\u0323", "\u1E0C\u0307")]
    [InlineData("\u0061\u0315\u0300\u05AE\u0301", "\u00E0\u05AE\u0301\u0315")]
    [InlineData("\u0958", "\u0915\u093C")]
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("\u1112\u1161\u11AB", "\uD55C")]
    [InlineData("\uAC00\u11A8", "\uAC01")]
    [InlineData("\uAC01\u11A8", "\uAC01\u11A8")]
    [InlineData("\uD834\uDD5E", "\uD834\uDD57\uD834\uDD65")]
    [InlineData("\uFB01 \u00BD", "\uFB01 \u00BD")]
    [InlineData("\u0301", "\u0301")]
    [InlineData("plain \u00E9", "plain \u00E9")]
    public void Text_is_composed_as_the_standard_says(string text, string composed) => Assert.Equal(composed, UnicodeNfc.Compose(text));

    [Fact]
    public void Half_a_surrogate_pair_is_replaced() => Assert.Equal("a\uFFFDb\u0301", UnicodeNfc.Compose("a\uD800b\u0301"));

    [Fact]
    public void Composing_twice_changes_nothing()
    {
        // Letters and marks that meet often.
        var rune = Gen.OneOf(Gen.Int['a', 'e'], Gen.Int[0x300, 0x345], Gen.Int[0xC0, 0x17F], Gen.Int[0x1100, 0x1112], Gen.Int[0x1161, 0x11C2], Gen.Int[0xAC00, 0xAC40], Gen.Int[0x1D157, 0x1D169]);
        rune.Array[0, 12].Sample(runes =>
        {
            var text = new StringBuilder();
            foreach (int r in runes) text.Append(new Rune(r));
            string once = UnicodeNfc.Compose(text.ToString());
            Assert.Equal(once, UnicodeNfc.Compose(once));
        }, iter: 5000);
    }

    [Fact]
    public void Any_number_of_marks_is_sorted_in_time()
    {
        string text = "a" + string.Concat(Enumerable.Repeat("\u0301\u0323", 100_000));
        Assert.StartsWith("\u1EA1\u0323", UnicodeNfc.Compose(text), StringComparison.Ordinal);
    }
}
